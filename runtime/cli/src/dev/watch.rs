//! Watching the sources of a project.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::sources::Sources;
use crate::error::{CliError, Result};
use crate::exit::Exit;

/// Editors save in several steps: it is looked when nothing has happened for this long, and at the
/// latest after so many times that.
const SETTLE: Duration = Duration::from_millis(40);
const SETTLES_MAX: usize = 10;

/// Calls `tell` with what has changed, on a thread of its own, until that answers false.
///
/// # Errors
/// `E-DEV-WATCH` where the system cannot watch so many folders.
pub(crate) fn watch(
    mut sources: Sources,
    tell: impl Fn(Vec<PathBuf>) -> bool + Send + 'static,
) -> Result<()> {
    let (sender, events) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Looking at files makes events too.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            let _ = sender.send(());
        }
    })
    .map_err(|error| failed(&error))?;
    let mut watched = HashSet::new();
    add(&mut watcher, &sources, &mut watched)?;
    std::thread::spawn(move || {
        while settle(&events) {
            let changes = sources.changes();
            // A folder that cannot be watched is as it was before this program: seen at a restart.
            if let Err(error) = add(&mut watcher, &sources, &mut watched) {
                tracing::warn!("{error}");
            }
            if !changes.is_empty() && !tell(changes) {
                return;
            }
        }
    });
    Ok(())
}

/// Watches folders that are new. One that is made anew is watched anew.
fn add(
    watcher: &mut RecommendedWatcher,
    sources: &Sources,
    watched: &mut HashSet<PathBuf>,
) -> Result<()> {
    watched.retain(|folder| sources.folders.contains(folder));
    for folder in &sources.folders {
        if watched.insert(folder.clone()) {
            watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

/// Waits for something to happen and then to be over. False once nobody watches any more.
fn settle(events: &Receiver<()>) -> bool {
    if events.recv().is_err() {
        return false;
    }
    for _ in 0..SETTLES_MAX {
        match events.recv_timeout(SETTLE) {
            Ok(()) => while events.try_recv().is_ok() {},
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

fn failed(error: &notify::Error) -> CliError {
    CliError::new("E-DEV-WATCH", Exit::Failure, format!("cannot watch the project: {error}"))
        .next("raise fs.inotify.max_user_watches, or have git ignore folders without sources")
}

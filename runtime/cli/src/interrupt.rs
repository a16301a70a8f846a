//! Ctrl-C and SIGTERM: temporary folders are removed, or whoever asked for it is told and ends by itself.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{CliError, Result};
use crate::exit::Exit;

/// Tries to remove a folder that other threads may still be writing to.
const REMOVALS_MAX: usize = 10;

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static LISTENER: Mutex<Option<Sender<()>>> = Mutex::new(None);
static HANDLER: Once = Once::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary folder that Ctrl-C removes too.
pub(crate) struct TemporaryFolder {
    path: PathBuf,
    folder: Option<TempDir>,
}

impl TemporaryFolder {
    /// Makes one.
    pub(crate) fn new() -> Result<Self> {
        handle();
        // Held while the folder is made: an interrupt finds it in the list, or not made.
        let mut folders = lock(&FOLDERS);
        let folder = TempDir::with_prefix("pelton-").map_err(|error| {
            let text = format!("cannot make a temporary folder: {error}");
            CliError::new("E-FILE", Exit::Failure, text)
                .next("free some space, set TMPDIR, or give --data-dir")
        })?;
        let path = folder.path().to_owned();
        folders.push(path.clone());
        Ok(Self { path, folder: Some(folder) })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // First the folder, then its place in the list: an interrupt in between does no harm.
        drop(self.folder.take());
        lock(&FOLDERS).retain(|folder| *folder != self.path);
    }
}

/// From now on Ctrl-C (or SIGTERM) sends here, and the process goes on; a second one ends it.
pub(crate) fn listen() -> Receiver<()> {
    handle();
    let (sender, receiver) = channel();
    *lock(&LISTENER) = Some(sender);
    receiver
}

/// Sets the handler, once for the process. Where that cannot be, Ctrl-C ends it as it always did.
fn handle() {
    HANDLER.call_once(|| {
        if let Err(error) = ctrlc::set_handler(interrupted) {
            tracing::warn!("cannot listen to Ctrl-C: {error}");
        }
        if let Err(error) = on_terminate() {
            tracing::warn!("cannot listen to SIGTERM: {error}");
        }
    });
}

/// SIGTERM is what Ctrl-C is. SIGHUP is left alone: under `nohup` it is to be ignored.
fn on_terminate() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut terminate = {
        let _inside = runtime.enter();
        signal(SignalKind::terminate())?
    };
    let listen = move || {
        while runtime.block_on(terminate.recv()).is_some() {
            interrupted();
        }
    };
    std::thread::Builder::new().name("sigterm".into()).spawn(listen).map(drop)
}

/// Runs on a thread of its own.
fn interrupted() {
    let listener = lock(&LISTENER).take();
    if listener.is_some_and(|listener| listener.send(()).is_ok()) {
        return;
    }
    // Kept: nobody makes a folder between this and the end.
    let folders = lock(&FOLDERS);
    for folder in folders.iter() {
        let _ = (0..REMOVALS_MAX).find(|_| std::fs::remove_dir_all(folder).is_ok());
    }
    std::process::exit(Exit::Interrupted as i32);
}

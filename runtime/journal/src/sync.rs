//! Pipelined group commit: one thread syncs, everybody else only writes.
//!
//! While somebody waits for the watermark it syncs back to back. While nobody does it rests after
//! each sync as long as that took, so that it needs half of the disk's time at most; what was
//! appended meanwhile is durable at most [`LONGEST_REST`] later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::config::SyncMode;
use crate::error::{Error, Result};
use crate::failpoint::{Action, Point};
use crate::journal::Shared;
use crate::locks::{lock, try_read};
use crate::segment::{FOLDER, Segment};
use crate::sidecar;

/// How much later a commit may be durable for which nobody waits.
const LONGEST_REST: Duration = Duration::from_millis(1);

/// What the sync lock guards: files to remove once a commit is synced.
#[derive(Default)]
pub(crate) struct SyncState {
    obsolete: Vec<(u64, String)>,
}

/// How appenders wake the sync thread.
#[derive(Default)]
pub(crate) struct Sleeper {
    thread: OnceLock<Thread>,
    stop: AtomicBool,
}

impl Sleeper {
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }
}

pub(crate) fn spawn(shared: &Arc<Shared>) -> Result<JoinHandle<()>> {
    let of_thread = Arc::clone(shared);
    let thread = std::thread::Builder::new()
        .name("journal-sync".to_owned())
        .spawn(move || run(&of_thread))
        .map_err(|source| Error::io("start the sync thread of", shared.storage.name(), source))?;
    // `set` fails only where it was set before, and there is one thread.
    let _ = shared.sleeper.thread.set(thread.thread().clone());
    Ok(thread)
}

fn run(shared: &Shared) {
    /// A panic here must not leave appenders waiting for a watermark that never moves.
    struct PoisonOnPanic<'a>(&'a Shared);
    impl Drop for PoisonOnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.durability.poison("the sync thread panicked");
            }
        }
    }
    let _guard = PoisonOnPanic(shared);
    while !shared.sleeper.stop.load(Ordering::Acquire) {
        let started = Instant::now();
        match shared.sync_step() {
            Ok(true) => shared.durability.rest(started.elapsed().min(LONGEST_REST)),
            Ok(false) => std::thread::park(),
            Err(_) => return,
        }
    }
}

/// What one sync has to cover.
struct Round {
    target: u64,
    rolled: Vec<Arc<Segment>>,
    active: Arc<Segment>,
    folder_dirty: bool,
}

impl Shared {
    /// One round of the sync thread. Answers whether there was anything to do.
    pub(crate) fn sync_step(&self) -> Result<bool> {
        self.sync_round(self.config.sync_mode != SyncMode::None)
    }

    /// Syncs all that was appended, whatever the mode.
    pub(crate) fn sync_all(&self) -> Result<()> {
        self.sync_round(true).map(drop)
    }

    fn sync_round(&self, with_active: bool) -> Result<bool> {
        let mut state = lock(&self.sync);
        self.durability.check()?;
        let round = {
            let mut appender = self.appender()?;
            Round {
                target: appender.next_seq - 1,
                rolled: std::mem::take(&mut appender.rolled),
                active: Arc::clone(appender.active()),
                folder_dirty: std::mem::take(&mut appender.folder_dirty),
            }
        };
        let active_dirty = with_active && round.target > self.durability.synced();
        let did_sync = active_dirty || !round.rolled.is_empty() || round.folder_dirty;
        if did_sync {
            self.sync_files(&round, active_dirty)?;
        }
        for segment in &round.rolled {
            self.seal(segment)?;
        }
        let did_spare = self.keep_spares()?;
        self.remove_obsolete(&mut state);
        Ok(did_sync || did_spare)
    }

    fn sync_files(&self, round: &Round, active_dirty: bool) -> Result<()> {
        self.pass(Point::SyncBefore)?;
        let active = active_dirty.then_some(&round.active);
        for segment in round.rolled.iter().chain(active) {
            let synced = segment.file.sync();
            synced.map_err(|error| {
                self.durability.poison(&format!("sync of {}: {error}", segment.path()))
            })?;
        }
        if round.folder_dirty {
            let synced = self.storage.sync_folder(FOLDER);
            synced
                .map_err(|error| self.durability.poison(&format!("sync of {FOLDER}: {error}")))?;
        }
        self.pass(Point::SyncAfter)?;
        let synced = if active_dirty { round.target } else { round.active.first_seq - 1 };
        self.durability.set_synced(synced.max(self.durability.synced()));
        Ok(())
    }

    /// Writes the index of a synced segment. Without one it is scanned at the next open.
    fn seal(&self, segment: &Segment) -> Result<()> {
        self.pass(Point::SidecarWrite)?;
        if let Err(error) = sidecar::write(&*self.storage, segment, self.salt) {
            tracing::warn!(segment = %segment.path(), %error, "no index for a sealed segment");
        }
        Ok(())
    }

    /// Makes a spare segment where one is wanted, without holding the append lock meanwhile.
    fn keep_spares(&self) -> Result<bool> {
        let path = {
            let mut appender = self.appender()?;
            if !appender.wants_spare() {
                return Ok(false);
            }
            appender.spare_path()
        };
        let made = self.storage.create(&path, self.config.segment_bytes);
        let did = made.is_ok();
        self.appender()?.add_spare(path, made);
        Ok(did)
    }

    /// The reserve, at open. A disk without room for it is still good for reading.
    pub(crate) fn make_reserve(&self) {
        if let Err(error) = self.keep_spares() {
            tracing::warn!(%error, "no reserve segment");
        }
    }

    /// Removes a file once `seq`, which makes it needless, is synced.
    pub(crate) fn remove_later(&self, seq: u64, path: String) {
        lock(&self.sync).obsolete.push((seq, path));
    }

    fn remove_obsolete(&self, state: &mut SyncState) {
        // A backup may need it: later, then.
        let Some(_files) = try_read(&self.files) else { return };
        let synced = self.durability.synced();
        for (_, path) in state.obsolete.extract_if(.., |(seq, _)| *seq <= synced) {
            // A leftover is removed at the next open.
            if let Err(error) = self.storage.remove(&path) {
                tracing::warn!(%path, %error, "cannot remove a file that nobody needs");
            }
        }
    }

    /// A fail point that can only stop.
    pub(crate) fn pass(&self, point: Point) -> Result<()> {
        match self.config.hooks.at(point) {
            Action::Continue => Ok(()),
            _ => Err(self.durability.poison(&format!("stopped by a fail point: {point:?}"))),
        }
    }
}

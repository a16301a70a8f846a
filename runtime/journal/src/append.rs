//! The append path. Under its one lock: sequence number, offsets, the write, the index.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use crate::commit::{Commit, Target};
use crate::config::{Config, SyncMode};
use crate::error::{Error, Result, is_shortage};
use crate::failpoint::{Action, Point};
use crate::frame::{CARRIED, Fixed, encode_head};
use crate::journal::Shared;
use crate::locks::{read, write};
use crate::segment::{FOLDER, Located, PartRef, SEGMENT_HEADER_LEN, Segment, path_of};
use crate::storage::{File, Storage};
use crate::task::TaskEntry;
use crate::topic::BatchEntry;

/// Spare segments kept for commits that make room when the disk is full.
const RESERVE: usize = 1;
/// Spares from which on a freed segment's file is removed, not kept: what appends use until the
/// cleaner comes again.
const SPARES_MAX: usize = 4;

/// What the append lock guards.
pub(crate) struct Appender {
    pub(crate) next_seq: u64,
    /// The crc of the last frame's head.
    pub(crate) prev: u32,
    /// All segments, oldest first; the last one is written to.
    pub(crate) segments: VecDeque<Arc<Segment>>,
    /// Where the next frame begins.
    pub(crate) position: u64,
    /// Full segments that were not sealed yet.
    pub(crate) rolled: Vec<Arc<Segment>>,
    /// The folder has a name that was not synced.
    pub(crate) folder_dirty: bool,
    spares: Vec<Spare>,
    next_spare: u32,
    /// The disk was full when a spare was wanted: not tried again until something was freed.
    spares_blocked: bool,
    head: Vec<u8>,
}

/// A preallocated file that is not a segment yet.
struct Spare {
    path: String,
    file: Arc<dyn File>,
}

impl Appender {
    pub(crate) fn new(
        next_seq: u64,
        prev: u32,
        segments: VecDeque<Arc<Segment>>,
        position: u64,
        rolled: Vec<Arc<Segment>>,
    ) -> Appender {
        assert!(!segments.is_empty(), "there is a segment to write to");
        assert!(position >= SEGMENT_HEADER_LEN, "frames begin behind the header");
        Appender {
            next_seq,
            prev,
            segments,
            position,
            rolled,
            folder_dirty: false,
            spares: Vec::new(),
            next_spare: 0,
            spares_blocked: false,
            head: Vec::new(),
        }
    }

    pub(crate) fn active(&self) -> &Arc<Segment> {
        self.segments.back().expect("there is always a segment to write to")
    }

    /// The size of the active segment: not the configured one where that was changed, or where a
    /// crash left a shorter file.
    fn room(&self) -> u64 {
        self.active().file.size()
    }

    /// Wants a spare segment: the reserve, and one more when the active one is half full.
    pub(crate) fn wants_spare(&self) -> bool {
        let half_full = self.position > self.room() / 2;
        let wanted = RESERVE + usize::from(half_full);
        !self.spares_blocked && self.spares.len() < wanted
    }

    /// Something for the sync thread to do beside syncing what was just appended.
    fn has_background_work(&self) -> bool {
        self.folder_dirty || self.wants_spare()
    }

    pub(crate) fn unblock_spares(&mut self) {
        self.spares_blocked = false;
    }

    pub(crate) fn spare_path(&mut self) -> String {
        self.next_spare += 1;
        format!("{FOLDER}/spare-{:08}.tmp", self.next_spare)
    }

    pub(crate) fn add_spare(&mut self, path: String, made: std::io::Result<Arc<dyn File>>) {
        match made {
            Ok(file) => self.spares.push(Spare { path, file }),
            Err(error) => {
                tracing::warn!(%error, "no room for a spare segment");
                self.spares_blocked = true;
            }
        }
    }

    /// Whether the file of a freed segment is worth keeping.
    pub(crate) fn takes_recycled(&self) -> bool {
        self.spares.len() < SPARES_MAX
    }

    /// Makes the next segment the active one. Errors leave everything as it was.
    fn roll(&mut self, shared: &Shared, is_urgent: bool) -> Result<()> {
        if shared.config.hooks.at(Point::Roll) != Action::Continue {
            return Err(shared.durability.poison("stopped by a fail point: roll"));
        }
        let spare = self.take_spare(&*shared.storage, &shared.config, is_urgent)?;
        let number = self.active().number + 1;
        let segment = Segment::new(number, self.next_seq, self.prev, spare.file);
        let made = segment
            .write_header(shared.salt)
            .and_then(|()| shared.storage.rename(&spare.path, &path_of(number)));
        made.map_err(|error| shared.durability.poison(&format!("{}: {error}", spare.path)))?;
        self.rolled.push(Arc::clone(self.active()));
        self.segments.push_back(Arc::new(segment));
        self.position = SEGMENT_HEADER_LEN;
        self.folder_dirty = true;
        Ok(())
    }

    fn take_spare(
        &mut self,
        storage: &dyn Storage,
        config: &Config,
        is_urgent: bool,
    ) -> Result<Spare> {
        let kept = if is_urgent { 0 } else { RESERVE };
        if self.spares.len() > kept
            && let Some(spare) = self.spares.pop()
        {
            return Ok(spare);
        }
        let path = self.spare_path();
        match storage.create(&path, config.segment_bytes) {
            Ok(file) => {
                self.spares_blocked = false;
                Ok(Spare { path, file })
            }
            Err(source) if is_shortage(&source) => {
                Err(Error::Full { what: "another segment".to_owned(), source })
            }
            Err(source) => Err(Error::io("create", path, source)),
        }
    }
}

impl Shared {
    /// The append lock. A panic under it leaves nobody knows what: it stops the journal.
    pub(crate) fn appender(&self) -> Result<MutexGuard<'_, Appender>> {
        self.append.lock().map_err(|_| self.durability.poison("a thread panicked in an append"))
    }

    pub(crate) fn appended(&self) -> u64 {
        crate::locks::lock(&self.append).next_seq - 1
    }

    pub(crate) fn append(&self, commit: &mut Commit<'_>) -> Result<u64> {
        self.append_as(commit, false)
    }

    /// As [`Shared::append`]; also where only the leader may, if it is the commit that ends that.
    pub(crate) fn append_as(&self, commit: &mut Commit<'_>, is_promoted: bool) -> Result<u64> {
        self.durability.check()?;
        commit.check(&self.config.limits)?;
        let mut wakers = Vec::new();
        let (seq, has_work) = {
            let mut appender = self.appender()?;
            self.durability.check()?;
            if !is_promoted {
                read(&self.role).check()?;
            }
            check_targets(commit)?;
            commit.check_conditions()?;
            self.make_room(&mut appender, commit.frame_len(), commit.is_urgent)?;
            let seq = self.write_frame(&mut appender, commit)?;
            self.publish(&mut appender, commit, seq, &mut wakers);
            (seq, appender.has_background_work())
        };
        if self.config.sync_mode == SyncMode::None {
            self.durability.set_durable(seq);
        }
        wakers.into_iter().for_each(Waker::wake);
        if has_work || self.config.sync_mode != SyncMode::None {
            self.sleeper.wake();
        }
        Ok(seq)
    }

    /// Sees to it that a frame of `len` bytes fits the active segment.
    pub(crate) fn make_room(
        &self,
        appender: &mut Appender,
        len: u64,
        is_urgent: bool,
    ) -> Result<()> {
        match appender.position + len > appender.room() {
            true => appender.roll(self, is_urgent),
            false => Ok(()),
        }
    }

    /// Gives the commit its number and offsets and writes it. From here on an error poisons.
    fn write_frame(&self, appender: &mut Appender, commit: &mut Commit<'_>) -> Result<u64> {
        let seq = appender.next_seq;
        commit.seal();
        for (part, target) in commit.parts.iter_mut().zip(&commit.targets) {
            if let Target::Partition(partition) = target
                && part.flags & CARRIED == 0
            {
                part.base_offset = partition.reserve(part.span);
            }
        }
        commit.fill_offsets();
        let fixed = Fixed {
            total: commit.frame_len() as u32,
            seq,
            synced: self.durability.synced(),
            time_ms: commit.time_ms,
            prev: appender.prev,
        };
        assert!(fixed.synced < seq, "nothing is synced before it is written");
        let mut head = std::mem::take(&mut appender.head);
        let crc = encode_head(&mut head, self.salt, &fixed, &commit.parts);
        let mut slices = Vec::with_capacity(commit.slices.len() + 1);
        commit.io_slices(&head, &mut slices);
        self.write_at_end(appender, &mut slices)?;
        appender.head = head;
        appender.next_seq += 1;
        appender.prev = crc;
        Ok(seq)
    }

    /// Writes a frame where the log ends. An error poisons.
    pub(crate) fn write_at_end(
        &self,
        appender: &Appender,
        slices: &mut [IoSlice<'_>],
    ) -> Result<()> {
        let active = appender.active();
        let written = match self.config.hooks.at(Point::AppendBefore) {
            Action::Continue => active.file.write(appender.position, slices),
            Action::Stop => Err(stopped()),
            Action::Torn(len) => {
                write_some(&*active.file, appender.position, slices, len).and(Err(stopped()))
            }
        };
        let written = written.and_then(|()| match self.config.hooks.at(Point::AppendAfter) {
            Action::Continue => Ok(()),
            _ => Err(stopped()),
        });
        written.map_err(|error| {
            self.durability.poison(&format!("write to {}: {error}", active.path()))
        })
    }

    /// Shows an appended commit to everyone and moves on past it.
    fn publish(
        &self,
        appender: &mut Appender,
        commit: &Commit<'_>,
        seq: u64,
        wakers: &mut Vec<Waker>,
    ) {
        let at = appender.position;
        for (part, target) in commit.parts.iter().zip(&commit.targets) {
            let located = PartRef::new(appender.active(), seq, at, part);
            match target {
                Target::Partition(partition) => {
                    let entry = BatchEntry::new(part, located);
                    match part.flags & CARRIED != 0 {
                        true => partition.replace(entry),
                        false => partition.push(entry, wakers),
                    }
                }
                Target::Task(task, _) => {
                    let (time_ms, located) = (commit.time_ms, Located::task(located));
                    task.push(TaskEntry { time_ms, located });
                }
                Target::Control(control) => {
                    write(&self.catalog).apply(control, seq, &self.durability);
                }
            }
        }
        appender.position += commit.frame_len();
        assert!(appender.position <= appender.room(), "frames fit their segment");
    }
}

fn check_targets(commit: &Commit<'_>) -> Result<()> {
    for target in &commit.targets {
        match target {
            Target::Partition(partition) if partition.is_deleted() => {
                return Err(Error::UnknownTopic { name: partition.topic_name().to_owned() });
            }
            Target::Task(task, _) if task.is_removed() => {
                return Err(Error::UnknownTask { key: task.key().to_owned() });
            }
            Target::Task(task, Some(claim)) if !task.is_claimed_by(*claim) => {
                return Err(Error::Fenced { key: task.key().to_owned() });
            }
            _ => {}
        }
    }
    Ok(())
}

fn stopped() -> std::io::Error {
    std::io::Error::other("stopped by a fail point")
}

/// The first `len` bytes of the slices: what a crash in the middle of a write leaves.
fn write_some(file: &dyn File, at: u64, slices: &[IoSlice<'_>], len: usize) -> std::io::Result<()> {
    let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(len).collect();
    file.write(at, &mut [IoSlice::new(&all)])
}

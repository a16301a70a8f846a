//! Appending another journal's frames.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::task::Waker;

use bytes::Bytes;

use crate::append::Appender;
use crate::bytes_of::u32_at;
use crate::config::SyncMode;
use crate::control::{Control, SnapshotRef};
use crate::error::{Error, Result};
use crate::frame::verify_parts;
use crate::frame::{CARRIED, FrameHead, HEADER_LEN, PartHead, PartKind, SPARSE, decode_head};
use crate::journal::{Journal, Shared};
use crate::locks::{read, write};
use crate::role::Role;
use crate::segment::{Located, PartRef};
use crate::snapshot;
use crate::storage::replace;
use crate::task::{Task, TaskEntry};
use crate::topic::{BatchEntry, Partition};

/// Whole frames that were received, each checked, one behind another.
pub struct Frames {
    frames: Vec<Frame>,
    snapshots: Vec<SnapshotNeed>,
    entries: Vec<(String, Option<Bytes>)>,
    rest: usize,
}

struct Frame {
    head: FrameHead,
    bytes: Bytes,
    controls: Vec<Control>,
}

/// A snapshot that frames name: it has to be there before they are appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotNeed {
    task: u32,
    seq: u64,
    /// Its length in bytes.
    pub len: u64,
    crc: u32,
}

impl SnapshotNeed {
    /// Its name, with the leader too.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:08}-{:020}.snap", self.task, self.seq)
    }

    fn path(&self) -> String {
        format!("{}/{}", snapshot::FOLDER, self.name())
    }
}

impl Frames {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// True where there is none that is whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes at the end that are no whole frame.
    #[must_use]
    pub fn rest(&self) -> usize {
        self.rest
    }

    /// The time of the last one, ms.
    #[must_use]
    pub fn time_ms(&self) -> Option<i64> {
        self.frames.last().map(|frame| frame.head.time_ms)
    }

    /// The snapshots that they name.
    #[must_use]
    pub fn snapshots(&self) -> &[SnapshotNeed] {
        &self.snapshots
    }

    /// The registry entries that they set, or remove, in order.
    #[must_use]
    pub fn entries(&self) -> &[(String, Option<Bytes>)] {
        &self.entries
    }
}

fn refused(seq: u64, problem: impl Into<String>) -> Error {
    Error::FrameRefused { seq, problem: problem.into() }
}

impl Journal {
    /// Takes received bytes apart: all whole frames, the first of which must be the next one. What
    /// is left at the end is a frame that was cut off.
    ///
    /// # Errors
    /// [`Error::FrameRefused`] where a frame is damaged, of another journal, not the next one, or
    /// of a kind that this version does not know: nothing was changed.
    pub fn parse_frames(&self, bytes: &Bytes) -> Result<Frames> {
        let (end, mut chain) = self.log_end()?;
        let (mut seq, mut at) = (end + 1, 0);
        let mut found =
            Frames { frames: Vec::new(), snapshots: Vec::new(), entries: Vec::new(), rest: 0 };
        while bytes.len() - at >= HEADER_LEN {
            let total = u32_at(bytes, at + 4) as usize;
            if total > bytes.len() - at && total as u64 <= self.limits().frame_bytes_max {
                break;
            }
            let bytes = bytes.slice(at..(at + total).min(bytes.len()));
            let frame = self.parse_frame(bytes, seq, chain)?;
            found.note(&frame);
            (seq, at, chain) = (seq + 1, at + total, frame.head.crc);
            found.frames.push(frame);
        }
        found.rest = bytes.len() - at;
        Ok(found)
    }

    fn parse_frame(&self, bytes: Bytes, seq: u64, chain: u32) -> Result<Frame> {
        let head = decode_head(&bytes, self.shared.salt).map_err(|text| refused(seq, text))?;
        if head.seq != seq || head.prev != chain {
            return Err(refused(seq, "it does not follow the commit before it"));
        }
        verify_parts(&bytes, &head).map_err(|problem| refused(seq, problem))?;
        let mut controls = Vec::new();
        for part in head.parts.iter().filter(|part| part.kind == PartKind::Control) {
            let bytes = &bytes[part.offset as usize..(part.offset + part.len) as usize];
            let problem = "it holds a control part that this version does not know";
            controls.push(Control::decode(bytes).ok_or_else(|| refused(seq, problem))?);
        }
        Ok(Frame { head, bytes, controls })
    }

    /// Whether a snapshot is here already, or was given up.
    #[must_use]
    pub fn has_snapshot(&self, need: &SnapshotNeed) -> bool {
        let storage = &*self.shared.storage;
        let is_there = storage.open(&need.path()).is_ok_and(|file| file.size() == need.len);
        is_there || storage.open(&snapshot::skip_path(need.task, need.seq)).is_ok()
    }

    /// Keeps a snapshot that frames name. Lasting on return.
    ///
    /// # Errors
    /// [`Error::FrameRefused`] where it is not the one that they name, [`Error::Full`],
    /// [`Error::Io`].
    pub fn put_snapshot(&self, need: &SnapshotNeed, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 != need.len || crc32fast::hash(bytes) != need.crc {
            return Err(refused(
                need.seq,
                format!("snapshot {} is not what it names", need.name()),
            ));
        }
        let path = need.path();
        let written = replace(&*self.shared.storage, &path, bytes);
        written.map_err(|source| snapshot::snapshot_error("write", &path, source))
    }

    /// Notes that a snapshot cannot be had, as a younger one has taken its place: its task keeps
    /// the older one and all commits since then. Lasting on return.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`].
    pub fn skip_snapshot(&self, need: &SnapshotNeed) -> Result<()> {
        let path = snapshot::skip_path(need.task, need.seq);
        let written = replace(&*self.shared.storage, &path, b"a replica never had this snapshot\n");
        written.map_err(|source| snapshot::snapshot_error("write", &path, source))
    }

    /// Appends frames as they are and answers the last commit. Where it fails in the middle, the
    /// first ones were appended.
    ///
    /// # Errors
    /// [`Error::FrameRefused`] where one does not fit in here, or names a snapshot that is not
    /// here; [`Error::Full`] (retry later), [`Error::Poisoned`]. [`Error::NoReplica`] where the
    /// journal takes commits of its own.
    pub fn append_frames(&self, frames: &Frames) -> Result<u64> {
        let shared = &*self.shared;
        shared.durability.check()?;
        // No promotion begins in the middle.
        let _control = shared.control_lock();
        for need in &frames.snapshots {
            if !self.has_snapshot(need) {
                return Err(refused(need.seq, format!("its snapshot {} is missing", need.name())));
            }
        }
        let skipped = match frames.snapshots.is_empty() {
            true => Vec::new(),
            false => snapshot::skipped(&*shared.storage)?.into_iter().collect(),
        };
        let mut last = self.appended();
        for frame in &frames.frames {
            let mut after = After::default();
            last = shared.append_frame(frame, &skipped, &mut after)?;
            after.wakers.into_iter().for_each(Waker::wake);
            after.obsolete.into_iter().for_each(|path| shared.remove_later(last, path));
        }
        if shared.config.sync_mode == SyncMode::None {
            shared.durability.set_durable(last);
        }
        shared.sleeper.wake();
        Ok(last)
    }
}

impl Frames {
    fn note(&mut self, frame: &Frame) {
        for control in &frame.controls {
            match control {
                Control::Task { id, snapshot: Some(SnapshotRef { seq, len, crc }), .. } => {
                    let need = SnapshotNeed { task: *id, seq: *seq, len: *len, crc: *crc };
                    if !self.snapshots.contains(&need) {
                        self.snapshots.push(need);
                    }
                }
                Control::Entry { key, value } => self.entries.push((key.clone(), value.clone())),
                _ => {}
            }
        }
    }
}

/// What is to be done once a frame was appended and the append lock is free.
#[derive(Default)]
struct After {
    wakers: Vec<Waker>,
    /// Snapshots that the frame makes needless.
    obsolete: Vec<String>,
}

/// What a part of a frame is of.
enum Owner {
    Partition(Partition),
    Task(Task),
    Control(Control),
}

impl Shared {
    fn append_frame(
        &self,
        frame: &Frame,
        skipped: &[(u32, u64)],
        after: &mut After,
    ) -> Result<u64> {
        let mut appender = self.appender()?;
        if !matches!(*read(&self.role), Role::Replica { .. }) {
            return Err(Error::NoReplica);
        }
        let head = &frame.head;
        if head.seq != appender.next_seq || head.prev != appender.prev {
            return Err(refused(head.seq, "it is not the next one any more"));
        }
        let owners = self.owners(frame, skipped)?;
        let len = frame.bytes.len() as u64;
        if len > self.config.limits.frame_bytes_max {
            let limit = self.config.limits.frame_bytes_max;
            return Err(Error::Limit { what: "the size of a commit in bytes", limit, actual: len });
        }
        self.make_room(&mut appender, len, false)?;
        self.write_at_end(&appender, &mut [IoSlice::new(&frame.bytes)])?;
        appender.next_seq += 1;
        appender.prev = head.crc;
        self.show(&mut appender, head, owners, after);
        Ok(head.seq)
    }

    /// Finds what every part belongs to, before anything is written.
    fn owners(&self, frame: &Frame, skipped: &[(u32, u64)]) -> Result<Vec<Owner>> {
        let catalog = read(&self.catalog);
        let seq = frame.head.seq;
        let mut controls = frame.controls.iter();
        let mut owners = Vec::with_capacity(frame.head.parts.len());
        // Where the batches of this frame end.
        let mut ends = BTreeMap::new();
        for part in &frame.head.parts {
            owners.push(match part.kind {
                PartKind::Batch => {
                    let topic = catalog.topics.get(&part.owner);
                    let partition = topic.and_then(|topic| topic.partition(part.partition).ok());
                    let problem = "it names a topic that no commit created";
                    let partition = partition.ok_or_else(|| refused(seq, problem))?;
                    let end = ends.entry((part.owner, part.partition));
                    let end = end.or_insert_with(|| partition.offsets().end);
                    check_batch(part, end).map_err(|problem| refused(seq, problem))?;
                    Owner::Partition(partition.clone())
                }
                PartKind::Task => {
                    let problem = "it names a task that no commit created";
                    let task = catalog.tasks.get(&part.owner);
                    Owner::Task(task.cloned().ok_or_else(|| refused(seq, problem))?)
                }
                PartKind::Control => {
                    let mut control = controls.next().expect("controls were parsed").clone();
                    if let Control::Task { id, snapshot, .. } = &mut control
                        && snapshot.as_ref().is_some_and(|of| skipped.contains(&(*id, of.seq)))
                    {
                        let task = catalog.tasks.get(id);
                        *snapshot = task.and_then(|task| task.snapshot_ref());
                    }
                    Owner::Control(control)
                }
            });
        }
        Ok(owners)
    }

    /// Shows an appended frame to everyone and moves on past it.
    fn show(
        &self,
        appender: &mut Appender,
        head: &FrameHead,
        owners: Vec<Owner>,
        after: &mut After,
    ) {
        let at = appender.position;
        for (part, owner) in head.parts.iter().zip(owners) {
            let located = PartRef::new(appender.active(), head.seq, at, part);
            match owner {
                Owner::Partition(partition) => {
                    let entry = BatchEntry::new(part, located);
                    match part.flags & CARRIED != 0 {
                        true => partition.replace(entry),
                        false => {
                            partition.reserve(part.span);
                            partition.push(entry, &mut after.wakers);
                        }
                    }
                }
                Owner::Task(task) => {
                    let (time_ms, located) = (head.time_ms, Located::task(located));
                    task.push(TaskEntry { time_ms, located });
                }
                Owner::Control(control) => {
                    after.obsolete.extend(self.show_control(&control, head.seq));
                }
            }
        }
        appender.position += u64::from(head.total);
    }

    /// Answers the snapshot that it makes needless.
    fn show_control(&self, control: &Control, seq: u64) -> Option<String> {
        let old = match control {
            Control::Task { id, .. } | Control::TaskRemoved { id } => {
                let task = read(&self.catalog).tasks.get(id).cloned();
                task.and_then(|task| Some((task.snapshot_ref()?, task)))
            }
            _ => None,
        };
        write(&self.catalog).apply(control, seq, &self.durability);
        let (old, task) = old?;
        let is_over = task.is_removed() || task.snapshot_ref().is_none_or(|new| new.seq != old.seq);
        is_over.then(|| snapshot::path_of(&task, old.seq))
    }
}

/// Checks a batch for a partition that has ended at `end`, and moves that.
fn check_batch(part: &PartHead, end: &mut u64) -> std::result::Result<(), &'static str> {
    let is_whole = part.rows == part.span || part.flags & SPARSE != 0;
    if part.span == 0 || part.rows > part.span || !is_whole {
        return Err("a batch does not cover its records");
    }
    let next = part.base_offset.saturating_add(u64::from(part.span));
    if part.flags & CARRIED != 0 {
        let is_known = next <= *end;
        return is_known.then_some(()).ok_or("a batch stands for records that were never there");
    }
    if part.base_offset != *end {
        return Err("a batch does not begin where the last one ended");
    }
    *end = next;
    Ok(())
}

//! Retention: forgetting records, and removing segments that nothing needs.
//!
//! Segments go oldest first. One is needed by batches that no retention has released and by
//! commit records younger than their task's snapshot. Control parts that still say something,
//! a few batches of quiet topics, and what compaction has left, do not hold it: they are carried
//! forward by a new commit.

use std::sync::Arc;

use bytes::Bytes;

use crate::commit::Commit;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::frame::{PartHead, head_len, padded};
use crate::journal::{Journal, Shared};
use crate::locks::{lock, read};
use crate::role::Role;
use crate::segment::{PartRef, Segment};
use crate::topic::{Cleaned, Partition};

/// What [`Journal::clean`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanReport {
    /// Records that their topic's retention released.
    pub records_released: u64,
    /// Segments removed.
    pub segments_removed: u32,
    /// Bytes of batches carried forward.
    pub bytes_carried: u64,
    /// Records that compaction removed.
    pub records_compacted: u64,
    /// Bytes of the batches that compaction wrote.
    pub bytes_rewritten: u64,
    /// Passes of compaction: one for a partition, unless its keys did not fit the memory.
    pub compaction_passes: u32,
}

/// Something that needs the oldest segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// Batches of a partition: shorten the topic's retention, or wait for its consumers.
    Records {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: u32,
        /// How many batches.
        batches: u64,
    },
    /// Commit records of a task: ask it for a snapshot.
    Task {
        /// The task's key.
        key: String,
        /// How many commit records.
        commits: u64,
    },
}

impl Journal {
    /// Applies retention as of `now_ms`, compacts, and removes the segments that nothing needs
    /// any more. Run it now and then, and when an append answers [`Error::Full`]. One at a time;
    /// appends, reads and snapshots go on meanwhile.
    ///
    /// # Errors
    /// Those of [`Journal::append`]; what was done until then stays done.
    pub fn clean(&self, now_ms: i64) -> Result<CleanReport> {
        let shared = &*self.shared;
        self.health()?;
        let _cleaning = lock(&shared.cleaning);
        let mut report = CleanReport::default();
        match self.role() {
            Role::Leader => {}
            Role::Replica { .. } => return shared.clean_replica(report),
            // What only this copy has is kept for whoever wants it.
            Role::Fenced { .. } => return Ok(report),
        }
        shared.release(now_ms, &mut report)?;
        shared.compact(now_ms, &mut report)?;
        // What is carried forward lands in younger segments: those have their turn next time.
        let youngest = shared.appender()?.active().number;
        while let Some((segment, last_seq)) = shared.oldest_sealed()? {
            if segment.number >= youngest || !shared.may_empty(&segment)? {
                break;
            }
            shared.carry_batches(&segment, now_ms, &mut report)?;
            shared.carry_control(last_seq, now_ms)?;
            shared.sync_all()?;
            if segment.live_batches() > 0 || segment.live_tasks() > 0 {
                break;
            }
            if !shared.remove(segment)? {
                break;
            }
            report.segments_removed += 1;
        }
        Ok(report)
    }

    /// What needs the oldest segment; empty while there is only one.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn pins(&self) -> Result<Vec<Pin>> {
        let Some((segment, _)) = self.shared.oldest_sealed()? else {
            return Ok(Vec::new());
        };
        let catalog = read(&self.shared.catalog);
        let mut pins = Vec::new();
        for partition in catalog.topics.values().flat_map(|topic| topic.partitions()) {
            let batches = partition.with_index(|index| {
                let held = index.entries.iter();
                held.filter(|entry| entry.located.segment.number == segment.number).count() as u64
            });
            if batches > 0 {
                let topic = partition.topic_name().to_owned();
                pins.push(Pin::Records { topic, partition: partition.number(), batches });
            }
        }
        for task in catalog.tasks.values() {
            let commits = task.commits_in(segment.number) as u64;
            if commits > 0 {
                pins.push(Pin::Task { key: task.key().to_owned(), commits });
            }
        }
        Ok(pins)
    }

    /// How many segments the journal has.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn segment_count(&self) -> Result<usize> {
        Ok(self.shared.appender()?.segments.len())
    }
}

impl Shared {
    /// The oldest segment and its last commit, unless it is the one that is written to.
    fn oldest_sealed(&self) -> Result<Option<(Arc<Segment>, u64)>> {
        let appender = self.appender()?;
        let oldest = appender.segments.front();
        Ok(oldest.zip(appender.segments.get(1)).map(|(oldest, next)| {
            // Equal where a crash left a segment too short for any frame.
            assert!(next.first_seq >= oldest.first_seq, "segments are in order");
            (Arc::clone(oldest), next.first_seq - 1)
        }))
    }

    /// Whether what is live in the oldest segment may be carried out of it.
    ///
    /// What compaction left lives for ever: it is carried, however much it is, once the sealed
    /// segments hold at least as much that is dead. So a byte is written again for each one that
    /// is freed, and the segments are at most twice as large as what is live in them.
    fn may_empty(&self, oldest: &Segment) -> Result<bool> {
        let limit = self.config.carry_bytes_max;
        if oldest.live_tasks() > 0 || oldest.live_batch_bytes() <= limit {
            return Ok(oldest.live_tasks() == 0);
        }
        let sealed: Vec<Arc<Segment>> = {
            let appender = self.appender()?;
            let sealed = appender.segments.len() - 1;
            appender.segments.iter().take(sealed).cloned().collect()
        };
        let (mut in_oldest, mut in_sealed) = (0, 0);
        for topic in read(&self.catalog).topics.values() {
            if topic.config().cleanup.compaction().is_none() {
                continue;
            }
            for partition in topic.partitions() {
                partition.with_index(|index| {
                    for part in index.entries.iter().map(|entry| &entry.located) {
                        let len = u64::from(part.len);
                        in_oldest += if part.segment.number == oldest.number { len } else { 0 };
                        in_sealed += len;
                    }
                });
            }
        }
        let used: u64 = sealed.iter().map(|segment| segment.file.size()).sum();
        let live: u64 = sealed.iter().map(|segment| segment.live_batch_bytes()).sum();
        let others = oldest.live_batch_bytes().saturating_sub(in_oldest);
        Ok(others <= limit && used.saturating_sub(live) >= in_sealed)
    }

    /// Moves the start of every partition by its topic's retention.
    fn release(&self, now_ms: i64, report: &mut CleanReport) -> Result<()> {
        // What a new control part says of a topic's offsets must not be older than its trims.
        let _control = self.control_lock();
        let (mut trims, mut cleaned) = (Vec::new(), Vec::new());
        for of in read(&self.catalog).topics.values() {
            let config = of.config();
            if !config.cleanup.deletes() {
                continue;
            }
            let retention = config.retention;
            for partition in of.partitions() {
                let moved = partition.with_index(|index| {
                    let start = index.expired(retention, now_ms)?;
                    Some((start, start - index.start))
                });
                let Some((start, released)) = moved else {
                    continue;
                };
                let (topic, partition) = (of.id().0, partition.number());
                report.records_released += released;
                cleaned.push((of.clone(), released));
                trims.push(Control::Trimmed { topic, partition, start });
            }
        }
        self.append_controls(trims, now_ms)?;
        for (topic, records_released) in cleaned {
            topic.note_cleaned(Cleaned { at_ms: now_ms, records_released, ..Cleaned::default() });
        }
        Ok(())
    }

    fn append_controls(&self, controls: Vec<Control>, now_ms: i64) -> Result<()> {
        // Controls are small: this many fit any frame that a record fits.
        const CHUNK: usize = 16;
        let mut controls = controls.into_iter().peekable();
        while controls.peek().is_some() {
            let mut commit = Commit::new(now_ms);
            commit.is_urgent = true;
            controls.by_ref().take(CHUNK).for_each(|control| commit.control(control));
            self.append(&mut commit)?;
        }
        Ok(())
    }

    /// Removes the segments that nothing needs. Retention, compaction and what is carried forward
    /// come from the leader, with its frames.
    fn clean_replica(&self, mut report: CleanReport) -> Result<CleanReport> {
        while let Some((segment, last_seq)) = self.oldest_sealed()? {
            let is_live = segment.live_batches() > 0 || segment.live_tasks() > 0;
            if is_live || !self.controls_until(last_seq).is_empty() {
                break;
            }
            self.sync_all()?;
            if !self.remove(segment)? {
                break;
            }
            report.segments_removed += 1;
        }
        Ok(report)
    }

    /// Writes control parts again that were last written at or before `last_seq`.
    fn carry_control(&self, last_seq: u64, now_ms: i64) -> Result<()> {
        let _control = self.control_lock();
        let controls = self.controls_until(last_seq);
        self.append_controls(controls, now_ms)
    }

    /// The control parts that were last written at or before `last_seq`, as they are now.
    fn controls_until(&self, last_seq: u64) -> Vec<Control> {
        let mut controls = Vec::new();
        {
            let catalog = read(&self.catalog);
            if catalog.counters.seq <= last_seq && catalog.counters.seq > 0 {
                controls.push(catalog.counters.control());
            }
            let topics = catalog.topics.values().filter(|topic| topic.control_seq() <= last_seq);
            controls.extend(topics.map(|topic| topic.control(topic.config())));
            let tasks = catalog.tasks.values().filter(|task| task.control_seq() <= last_seq);
            controls.extend(tasks.map(|task| task.control()));
            let entries = catalog.entries.iter().filter(|(_, entry)| entry.seq <= last_seq);
            controls.extend(entries.map(|(key, entry)| {
                let (key, value) = (key.clone(), Some(entry.value.clone()));
                Control::Entry { key, value }
            }));
        }
        controls
    }

    /// Writes the live batches of `segment` again, with their offsets.
    fn carry_batches(
        &self,
        segment: &Segment,
        now_ms: i64,
        report: &mut CleanReport,
    ) -> Result<()> {
        if segment.live_batches() == 0 {
            return Ok(());
        }
        let partitions: Vec<Partition> = {
            let catalog = read(&self.catalog);
            catalog.topics.values().flat_map(|topic| topic.partitions()).cloned().collect()
        };
        for partition in partitions {
            let found: Vec<(PartHead, PartRef)> = partition.with_index(|index| {
                let held = index.entries.iter();
                let held = held.filter(|entry| entry.located.segment.number == segment.number);
                let (topic, number) = (partition.topic().0, partition.number());
                held.map(|entry| (entry.carried_head(topic, number), (*entry.located).clone()))
                    .collect()
            });
            match self.carry(&partition, &found, now_ms, report) {
                // Deleted meanwhile: nothing of it needs carrying.
                Err(Error::UnknownTopic { .. }) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn carry(
        &self,
        partition: &Partition,
        batches: &[(PartHead, PartRef)],
        now_ms: i64,
        report: &mut CleanReport,
    ) -> Result<()> {
        let room = self.config.limits.frame_bytes_max;
        let mut rest = batches;
        while !rest.is_empty() {
            let (mut len, mut count) = (0, 0);
            for (_, part) in rest.iter().take(self.config.limits.parts_max as usize) {
                len += head_len(1) as u64 + padded(part.len as usize) as u64;
                if count > 0 && len > room {
                    break;
                }
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            let bytes: Vec<Bytes> =
                now.iter().map(|(_, part)| part.read()).collect::<Result<_>>()?;
            let mut commit = Commit::new(now_ms);
            commit.is_urgent = true;
            for ((head, _), bytes) in now.iter().zip(&bytes) {
                commit.carried(partition, *head, bytes);
                report.bytes_carried += bytes.len() as u64;
            }
            self.append(&mut commit)?;
            rest = later;
        }
        Ok(())
    }
}

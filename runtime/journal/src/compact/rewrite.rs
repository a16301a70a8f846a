//! Writing again what compaction leaves of a partition.

use pelton_batch::Records;

use super::group::{Group, Held};
use super::keys::Keys;
use super::{is_due, records_of};
use crate::clean::CleanReport;
use crate::commit::Commit;
use crate::error::Result;
use crate::frame::head_len;
use crate::journal::Shared;
use crate::topic::{Batch, Compaction, Found, Partition};

/// Batches looked up under one lock of the index.
const CHUNK: usize = 64;
/// Size of a compacted batch from which it takes no more records.
const BATCH_LEN_MAX: u64 = 512 << 10;
const BATCH_ROWS_MAX: usize = 1_000;
/// A batch up to this size that keeps all of its records joins a group all the same.
const SMALL_LEN_MAX: u32 = 4 << 10;

pub(super) struct Rewrite<'a> {
    shared: &'a Shared,
    partition: &'a Partition,
    keys: &'a Keys,
    settings: Compaction,
    now_ms: i64,
    /// The survey has seen everything before it.
    surveyed_to: u64,
    /// The first batch that should have lost something and could not be written again.
    stuck_at: Option<u64>,
    group: Group,
    report: &'a mut CleanReport,
}

/// What is to become of a batch: the rows that stay, with the commit times of tombstones.
struct Verdict {
    stays: Vec<(usize, Option<i64>)>,
    is_changed: bool,
}

impl<'a> Rewrite<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        partition: &'a Partition,
        keys: &'a Keys,
        settings: Compaction,
        now_ms: i64,
        report: &'a mut CleanReport,
    ) -> Rewrite<'a> {
        Rewrite {
            shared,
            partition,
            keys,
            settings,
            now_ms,
            surveyed_to: 0,
            stuck_at: None,
            group: Group::default(),
            report,
        }
    }

    /// Goes over all batches that begin before `to`, which the survey has reached. Answers before
    /// which offset nothing is left that should have gone.
    pub(super) fn run(mut self, to: u64) -> Result<u64> {
        self.surveyed_to = to;
        let mut at = self.partition.offsets().start;
        while at < to {
            let chunk: Vec<(Held, Found, bool)> = self.partition.with_index(|index| {
                let from = index.position(at);
                let entries = index.entries.iter().skip(from).take(CHUNK);
                let entries = entries.take_while(|entry| entry.base < to);
                let entries = entries.map(|entry| {
                    let held = Held {
                        base: entry.base,
                        span: entry.span,
                        rows: entry.rows,
                        len: entry.located.len,
                        producer: entry.producer,
                    };
                    let is_due =
                        entry.is_sparse && is_due(entry.time_ms, self.now_ms, self.settings);
                    (held, Found::new(entry), is_due)
                });
                entries.collect()
            });
            let Some((last, ..)) = chunk.last() else { break };
            at = last.base + u64::from(last.span);
            for (held, found, has_due_tombstones) in chunk {
                self.batch(&held, found, has_due_tombstones)?;
            }
        }
        self.flush()?;
        Ok(self.stuck_at.unwrap_or(to).min(to))
    }

    fn batch(&mut self, held: &Held, found: Found, has_due_tombstones: bool) -> Result<()> {
        if held.rows == 0 {
            return self.join(held, None, &Verdict { stays: Vec::new(), is_changed: false });
        }
        // Without keys only tombstones can go.
        if self.keys.is_empty() && !has_due_tombstones {
            return self.flush();
        }
        let batch = found.read()?;
        let Some(records) = records_of(&batch) else { return self.flush() };
        let verdict = self.judge(&batch, &records);
        let joins_anyway = !self.group.is_empty() && held.len <= SMALL_LEN_MAX;
        if !verdict.is_changed && !joins_anyway {
            return self.flush();
        }
        self.join(held, Some((&batch, &records)), &verdict)
    }

    fn judge(&self, batch: &Batch, records: &Records<'_>) -> Verdict {
        let mut stays = Vec::with_capacity(records.len());
        let (mut tombstones, mut is_changed) = (0, false);
        for row in 0..records.len() {
            let offset = batch.offset(row);
            let tombstone_ms = records.value(row).is_none().then(|| {
                tombstones += 1;
                batch.tombstone_ms(tombstones - 1)
            });
            let is_over = records.key(row).is_some_and(|key| {
                offset < self.surveyed_to
                    && (self.keys.is_superseded(key, offset)
                        || tombstone_ms.is_some_and(|ms| self.may_forget(ms)))
            });
            if is_over {
                is_changed = true;
            } else {
                stays.push((row, tombstone_ms));
            }
        }
        // A sparse batch knows its tombstones' times: they are found again when they are due.
        is_changed |= tombstones > 0 && !batch.is_compacted();
        Verdict { stays, is_changed }
    }

    /// Whether a tombstone may go. Not where something that it deletes may be left.
    fn may_forget(&self, tombstone_ms: i64) -> bool {
        self.stuck_at.is_none() && is_due(tombstone_ms, self.now_ms, self.settings)
    }

    fn join(
        &mut self,
        held: &Held,
        from: Option<(&Batch, &Records<'_>)>,
        verdict: &Verdict,
    ) -> Result<()> {
        let survivors = verdict.stays.len();
        let room = self.shared.config.limits.frame_bytes_max / 2;
        let is_too_much = self.group.len() + u64::from(held.len) > room.min(2 * BATCH_LEN_MAX);
        if !self.group.is_empty() && (is_too_much || !self.group.takes(held, survivors)) {
            self.flush()?;
        }
        self.group.add(held, survivors, verdict.is_changed);
        if let Some((batch, records)) = from {
            for (row, tombstone_ms) in &verdict.stays {
                self.group.record(batch.offset(*row), records, *row, *tombstone_ms);
            }
            self.report.records_compacted += (records.len() - survivors) as u64;
        }
        let is_full =
            self.group.len() >= BATCH_LEN_MAX.min(room / 2) || self.group.rows() >= BATCH_ROWS_MAX;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Writes the group down.
    fn flush(&mut self) -> Result<()> {
        let (topic, number) = (self.partition.topic().0, self.partition.number());
        let Some((head, bytes)) = self.group.finish(topic, number) else {
            return Ok(());
        };
        let frame_len = head_len(1) as u64 + bytes.len() as u64;
        if frame_len > self.shared.config.limits.frame_bytes_max {
            // One batch that filled its frame and lost next to nothing: it stays as it is, and
            // so does every tombstone behind it.
            self.stuck_at.get_or_insert(head.base_offset);
            return Ok(());
        }
        let mut commit = Commit::new(self.now_ms);
        commit.carried(self.partition, head, &bytes);
        self.shared.append(&mut commit)?;
        self.report.bytes_rewritten += bytes.len() as u64;
        Ok(())
    }
}

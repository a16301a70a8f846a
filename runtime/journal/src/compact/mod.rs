//! Compaction: of each key only the latest record stays.
//!
//! A pass over a partition has two steps. The **survey** reads what was written since the last
//! pass and notes the newest offset of each key, as far as the memory goes
//! ([`crate::Config::compaction_bytes_max`]); what is left is the next pass's. The **rewrite**
//! goes over everything before the end of the survey, oldest first, and appends what is left of
//! batches that lost something: as sparse batches, which cover all the offsets of those that they
//! stand for. So nothing is changed in place: a crash keeps some first ones of these commits, each
//! of which leaves the partition right, and the segments of the old batches fall free.
//!
//! Only durable records are looked at: one that a crash may take must not push out another.
//! A tombstone goes in the rewrite of a later offset than everything that it deletes: a prefix of
//! the commits never brings a deleted key back.

mod group;
mod keys;
mod rewrite;

use pelton_batch::{Batch as Layout, Kind, Records};

use crate::clean::CleanReport;
use crate::commit::Commit;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::journal::Shared;
use crate::locks::read;
use crate::topic::{Batch, Cleaned, Compaction, Partition, PartitionIndex, Visibility};
use keys::Keys;
use rewrite::Rewrite;

/// What there is to do on a partition.
struct Plan {
    from: u64,
    to: u64,
    is_dirty: bool,
    has_due_tombstones: bool,
}

impl Plan {
    fn new(index: &PartitionIndex, durable: u64, now_ms: i64, settings: Compaction) -> Plan {
        let to = index.end_at(durable).max(index.start);
        let from = index.compacted_to.clamp(index.start, to);
        let dirty = index.entries.range(index.position(from)..index.position(to));
        let dirty: u64 = dirty.map(|entry| u64::from(entry.located.len)).sum();
        let share = u64::from(settings.dirty_percent_min);
        let is_dirty = from < to && u128::from(dirty) * 100 >= u128::from(index.bytes * share);
        let mut clean = index.entries.iter().take_while(|entry| entry.end() <= from);
        let has_due_tombstones =
            clean.any(|entry| entry.is_sparse && is_due(entry.time_ms, now_ms, settings));
        Plan { from, to, is_dirty, has_due_tombstones }
    }
}

/// Whether a tombstone that was committed at `time_ms` may go.
fn is_due(time_ms: i64, now_ms: i64, settings: Compaction) -> bool {
    i128::from(now_ms) - i128::from(time_ms) > i128::from(settings.delete_retention_ms)
}

impl Shared {
    /// Compacts every partition that is worth it.
    pub(crate) fn compact(&self, now_ms: i64, report: &mut CleanReport) -> Result<()> {
        let mut wanted = Vec::new();
        for topic in read(&self.catalog).topics.values() {
            if let Some(settings) = topic.config().cleanup.compaction() {
                wanted.push((topic.clone(), settings));
            }
        }
        for (topic, settings) in wanted {
            let before = *report;
            let compacted = topic.partitions().iter().try_for_each(|partition| {
                self.compact_partition(partition, settings, now_ms, report)
            });
            let cleaned = Cleaned {
                at_ms: now_ms,
                records_released: 0,
                records_compacted: report.records_compacted - before.records_compacted,
                bytes_rewritten: report.bytes_rewritten - before.bytes_rewritten,
            };
            if cleaned.records_compacted > 0 {
                topic.note_cleaned(cleaned);
            }
            match compacted {
                // Deleted meanwhile: nothing of it needs compaction.
                Err(Error::UnknownTopic { .. }) => {}
                // The rest can wait until there is room; what was written is good.
                Err(Error::Full { what, source }) => {
                    tracing::warn!(?topic, %what, %source, "no room to compact a topic");
                    return Ok(());
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn compact_partition(
        &self,
        partition: &Partition,
        settings: Compaction,
        now_ms: i64,
        report: &mut CleanReport,
    ) -> Result<()> {
        let durable = self.durability.durable();
        let plan = partition.with_index(|index| Plan::new(index, durable, now_ms, settings));
        if !plan.is_dirty {
            if plan.has_due_tombstones {
                let keys = Keys::default();
                Rewrite::new(self, partition, &keys, settings, now_ms, report).run(plan.from)?;
            }
            return Ok(());
        }
        let mut from = plan.from;
        while from < plan.to {
            let mut keys = Keys::new(self.config.compaction_bytes_max);
            let to = survey(partition, from..plan.to, &mut keys)?;
            assert!(to > from, "a survey gets on");
            let done = Rewrite::new(self, partition, &keys, settings, now_ms, report).run(to)?;
            let mut commit = Commit::new(now_ms);
            let (topic, number) = (partition.topic().0, partition.number());
            commit.control(Control::Compacted { topic, partition: number, to: done });
            self.append(&mut commit)?;
            report.compaction_passes += 1;
            if done < to {
                break;
            }
            from = to;
        }
        Ok(())
    }
}

/// Notes the keys of the records in `range`; answers how far the memory went.
fn survey(partition: &Partition, range: std::ops::Range<u64>, keys: &mut Keys) -> Result<u64> {
    let mut at = range.start;
    while at < range.end {
        let Some(batch) = partition.read(at, Visibility::Durable)? else { break };
        if let Some(records) = records_of(&batch) {
            for row in batch.row_at(at)..records.len() {
                if let Some(key) = records.key(row)
                    && !keys.note(key, batch.offset(row))
                {
                    return Ok(batch.offset(row));
                }
            }
        }
        at = batch.next_offset();
    }
    Ok(range.end)
}

/// The records of a batch; `None` where it is of no kind that can be compacted, and stays.
fn records_of(batch: &Batch) -> Option<Records<'_>> {
    let layout = Layout::parse(&batch.bytes).ok()?;
    let is_it = layout.kind() == Kind::Records && layout.rows() == batch.rows as usize;
    if !is_it || layout.validate().is_err() {
        return None;
    }
    layout.records().ok()
}

//! The dead letter that a record has become.

use pelton_batch::{Batch, Record};
use pelton_core::{FunctionId, Result, TopicName};
use pelton_journal::{Journal, Visibility};

use super::partitions;
use crate::data::of;
use crate::functions::travel::RecordPlace;

/// Batches of dead letters that are looked through, from the newest back, in each partition.
const BATCHES_MAX: usize = 1_000;

/// Why a record was given up, and where that is written.
pub(super) struct Letter {
    pub(super) code: String,
    pub(super) message: String,
    /// `TOPIC:PARTITION:OFFSET`.
    pub(super) place: String,
}

fn header<'a>(record: &Record<'a>, name: &str) -> Option<&'a str> {
    let found = record.headers().filter(|header| header.name.strip_prefix("pelton-") == Some(name));
    found.last().and_then(|header| std::str::from_utf8(header.value?).ok())
}

fn is_of(record: &Record<'_>, function: &FunctionId, place: &RecordPlace) -> bool {
    let said = |name| header(record, name);
    said("function") == Some(&function.to_string())
        && said("topic") == Some(&place.topic.to_string())
        && said("partition") == Some(&place.partition.to_string())
        && said("offset") == Some(&place.offset.to_string())
}

/// The newest dead letter of a record; of a great many only the newest are looked through.
pub(super) fn letter_of(
    journal: &Journal,
    function: &FunctionId,
    topic: &TopicName,
    place: &RecordPlace,
) -> Result<Option<Letter>> {
    let Ok(all) = partitions(journal, topic) else { return Ok(None) };
    for partition in &all {
        let held = partition.offsets();
        let mut end = partition.end(Visibility::Durable);
        for _ in 0..BATCHES_MAX {
            let Some(last) = end.checked_sub(1).filter(|last| *last >= held.start) else { break };
            let Some(batch) = partition.read(last, Visibility::Durable).map_err(of)? else { break };
            let records = Batch::parse(&batch.bytes).and_then(|batch| batch.records());
            let Ok(records) = records else { break };
            if let Some(found) = records.iter().find(|record| is_of(record, function, place)) {
                let text = |name| header(&found, name).unwrap_or_default().to_owned();
                let offset = batch.offset(found.row());
                return Ok(Some(Letter {
                    code: text("code"),
                    message: text("message"),
                    place: format!("{}:{}:{offset}", topic.name(), partition.number()),
                }));
            }
            end = batch.base_offset;
        }
    }
    Ok(None)
}

//! What came of a call: faults and output records.

use pelton_batch::{Batch, Record};
use pelton_core::{Domain, Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::replay::record_hash;

/// Output records that are shown; all are counted and compared.
pub const CAPSULE_OUTPUTS_SHOWN: usize = 100;
/// Bytes that are shown of a key or a value.
const SHOWN_BYTES_MAX: usize = 1_024;

/// A fault of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapsuleFault {
    /// Its code.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// Of what: a record by topic, partition and offset, a window or a timer.
    pub place: String,
    /// Where in the code, where that is known.
    pub backtrace: Option<String>,
}

/// A record that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapsuleOutput {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The key, as text, cut.
    pub key: Option<String>,
    /// The value, as text, cut.
    pub value: Option<String>,
    /// Its timestamp, ms.
    pub timestamp: i64,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// What was given up, and why.
    pub faults: Vec<CapsuleFault>,
    /// The first records that were sent, but for dead letters.
    pub outputs: Vec<CapsuleOutput>,
    /// How many were sent.
    pub records: u64,
    /// A digest of all that was sent, dead letters included.
    pub digest: String,
}

/// What Pelton says of a dead letter: the last header of the name.
pub(super) fn said<'a>(record: &Record<'a>, name: &str) -> Option<&'a str> {
    let found = record.headers().filter(|header| header.name.strip_prefix("pelton-") == Some(name));
    found.last().and_then(|header| std::str::from_utf8(header.value?).ok())
}

fn fault(letter: &Record<'_>) -> CapsuleFault {
    let text = |name| said(letter, name).unwrap_or_default().to_owned();
    let key = letter.key().map_or("no key".into(), |key| format!("key {:?}", shown(key)));
    let place = match said(letter, "kind") {
        Some("record") => {
            let topic = text("topic");
            let topic = topic.rsplit('/').next().unwrap_or_default();
            format!("{topic}:{}:{}", text("partition"), text("offset"))
        }
        Some("timer") => format!("timer due {} of {key}", text("timer-due")),
        Some(kind) => format!("{kind} {}..{} of {key}", text("window-start"), text("window-end")),
        None => key,
    };
    let backtrace = said(letter, "backtrace").map(str::to_owned);
    CapsuleFault { code: text("code"), message: text("message"), place, backtrace }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]).into_owned()
}

impl Outcome {
    /// What these batches say, by topic and partition; dead letters are those of `dead_letters`.
    pub(super) fn of<'a>(
        batches: impl Iterator<Item = (&'a str, u32, &'a [u8])>,
        dead_letters: Option<&str>,
    ) -> Result<Self> {
        let mut batches: Vec<_> = batches.collect();
        // Of one partition they stay in their order.
        batches.sort_by_key(|(topic, partition, _)| (*topic, *partition));
        let (mut outcome, mut hasher) = (Self::default(), blake3::Hasher::new());
        for (topic, partition, batch) in batches {
            let records = Batch::parse(batch).and_then(|batch| batch.records());
            let records = records.map_err(|error| {
                Error::new("E-BATCH-STORED", Domain::Internal, format!("an output batch: {error}"))
            })?;
            hasher.update(topic.as_bytes());
            for record in records.iter() {
                hasher.update(record_hash(0, partition, &record).as_bytes());
                if dead_letters == Some(topic) {
                    outcome.faults.push(fault(&record));
                    continue;
                }
                outcome.records += 1;
                if outcome.outputs.len() < CAPSULE_OUTPUTS_SHOWN {
                    outcome.outputs.push(CapsuleOutput {
                        topic: topic.to_owned(),
                        partition,
                        key: record.key().map(shown),
                        value: record.value().map(shown),
                        timestamp: record.timestamp(),
                    });
                }
            }
        }
        outcome.digest = hasher.finalize().to_hex().to_string();
        Ok(outcome)
    }

    /// Whether both failed in the same way and sent the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        // The place is in the digest, by the headers of the dead letter.
        let fault = |fault: &CapsuleFault| (fault.code.clone(), fault.message.clone());
        self.digest == other.digest
            && self.faults.iter().map(fault).eq(other.faults.iter().map(fault))
    }
}

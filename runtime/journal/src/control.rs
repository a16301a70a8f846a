//! Control parts: what the journal says to itself. Each is a whole new value ("upsert"), so that
//! one that must outlive its segment is simply written again.

use bytes::Bytes;

use crate::bytes_of::{Cursor, put_slice};
use crate::topic::{Cleanup, Compaction, Retention, TopicConfig};

/// A task's published snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotRef {
    /// The last commit that it contains.
    pub(crate) seq: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
}

/// The offsets of a partition, as known when written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) compacted_to: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    Topic {
        id: u32,
        name: String,
        config: TopicConfig,
        /// Of each partition.
        ranges: Vec<Range>,
    },
    TopicDeleted {
        id: u32,
    },
    Trimmed {
        topic: u32,
        partition: u32,
        start: u64,
    },
    /// Compaction has seen all records before `to`.
    Compacted {
        topic: u32,
        partition: u32,
        to: u64,
    },
    Task {
        id: u32,
        key: String,
        snapshot: Option<SnapshotRef>,
    },
    TaskRemoved {
        id: u32,
    },
    Entry {
        key: String,
        value: Option<Bytes>,
    },
    Counters {
        next_topic: u32,
        next_task: u32,
    },
}

const NONE: u64 = u64::MAX;

impl Control {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Control::Topic { id, name, config, ranges } => {
                // 1 is format 1: neither cleanup nor `compacted_to`.
                out.push(8);
                out.extend_from_slice(&id.to_le_bytes());
                put_slice(&mut out, name.as_bytes());
                encode_config(&mut out, config);
                out.extend_from_slice(&(ranges.len() as u32).to_le_bytes());
                for range in ranges {
                    out.extend_from_slice(&range.start.to_le_bytes());
                    out.extend_from_slice(&range.end.to_le_bytes());
                    out.extend_from_slice(&range.compacted_to.to_le_bytes());
                }
            }
            Control::TopicDeleted { id } => {
                out.push(2);
                out.extend_from_slice(&id.to_le_bytes());
            }
            Control::Trimmed { topic, partition, start } => {
                out.push(3);
                out.extend_from_slice(&topic.to_le_bytes());
                out.extend_from_slice(&partition.to_le_bytes());
                out.extend_from_slice(&start.to_le_bytes());
            }
            Control::Compacted { topic, partition, to } => {
                out.push(9);
                out.extend_from_slice(&topic.to_le_bytes());
                out.extend_from_slice(&partition.to_le_bytes());
                out.extend_from_slice(&to.to_le_bytes());
            }
            Control::Task { id, key, snapshot } => {
                out.push(4);
                out.extend_from_slice(&id.to_le_bytes());
                put_slice(&mut out, key.as_bytes());
                out.push(u8::from(snapshot.is_some()));
                if let Some(snapshot) = snapshot {
                    out.extend_from_slice(&snapshot.seq.to_le_bytes());
                    out.extend_from_slice(&snapshot.len.to_le_bytes());
                    out.extend_from_slice(&snapshot.crc.to_le_bytes());
                }
            }
            Control::TaskRemoved { id } => {
                out.push(5);
                out.extend_from_slice(&id.to_le_bytes());
            }
            Control::Entry { key, value } => {
                out.push(6);
                put_slice(&mut out, key.as_bytes());
                out.push(u8::from(value.is_some()));
                if let Some(value) = value {
                    put_slice(&mut out, value);
                }
            }
            Control::Counters { next_topic, next_task } => {
                out.push(7);
                out.extend_from_slice(&next_topic.to_le_bytes());
                out.extend_from_slice(&next_task.to_le_bytes());
            }
        }
        out
    }

    /// `None` where the bytes are not a control part that this version knows.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Control> {
        let mut cursor = Cursor(bytes);
        let control = match cursor.u8()? {
            1 => decode_topic(&mut cursor, true)?,
            8 => decode_topic(&mut cursor, false)?,
            9 => Control::Compacted {
                topic: cursor.u32()?,
                partition: cursor.u32()?,
                to: cursor.u64()?,
            },
            2 => Control::TopicDeleted { id: cursor.u32()? },
            3 => Control::Trimmed {
                topic: cursor.u32()?,
                partition: cursor.u32()?,
                start: cursor.u64()?,
            },
            4 => Control::Task {
                id: cursor.u32()?,
                key: cursor.text()?,
                snapshot: match cursor.u8()? {
                    0 => None,
                    _ => Some(SnapshotRef {
                        seq: cursor.u64()?,
                        len: cursor.u64()?,
                        crc: cursor.u32()?,
                    }),
                },
            },
            5 => Control::TaskRemoved { id: cursor.u32()? },
            6 => Control::Entry {
                key: cursor.text()?,
                value: match cursor.u8()? {
                    0 => None,
                    _ => {
                        let len = cursor.u32()? as usize;
                        Some(Bytes::copy_from_slice(cursor.bytes(len)?))
                    }
                },
            },
            7 => Control::Counters { next_topic: cursor.u32()?, next_task: cursor.u32()? },
            _ => return None,
        };
        cursor.is_empty().then_some(control)
    }
}

fn encode_config(out: &mut Vec<u8>, config: &TopicConfig) {
    let Retention { time_ms, bytes, until_consumed_by } = config.retention;
    out.extend_from_slice(&time_ms.unwrap_or(NONE).to_le_bytes());
    out.extend_from_slice(&bytes.unwrap_or(NONE).to_le_bytes());
    out.extend_from_slice(&until_consumed_by.to_le_bytes());
    let (policy, compaction) = match config.cleanup {
        Cleanup::Delete => (0, None),
        Cleanup::Compact(compaction) => (1, Some(compaction)),
        Cleanup::CompactAndDelete(compaction) => (2, Some(compaction)),
    };
    out.push(policy);
    if let Some(Compaction { delete_retention_ms, dirty_percent_min }) = compaction {
        out.extend_from_slice(&delete_retention_ms.to_le_bytes());
        out.push(dirty_percent_min);
    }
}

fn decode_topic(cursor: &mut Cursor<'_>, is_format_1: bool) -> Option<Control> {
    let (id, name) = (cursor.u32()?, cursor.text()?);
    let limit = |value: u64| (value != NONE).then_some(value);
    let (time_ms, bytes) = (limit(cursor.u64()?), limit(cursor.u64()?));
    let retention = Retention { time_ms, bytes, until_consumed_by: cursor.u32()? };
    let cleanup = if is_format_1 { Cleanup::Delete } else { decode_cleanup(cursor)? };
    let partitions = cursor.u32()?;
    let mut range = || {
        let (start, end) = (cursor.u64()?, cursor.u64()?);
        let compacted_to = if is_format_1 { 0 } else { cursor.u64()? };
        Some(Range { start, end, compacted_to })
    };
    let ranges = (0..partitions).map(|_| range()).collect::<Option<_>>()?;
    let config = TopicConfig { partitions, retention, cleanup };
    Some(Control::Topic { id, name, config, ranges })
}

fn decode_cleanup(cursor: &mut Cursor<'_>) -> Option<Cleanup> {
    let policy = cursor.u8()?;
    if policy == 0 {
        return Some(Cleanup::Delete);
    }
    let (delete_retention_ms, dirty_percent_min) = (cursor.u64()?, cursor.u8()?);
    let compaction = Compaction { delete_retention_ms, dirty_percent_min };
    match policy {
        1 => Some(Cleanup::Compact(compaction)),
        2 => Some(Cleanup::CompactAndDelete(compaction)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn control() -> impl Strategy<Value = Control> {
        let retention = (any::<Option<u32>>(), any::<Option<u32>>(), any::<u32>()).prop_map(
            |(time_ms, bytes, until_consumed_by)| Retention {
                time_ms: time_ms.map(u64::from),
                bytes: bytes.map(u64::from),
                until_consumed_by,
            },
        );
        let range = any::<(u64, u64, u64)>().prop_map(|(start, end, compacted_to)| Range {
            start,
            end,
            compacted_to,
        });
        let ranges = prop::collection::vec(range, 0..5);
        let cleanup = (0..3u8, any::<(u64, u8)>()).prop_map(|(policy, settings)| {
            let (delete_retention_ms, dirty_percent_min) = settings;
            let compaction = Compaction { delete_retention_ms, dirty_percent_min };
            match policy {
                0 => Cleanup::Delete,
                1 => Cleanup::Compact(compaction),
                _ => Cleanup::CompactAndDelete(compaction),
            }
        });
        let snapshot = proptest::option::of(
            any::<(u64, u64, u32)>().prop_map(|(seq, len, crc)| SnapshotRef { seq, len, crc }),
        );
        let value = proptest::option::of(prop::collection::vec(any::<u8>(), 0..9));
        prop_oneof![
            (any::<u32>(), ".{0,9}", retention, cleanup, ranges).prop_map(
                |(id, name, retention, cleanup, ranges)| {
                    let partitions = ranges.len() as u32;
                    let config = TopicConfig { partitions, retention, cleanup };
                    Control::Topic { id, name, config, ranges }
                }
            ),
            any::<(u32, u32, u64)>().prop_map(|(topic, partition, to)| Control::Compacted {
                topic,
                partition,
                to
            }),
            any::<u32>().prop_map(|id| Control::TopicDeleted { id }),
            any::<(u32, u32, u64)>().prop_map(|(topic, partition, start)| Control::Trimmed {
                topic,
                partition,
                start
            }),
            (any::<u32>(), ".{0,9}", snapshot).prop_map(|(id, key, snapshot)| Control::Task {
                id,
                key,
                snapshot
            }),
            any::<u32>().prop_map(|id| Control::TaskRemoved { id }),
            (".{0,9}", value)
                .prop_map(|(key, value)| Control::Entry { key, value: value.map(Bytes::from) }),
            any::<(u32, u32)>()
                .prop_map(|(next_topic, next_task)| Control::Counters { next_topic, next_task }),
        ]
    }

    proptest! {
        #[test]
        fn a_control_part_reads_back_and_no_part_of_it_does(control in control()) {
            let bytes = control.encode();
            prop_assert_eq!(Control::decode(&bytes), Some(control));
            for len in 0..bytes.len() {
                prop_assert_eq!(Control::decode(&bytes[..len]), None);
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Control::decode(&bytes);
        }
    }
}

//! Records of a data directory.

use std::sync::Arc;

use pelton_core::TopicName;
use pelton_journal::{Topic, Visibility};
use pelton_server::data::{Cursor, DataPlane, From, ReadLimits};

use super::Exported;
use super::source::{Held, Piece, Source};
use crate::error::Result;
use crate::session::Session;

/// What is read at a time.
const LIMITS: ReadLimits = ReadLimits { records_max: 10_000, bytes_max: 4 << 20 };

/// A topic of a data directory that is open here.
pub(crate) struct NodeTopic {
    data: Arc<DataPlane>,
    topic: Topic,
}

impl NodeTopic {
    /// A topic of the session's node.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN`.
    pub(crate) fn open(session: &Session, name: &TopicName) -> Result<Self> {
        let data = Arc::clone(session.node.data());
        let topic = data.topic(name)?;
        Ok(Self { data, topic })
    }
}

impl Source for NodeTopic {
    fn held(&self) -> Vec<Held> {
        let partitions = self.topic.partitions().iter().zip(0..);
        partitions
            .map(|(found, partition)| Held {
                partition,
                start: found.offsets().start,
                end: found.end(Visibility::Durable),
            })
            .collect()
    }

    fn offset(&mut self, held: &Held, place: &From) -> Result<u64> {
        if let From::Offset(offset) = place {
            return Ok(*offset);
        }
        let cursor = self.data.cursor(&self.topic, Some(held.partition), place)?;
        Ok(cursor.at.get(&held.partition).copied().unwrap_or(held.end))
    }

    fn read(&mut self, partition: u32, from: u64) -> Result<Piece> {
        let mut cursor = Cursor::at([(partition, from)]);
        let reading = self.data.read(&self.topic, &mut cursor, LIMITS)?;
        let mut records = Vec::new();
        for slice in &reading.slices {
            let stored = slice.records()?;
            for row in slice.rows() {
                let headers = stored.headers(row);
                records.push(Exported {
                    offset: slice.offset(row),
                    timestamp: stored.timestamp(row),
                    key: stored.key(row).map(<[u8]>::to_vec),
                    value: stored.value(row).map(<[u8]>::to_vec),
                    headers: headers
                        .map(|header| (header.name.to_owned(), header.value.map(<[u8]>::to_vec)))
                        .collect(),
                });
            }
        }
        let next = cursor.at.get(&partition).copied().unwrap_or(from);
        let skipped = reading.skipped.iter().map(|skipped| skipped.from..skipped.to).collect();
        Ok(Piece { records, next, skipped })
    }
}

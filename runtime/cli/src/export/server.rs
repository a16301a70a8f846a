//! Records of a server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pelton_server::data::{Cursor, From};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use ureq::http::Method;

use super::Exported;
use super::source::{Held, Piece, Source};
use crate::client::Client;
use crate::error::Result;

/// Records and bytes of an answer at most.
const RECORDS_MAX: usize = 10_000;
const BYTES_MAX: usize = 4 << 20;

/// A topic of a server.
pub(crate) struct ServerTopic<'a> {
    client: &'a Client,
    topic: &'a str,
    held: Vec<Held>,
}

#[derive(Deserialize)]
struct Described {
    partitions: Vec<DescribedPartition>,
}

#[derive(Deserialize)]
struct DescribedPartition {
    partition: u32,
    start: u64,
    durable: u64,
}

#[derive(Deserialize)]
struct Answer {
    records: Vec<AnsweredRecord>,
    cursor: String,
    #[serde(default)]
    skipped: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Skipped {
    from: u64,
    to: u64,
}

#[derive(Deserialize)]
struct AnsweredRecord {
    offset: u64,
    timestamp: i64,
    key: Option<Base64>,
    value: Option<Base64>,
    #[serde(default)]
    headers: Vec<(String, Option<Base64>)>,
}

/// `{"base64": ...}`, as the bytes that it stands for.
struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Form<'a> {
            #[serde(borrow)]
            base64: std::borrow::Cow<'a, str>,
        }
        let form = Form::deserialize(deserializer)?;
        BASE64_STANDARD.decode(form.base64.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

impl<'a> ServerTopic<'a> {
    /// A topic as it is now.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN`, or what keeps the server from answering.
    pub(crate) fn open(client: &'a Client, topic: &'a str) -> Result<Self> {
        let Described { partitions } = client.get(&["topics", topic])?;
        let held = partitions.iter().map(|found| Held {
            partition: found.partition,
            start: found.start,
            end: found.durable,
        });
        Ok(Self { client, topic, held: held.collect() })
    }

    fn ask(&self, partition: u32, from: &str, records_max: usize) -> Result<Answer> {
        let call = self
            .client
            .call(Method::GET, &["topics", self.topic, "records"])
            .query("partition", partition)
            .query("from", from)
            .query("encoding", "base64")
            .query("max_records", records_max)
            .query("max_bytes", BYTES_MAX);
        Ok(self.client.json(call)?)
    }
}

impl Source for ServerTopic<'_> {
    fn held(&self) -> Vec<Held> {
        self.held.clone()
    }

    fn offset(&mut self, held: &Held, place: &From) -> Result<u64> {
        Ok(match place {
            From::Offset(offset) => *offset,
            From::Earliest => held.start,
            From::Time(ms) => {
                let found = self.ask(held.partition, &format!("time:{ms}"), 1)?;
                found.records.first().map_or(held.end, |record| record.offset)
            }
            From::Latest | From::Cursor(_) => held.end,
        })
    }

    fn read(&mut self, partition: u32, from: u64) -> Result<Piece> {
        let answer = self.ask(partition, &from.to_string(), RECORDS_MAX)?;
        let Answer { records, cursor, skipped } = answer;
        let behind = records.last().map_or(from, |record| record.offset + 1);
        let cursor = cursor.parse::<Cursor>().ok();
        let next = cursor.and_then(|cursor| cursor.at.get(&partition).copied());
        let records = records.into_iter().map(|record| Exported {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(|bytes| bytes.0),
            value: record.value.map(|bytes| bytes.0),
            headers: record
                .headers
                .into_iter()
                .map(|(name, value)| (name, value.map(|bytes| bytes.0)))
                .collect(),
        });
        let skipped = skipped.iter().map(|skipped| skipped.from..skipped.to).collect();
        Ok(Piece { records: records.collect(), next: next.unwrap_or(behind), skipped })
    }
}

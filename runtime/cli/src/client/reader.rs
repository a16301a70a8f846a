//! Reading a topic of a server, answer by answer.

use std::collections::BTreeMap;
use std::time::Duration;

use pelton_server::data::Cursor;
use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::http::Method;

use super::{Client, Outcome};
use crate::clock;

/// Records of an answer at most.
const RECORDS_MAX: u64 = 1_000;
/// How long an answer waits for a record where one is to follow, ms.
const WAIT_MS: u64 = 20_000;
/// Pause before a request that failed is made again; doubled up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// A record as it was answered, its parts as JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct Consumed {
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// Ms since the Unix epoch.
    pub timestamp: i64,
    /// The key.
    pub key: Box<RawValue>,
    /// The value.
    pub value: Box<RawValue>,
    /// `[["name", value]]`.
    pub headers: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Answer {
    records: Vec<Consumed>,
    cursor: String,
    #[serde(default)]
    skipped: Vec<Skipped>,
}

/// Offsets that retention had removed before they were read.
#[derive(Debug, Deserialize)]
struct Skipped {
    partition: u32,
    from: u64,
    to: u64,
}

#[derive(Deserialize)]
struct Described {
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    partition: u32,
    start: u64,
    durable: u64,
}

/// Where to begin, of what.
#[derive(Debug, Clone, Default)]
pub(crate) struct From {
    /// As the API takes it: `earliest`, `latest`, an offset, `time:...` or a cursor.
    pub from: Option<String>,
    /// One partition only.
    pub partition: Option<u32>,
    /// Goes on where this group stands, and commits for it.
    pub group: Option<String>,
}

/// Reads a topic.
pub(crate) struct TopicReader<'a> {
    client: &'a Client,
    topic: &'a str,
    begin: From,
    /// Behind what has been answered.
    cursor: Option<String>,
    /// What the group has committed of it.
    committed: Option<String>,
    /// First offset and end of the partitions when it began.
    held: BTreeMap<u32, (u64, u64)>,
    /// Sentences on records that were gone before they could be read.
    pub skipped: Vec<String>,
}

impl<'a> TopicReader<'a> {
    /// A reader of `topic`.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN`, or what keeps the server from answering.
    pub(crate) fn open(client: &'a Client, topic: &'a str, begin: From) -> Outcome<Self> {
        let Described { partitions } = client.get(&["topics", topic])?;
        let held = partitions.iter().map(|p| (p.partition, (p.start, p.durable))).collect();
        let (cursor, skipped) = (None, Vec::new());
        Ok(Self { client, topic, begin, cursor, committed: None, held, skipped })
    }

    /// Begins so far back that each partition has `max` records, or all that it has.
    pub(crate) fn begin_at_newest(&mut self, max: u64) {
        let at = self
            .held
            .iter()
            .map(|(partition, (start, end))| (*partition, end.saturating_sub(max).max(*start)));
        self.begin.from = Some(Cursor::at(at).to_string());
    }

    /// The next records, at most `max`; with `follow` it waits a while for the first of them.
    ///
    /// # Errors
    /// What the server answers.
    pub(crate) fn next(&mut self, max: u64, follow: bool) -> Outcome<Vec<Consumed>> {
        // With a group an empty answer is committed too: `latest` must not be looked for again.
        let commit = self.begin.group.as_ref().and(self.cursor.clone());
        let from = match (&self.begin.group, &self.cursor) {
            (None, Some(cursor)) => Some(cursor),
            _ => self.begin.from.as_ref(),
        };
        let mut call = self
            .client
            .call(Method::GET, &["topics", self.topic, "records"])
            .query("max_records", max.min(RECORDS_MAX))
            .query_if("from", from)
            .query_if("partition", self.begin.partition)
            .query_if("group", self.begin.group.as_ref())
            .query_if("commit", commit.as_ref().filter(|_| commit != self.committed));
        if follow {
            call = call.query("wait_ms", WAIT_MS).wait(Duration::from_millis(WAIT_MS));
        }
        let Answer { records, cursor, skipped } = self.client.json(call)?;
        self.committed = commit;
        self.cursor = Some(cursor);
        for Skipped { partition, from, to } in skipped {
            self.skipped.push(format!(
                "{} records of partition {partition}, from offset {from} on, were gone already",
                to - from
            ));
        }
        Ok(records)
    }

    /// As [`Self::next`], made again until the server is back.
    ///
    /// # Errors
    /// What will not pass.
    pub(crate) fn next_patiently(
        &mut self,
        max: u64,
        mut on_loss: impl FnMut(&str),
    ) -> Outcome<Vec<Consumed>> {
        let [mut pause, longest] = PAUSES;
        loop {
            match self.next(max, true) {
                Err(failed) if failed.retryable => on_loss(&failed.error.text),
                done => return done,
            }
            clock::pause(pause);
            pause = (pause * 2).min(longest);
        }
    }

    /// Whether everything has been answered that was there when it began.
    pub(crate) fn is_at_end(&self) -> bool {
        let cursor = self.cursor.as_ref().and_then(|cursor| cursor.parse::<Cursor>().ok());
        let end = |partition: &u32| self.held.get(partition).map_or(0, |(_, end)| *end);
        cursor.is_some_and(|cursor| cursor.at.iter().all(|(number, at)| *at >= end(number)))
    }

    /// Commits for the group what has been answered.
    ///
    /// # Errors
    /// What the server answers.
    pub(crate) fn commit(&mut self) -> Outcome<()> {
        let (Some(group), Some(cursor)) = (&self.begin.group, &self.cursor) else {
            return Ok(());
        };
        if self.committed.as_ref() != Some(cursor) {
            let body = serde_json::json!({ "topic": self.topic, "cursor": cursor }).to_string();
            let call = self.client.call(Method::POST, &["groups", group, "commit"]);
            self.client.bytes(call.body("application/json", body.as_bytes()))?;
            self.committed = Some(cursor.clone());
        }
        Ok(())
    }
}

impl Consumed {
    /// Appends the record as a line, in the form that every command reads; with `place` its
    /// partition and offset stand in it too.
    pub(crate) fn write(&self, topic: &str, place: bool, out: &mut Vec<u8>) {
        let topic = serde_json::Value::from(topic);
        let mut line = format!("{{\"topic\":{topic}");
        if place {
            line += &format!(",\"partition\":{},\"offset\":{}", self.partition, self.offset);
        }
        line += &format!(
            ",\"key\":{},\"value\":{},\"timestamp\":{}",
            self.key.get(),
            self.value.get(),
            self.timestamp
        );
        if let Some(headers) = &self.headers {
            line += &format!(",\"headers\":{}", headers.get());
        }
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"}\n");
    }
}

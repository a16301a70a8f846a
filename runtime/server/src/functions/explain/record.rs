//! What became of one record.

use std::sync::Arc;

use pelton_batch::Batch;
use pelton_core::manifest::{Input, Manifest};
use pelton_core::window::WindowSpec;
use pelton_core::{Error, EventTime, FunctionId, Result, TaskMeta};
use pelton_engine::{EventClock, event_time_of};
use pelton_journal::{Journal, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::letters::{Letter, letter_of};
use super::why::time;
use super::{partitions, user};
use crate::data::of;
use crate::functions::travel::{RecordPlace, reading};
use crate::functions::{Functions, blocking};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It has not been read yet.
    Waits,
    /// It was given up: there is a dead letter.
    GivenUp,
    /// It was too late for each of its windows.
    Late,
    /// It was read, and came to its windows where there are any.
    Read,
    /// It was read; how is not kept any more.
    ReadBefore,
}

/// A record, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordExplained {
    /// Its place, `TOPIC:PARTITION:OFFSET`.
    pub place: String,
    /// Its key, where that is text.
    pub key: Option<String>,
    /// Its timestamp, ms.
    pub timestamp_ms: i64,
    /// When it happened, ms: what it says, or its timestamp; absent where it should say and does not, and
    /// where the function tells it.
    pub event_time_ms: Option<i64>,
    /// What became of it.
    pub fate: Fate,
    /// The same in words.
    pub why: String,
}

/// A record that was found, and what more is known of it.
pub(super) struct Found {
    pub(super) record: RecordExplained,
    pub(super) key_bytes: Option<Vec<u8>>,
    pub(super) event_time_ms: Option<i64>,
    /// The task that reads it.
    pub(super) task: u32,
}

impl Functions {
    /// Finds a record, and what became of it.
    pub(super) async fn explain_record(
        &self,
        function: &FunctionId,
        place: &RecordPlace,
    ) -> Result<Found> {
        let known = self.registry.get(function)?;
        let loaded = self.load(&known, known.before.unwrap_or(known.active)).await?;
        let input = input_of(&loaded.manifest, place)?.clone();
        let spec = match &loaded.spec.window {
            Some(spec) => Some(spec.clone()),
            None => loaded.factory.declaration().window.clone(),
        };
        let late = spec.as_ref().and_then(|spec| spec.late_output);
        let late =
            late.and_then(|output| loaded.factory.declaration().outputs.get(output as usize));
        let late_topic = late.and_then(|name| loaded.spec.outputs.get(name));
        let asked = Asked {
            journal: Arc::clone(self.node.journal()),
            function: function.clone(),
            manifest: Arc::clone(&loaded.manifest),
            input,
            spec,
            late_topic: late_topic.map(|topic| topic.name().to_owned()),
            place: place.clone(),
        };
        blocking(move || asked.answer()).await
    }
}

fn input_of<'a>(manifest: &'a Manifest, place: &RecordPlace) -> Result<&'a Input> {
    let found = manifest.inputs.iter().find(|input| input.topic == place.topic);
    found.ok_or_else(|| {
        let all: Vec<_> = manifest.inputs.iter().map(|input| input.topic.name()).collect();
        let text = format!(
            "{} does not read {}; it reads {}",
            manifest.function,
            place.topic.name(),
            all.join(", ")
        );
        user("E-EXPLAIN-TOPIC", text)
    })
}

struct Asked {
    journal: Arc<Journal>,
    function: FunctionId,
    manifest: Arc<Manifest>,
    input: Input,
    spec: Option<WindowSpec>,
    late_topic: Option<String>,
    place: RecordPlace,
}

impl Asked {
    fn text(&self) -> String {
        let RecordPlace { topic, partition, offset } = &self.place;
        format!("{}:{partition}:{offset}", topic.name())
    }

    fn missing(&self, held: std::ops::Range<u64>) -> Error {
        let text = format!(
            "there is no record at {}: the partition holds offsets {} to {}",
            self.text(),
            held.start,
            held.end
        );
        user("E-EXPLAIN-RECORD", text)
    }

    /// The record, and what it says of its time.
    fn find(&self) -> Result<Found> {
        let all = partitions(&self.journal, &self.place.topic)?;
        let partition = all.get(self.place.partition as usize);
        let partition = partition.ok_or_else(|| self.missing(0..0))?;
        let missing = || self.missing(partition.offsets());
        let batch = partition.read(self.place.offset, Visibility::Durable).map_err(of)?;
        let batch = batch.ok_or_else(missing)?;
        let row = batch.row_at(self.place.offset);
        if row >= batch.rows as usize || batch.offset(row) != self.place.offset {
            return Err(missing());
        }
        let records = Batch::parse(&batch.bytes).and_then(|batch| batch.records());
        let records = records.map_err(|_| missing())?;
        let timestamp_ms = records.timestamp(row);
        let told = self.input.event_time.as_ref().map(|how| event_time_of(how, &records, row));
        let event_time = told.unwrap_or(Ok(timestamp_ms));
        let key_bytes = records.key(row).map(<[u8]>::to_vec);
        let key = key_bytes.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let record = RecordExplained {
            place: self.text(),
            key: key.map(str::to_owned),
            timestamp_ms,
            event_time_ms: event_time.as_ref().ok().copied(),
            fate: Fate::Waits,
            why: String::new(),
        };
        let task = if self.input.broadcast { 0 } else { self.place.partition };
        Ok(Found { event_time_ms: record.event_time_ms, record, key_bytes, task })
    }

    fn answer(&self) -> Result<Found> {
        let mut found = self.find()?;
        let letters = self.manifest.dead_letter_topic();
        (found.record.fate, found.record.why) =
            match letter_of(&self.journal, &self.function, &letters, &self.place)? {
                Some(letter) => {
                    let Letter { code, message, place } = letter;
                    (Fate::GivenUp, format!("{message} [{code}]; its dead letter is {place}"))
                }
                None => self.fate(&found)?,
            };
        Ok(found)
    }

    fn fate(&self, found: &Found) -> Result<(Fate, String)> {
        let read = match reading(&self.journal, &self.function, &self.place, found.task) {
            Ok(read) => read,
            Err(error) if error.code == "E-CAPSULE-GONE" => {
                let why = "it was read before the task's last snapshot: how is not kept any more";
                return Ok((Fate::ReadBefore, why.to_owned()));
            }
            // A task that has never committed.
            Err(error) if error.code == "E-CAPSULE-RECORD" => None,
            Err(error) => return Err(error),
        };
        let Some((before, meta)) = read else {
            return Ok((Fate::Waits, "the function has not come to it yet".to_owned()));
        };
        let read = || format!("it was read at {}", time(meta.time_ms));
        if self.spec.is_some() && self.input.event_time.as_ref().is_some_and(EventTime::is_guest) {
            let why = "the function told when it happened, so that its windows are not known here";
            return Ok((Fate::Read, format!("{}; {why}", read())));
        }
        let (Some(spec), Some(at)) = (&self.spec, found.event_time_ms) else {
            return Ok((Fate::Read, read()));
        };
        if spec.assigner.looks_by_key() {
            let why = format!(
                "{}, when the watermark went from {} to {}; whether it was late depends on what was \
                 kept of its key then",
                read(),
                watermark(before.as_ref()),
                time(meta.watermark)
            );
            return Ok((Fate::Read, why));
        }
        let stood = self.watermark_before(before.as_ref(), &meta)?;
        let mut windows = spec.assigner.windows(at).peekable();
        let is_late = windows.peek().is_some()
            && stood.is_some_and(|stood| windows.all(|window| spec.is_over(&window, stood)));
        Ok(match stood {
            Some(stood) if is_late => {
                let to = match &self.late_topic {
                    Some(topic) => format!("it went to {topic}"),
                    None => "it was counted as late, and goes nowhere without `late_output`".into(),
                };
                let why = format!("the watermark stood at {} before it: {to}", time(stood));
                (Fate::Late, why)
            }
            Some(i64::MIN) => (Fate::Read, format!("{}, the first of its input", read())),
            Some(stood) => {
                (Fate::Read, format!("{}, with the watermark at {}", read(), time(stood)))
            }
            None => {
                let why = format!(
                    "{}, when the watermark went from {} to {}",
                    read(),
                    watermark(before.as_ref()),
                    time(meta.watermark)
                );
                (Fate::Read, why)
            }
        })
    }

    /// The watermark as it stood before the record; `None` where that does not follow from what is kept:
    /// of several inputs, and where it was carried by what functions have written.
    fn watermark_before(&self, before: Option<&TaskMeta>, meta: &TaskMeta) -> Result<Option<i64>> {
        let begun = before.map_or(i64::MIN, |before| before.watermark);
        if begun == meta.watermark {
            return Ok(Some(begun));
        }
        let carried = before.is_some_and(|before| !before.carried.is_empty());
        if meta.positions.len() != 1 || carried || !meta.carried.is_empty() {
            return Ok(None);
        }
        let start = before.and_then(|before| before.positions.first()).map_or(0, |at| at.next);
        let mut clock = EventClock::new(self.input.out_of_orderness_ms, 0);
        if let Some(progress) = before.and_then(|before| before.progress.first()) {
            clock = clock.resume(*progress);
        }
        let ceiling = meta.time_ms.saturating_add(self.manifest.limits.ahead_ms.value as i64);
        self.observe(&mut clock, start, ceiling)?;
        Ok(Some(begun.max(clock.watermark())))
    }

    /// Shows the clock the records from `start` up to the one in question.
    fn observe(&self, clock: &mut EventClock, start: u64, ceiling: i64) -> Result<()> {
        let all = partitions(&self.journal, &self.place.topic)?;
        let Some(partition) = all.get(self.place.partition as usize) else { return Ok(()) };
        let mut at = start;
        while at < self.place.offset {
            let Some(batch) = partition.read(at, Visibility::Durable).map_err(of)? else { break };
            let records = Batch::parse(&batch.bytes).and_then(|batch| batch.records());
            let Ok(records) = records else { break };
            for row in batch.row_at(at)..batch.rows as usize {
                if batch.offset(row) >= self.place.offset {
                    return Ok(());
                }
                let told = self.input.event_time.as_ref();
                let told = told
                    .map_or(Ok(records.timestamp(row)), |how| event_time_of(how, &records, row));
                told.iter().for_each(|time| clock.observe(*time, ceiling));
            }
            at = batch.next_offset();
        }
        Ok(())
    }
}

fn watermark(meta: Option<&TaskMeta>) -> String {
    meta.map_or_else(|| "nothing".to_owned(), |meta| time(meta.watermark))
}

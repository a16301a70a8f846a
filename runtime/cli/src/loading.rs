//! An input on its way into a data directory. Each commit that appends a batch of it also notes how
//! far it is, so that a run which was stopped in the middle goes on behind what is there.

use std::collections::HashMap;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, TopicName};
use pelton_journal::{Commit, Journal};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::text;

/// The timestamp of a held record that has none yet: no record of an input may have this one.
pub(crate) const UNDATED: i64 = i64::MIN;

/// A batch of an input that is not appended yet.
pub(crate) struct Held {
    /// Where it goes.
    pub topic: TopicName,
    /// The partition that it goes to.
    pub partition: u32,
    /// Number of its records.
    pub records: u64,
    /// A batch of records, of which some may be [`UNDATED`].
    pub bytes: Vec<u8>,
}

/// How far an input is: an entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// Counts the inputs of the function in this directory, from 1.
    load: u64,
    /// How errors name it.
    input: String,
    /// Tells inputs apart: over all batches, before they are dated.
    digest: String,
    /// The time of its records that have none, ms.
    now_ms: i64,
    /// How many of its batches and records are appended.
    batches: u64,
    records: u64,
    /// How many records it has.
    records_total: u64,
}

/// The inputs of one function in a data directory.
pub(crate) struct Loading<'a> {
    /// Where they are appended.
    pub journal: &'a Journal,
    /// Whose they are.
    pub function: &'a FunctionId,
    /// The number of the last input that was run to its end; 0 before there is one.
    pub finished: u64,
    /// Whether the rest of an unfinished input is given up for another one.
    pub abandons: bool,
}

/// What [`Loading::append`] has done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The number of the input, to be noted once it is run to its end.
    pub load: u64,
    /// Records that an earlier run had appended, by topic and partition.
    pub before: HashMap<(String, u32), u64>,
}

impl Loading<'_> {
    /// Appends an input, or what is missing of it where it is the one that an earlier run did not
    /// bring to its end. Records without a timestamp get `now_ms`, or the time of that earlier run.
    ///
    /// # Errors
    /// `E-INPUT-UNFINISHED` where the rest of another input is missing, and what the journal
    /// answers: then the same input goes on behind what was appended.
    pub(crate) fn append(&self, input: &str, held: &[Held], now_ms: i64) -> Result<Appended> {
        let key = format!("run-input/{}/{}", self.function.tenant(), self.function.name());
        let known = self.journal.entry(&key).map(|value| read_note(&value)).transpose()?;
        let mut note = self.begin(input, held, now_ms, known)?;
        let (done, missing) = held.split_at((note.batches as usize).min(held.len()));
        let mut before = HashMap::new();
        for batch in done {
            *before.entry((batch.topic.to_string(), batch.partition)).or_default() += batch.records;
        }
        for batch in missing {
            note.batches += 1;
            note.records += batch.records;
            self.append_batch(batch, &key, &note)?;
        }
        Ok(Appended { load: note.load, before })
    }

    /// What is known of this input before anything more of it is appended.
    fn begin(&self, input: &str, held: &[Held], now_ms: i64, known: Option<Note>) -> Result<Note> {
        let digest = digest(held);
        let last = known.as_ref().map_or(0, |note| note.load);
        if let Some(note) = known.filter(|note| note.load > self.finished) {
            if note.digest == digest {
                return Ok(note);
            }
            if note.records < note.records_total && !self.abandons {
                return Err(unfinished(&note));
            }
        }
        let records_total = held.iter().map(|batch| batch.records).sum();
        let load = last.max(self.finished) + 1;
        let input = input.to_owned();
        Ok(Note { load, input, digest, now_ms, batches: 0, records: 0, records_total })
    }

    fn append_batch(&self, batch: &Held, key: &str, note: &Note) -> Result<()> {
        let (bytes, newest_ms) = dated(&batch.bytes, note.now_ms)?;
        let note = serde_json::to_vec(note).map_err(|error| broken(&error))?;
        let topic = self.journal.topic(&batch.topic.to_string());
        let to = topic.map_err(|error| CliError::coded(&error))?;
        let to = to.partition(batch.partition).map_err(|error| CliError::coded(&error))?;
        let mut commit = Commit::new(clock::now_ms());
        commit.batch(to, batch.records as u32, newest_ms, [&bytes[..]]);
        commit.entry(key, Some(&note));
        self.journal.append(&mut commit).map(drop).map_err(|error| CliError::coded(&error))
    }
}

/// The batch with a time for the records that have none, and the newest time of it.
fn dated(bytes: &[u8], now_ms: i64) -> Result<(Vec<u8>, i64)> {
    let batch = Batch::parse(bytes).and_then(|batch| batch.records());
    let batch = batch.map_err(|error| broken(&error))?;
    let time = |ms| if ms == UNDATED { now_ms } else { ms };
    let newest_ms = batch.iter().map(|record| time(record.timestamp())).max().unwrap_or(now_ms);
    if batch.iter().all(|record| record.timestamp() != UNDATED) {
        return Ok((bytes.to_vec(), newest_ms));
    }
    let mut builder = RecordsBuilder::new();
    for record in batch.iter() {
        builder.push(record.key(), record.value(), time(record.timestamp()));
        for header in record.headers() {
            builder.header(header.name, header.value);
        }
    }
    Ok((builder.finish(), newest_ms))
}

fn digest(held: &[Held]) -> String {
    let mut hasher = blake3::Hasher::new();
    for batch in held {
        let place = format!("{}\n{}\n{}\n", batch.topic, batch.partition, batch.bytes.len());
        hasher.update(place.as_bytes());
        hasher.update(&batch.bytes);
    }
    hasher.finalize().to_hex().to_string()
}

fn read_note(value: &[u8]) -> Result<Note> {
    serde_json::from_slice(value).map_err(|error| {
        let text = format!("the note on this function's last input cannot be read: {error}");
        CliError::new("E-JOURNAL-CORRUPT", Exit::Failure, text)
    })
}

fn unfinished(note: &Note) -> CliError {
    let Note { input, records, records_total, .. } = note;
    let text = format!(
        "an earlier run was stopped when {} of {} of {input} were appended, and this is another \
         input",
        text::thousands(*records),
        text::count(*records_total, "record"),
    );
    CliError::bad_input("E-INPUT-UNFINISHED", text).next(
        "run it with that input again, which appends the rest of it, or give the rest up with \
         --abandon-unfinished",
    )
}

fn broken(error: &dyn std::fmt::Display) -> CliError {
    CliError::new("E-INTERNAL", Exit::Failure, format!("a batch of the input is broken: {error}"))
}

#[cfg(test)]
mod tests;

//! Putting dead letters back to where they came from, once: records and marks are one commit.

mod marks;

use std::collections::{BTreeMap, BTreeSet};

use pelton_batch::{Record, RecordsBuilder};
use pelton_core::{Result, TopicName};
use pelton_journal::{Commit, Topic};

use super::{Cursor, DataPlane, From, ReadLimits, of, user};
use marks::Marks;

/// Dead letters that one commit puts back, and that a request may name.
pub const REDRIVE_RECORDS_MAX: usize = 1_000;
/// A commit takes no further one once it has so many bytes of keys and values.
const COMMIT_BYTES: usize = 4 << 20;
/// What Pelton's own headers of a dead letter begin with.
const OWN: &str = "pelton-";
/// The first of them; what stands before it is the record's own.
const FIRST: &str = "pelton-code";
/// Says of a record which dead letter it was.
const REDRIVEN: &str = "pelton-redriven";

/// Which dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letters {
    /// Those that have not been put back yet; what was no record stays.
    All,
    /// These, by partition and offset of their topic: all of them, or none.
    Some(BTreeSet<(u32, u64)>),
}

/// What is to be put back.
#[derive(Debug, Clone)]
pub struct Redrive {
    /// The topic of the dead letters.
    pub from: TopicName,
    /// The topics that the function reads: nothing goes anywhere else.
    pub inputs: Vec<TopicName>,
    /// Which letters.
    pub letters: Letters,
    /// Whether those go back too that have been before.
    pub again: bool,
}

/// What was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redriven {
    /// Records.
    pub redriven: u64,
    /// Letters that had been put back before, and stay.
    pub already: u64,
    /// Letters that were no records of an input, such as windows and timers.
    pub skipped: u64,
    /// The commit to wait for.
    pub seq: u64,
}

/// Records on their way back.
#[derive(Default)]
struct Pending {
    parts: BTreeMap<(TopicName, u32), (RecordsBuilder, i64)>,
    letters: Vec<(u32, u64)>,
    bytes: usize,
}

impl Pending {
    fn is_full(&self) -> bool {
        self.letters.len() >= REDRIVE_RECORDS_MAX || self.bytes >= COMMIT_BYTES
    }

    fn push(&mut self, to: (TopicName, u32), letter: (u32, u64), record: &Record<'_>) {
        let (records, newest) =
            self.parts.entry(to).or_insert_with(|| (RecordsBuilder::new(), i64::MIN));
        *newest = (*newest).max(record.timestamp());
        records.push(record.key(), record.value(), record.timestamp());
        // Pelton's own headers stand behind the record's, the reason first.
        let headers: Vec<_> = record.headers().collect();
        let own = headers.iter().rposition(|header| header.name == FIRST).unwrap_or(headers.len());
        for header in headers[..own].iter().filter(|header| header.name != REDRIVEN) {
            records.header(header.name, header.value);
        }
        let id = format!("{}:{}", letter.0, letter.1);
        records.header(REDRIVEN, Some(id.as_bytes()));
        self.bytes += record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
        self.letters.push(letter);
    }
}

/// What Pelton says of a dead letter: the last header of the name.
fn said<'a>(record: &Record<'a>, name: &str) -> Option<&'a str> {
    let found = record.headers().filter(|header| header.name.strip_prefix(OWN) == Some(name));
    found.last().and_then(|header| std::str::from_utf8(header.value?).ok())
}

/// Where a record came from; none for what was no record of an input of the function.
fn origin(record: &Record<'_>, inputs: &[TopicName]) -> Option<(TopicName, u32)> {
    let topic = TopicName::parse(said(record, "topic")?).ok()?;
    let partition = said(record, "partition")?.parse().ok()?;
    let is_record = said(record, "kind") == Some("record") && inputs.contains(&topic);
    is_record.then_some((topic, partition))
}

fn key_of(topic: &TopicName) -> String {
    format!("redriven/{topic}")
}

impl DataPlane {
    /// Puts dead letters back, each to the partition that it came from, without the reason. A letter
    /// and the mark that it was put back are one commit; up to [`REDRIVE_RECORDS_MAX`] letters are,
    /// and all of a list.
    ///
    /// # Errors
    /// `E-REQUEST-RECORDS` for too long a list; of a list, where one of it is not there
    /// (`E-DEAD-LETTER-NOT-FOUND`), was put back before (`E-DEAD-LETTER-REDRIVEN`) or was no record
    /// (`E-DEAD-LETTER-KIND`): then nothing is put back. Those of the journal.
    pub fn redrive(&self, redrive: &Redrive) -> Result<Redriven> {
        let from = match self.topic(&redrive.from) {
            // Nothing has ever gone there.
            Err(error) if error.code == "E-TOPIC-UNKNOWN" && redrive.letters == Letters::All => {
                return Ok(Redriven::default());
            }
            found => found?,
        };
        let key = key_of(&redrive.from);
        let _turn = self.producers.lock(&key);
        let mut marks = self.marks(&key, &from);
        match &redrive.letters {
            Letters::All => self.redrive_all(redrive, &from, &mut marks),
            Letters::Some(letters) => self.redrive_some(redrive, &from, letters, &mut marks),
        }
    }

    fn marks(&self, key: &str, topic: &Topic) -> Marks {
        let value = self.journal.entry(key);
        let marks = value.and_then(|value| serde_json::from_slice::<Marks>(&value).ok());
        let mut marks = marks
            .filter(|marks| marks.topic == topic.id().0)
            .unwrap_or_else(|| Marks::new(topic.id().0));
        for partition in topic.partitions() {
            marks.forget_before(partition.number(), partition.offsets().start);
        }
        marks
    }

    fn redrive_all(&self, redrive: &Redrive, from: &Topic, marks: &mut Marks) -> Result<Redriven> {
        let mut done = Redriven::default();
        let mut cursor = self.cursor(from, None, &From::Earliest)?;
        // Letters that come of these very records, while this runs, are for the next time.
        let end = self.cursor(from, None, &From::Latest)?;
        let limits = ReadLimits { records_max: REDRIVE_RECORDS_MAX, bytes_max: COMMIT_BYTES };
        let mut pending = Pending::default();
        loop {
            cursor.at.retain(|partition, at| end.at.get(partition).is_some_and(|end| *at < *end));
            let reading = self.read(from, &mut cursor, limits)?;
            if reading.is_empty() {
                break;
            }
            for slice in &reading.slices {
                let records = slice.records()?;
                for row in slice.rows() {
                    let letter = (slice.partition, slice.offset(row));
                    if end.at.get(&letter.0).is_none_or(|end| letter.1 >= *end) {
                        continue;
                    }
                    let record = records.get(row);
                    match origin(&record, &redrive.inputs) {
                        None => done.skipped += 1,
                        Some(_) if !redrive.again && marks.has(letter.0, letter.1) => {
                            done.already += 1;
                        }
                        Some(to) => pending.push(to, letter, &record),
                    }
                    if pending.is_full() {
                        self.put_back(redrive, std::mem::take(&mut pending), marks, &mut done)?;
                    }
                }
            }
        }
        self.put_back(redrive, pending, marks, &mut done)?;
        Ok(done)
    }

    fn redrive_some(
        &self,
        redrive: &Redrive,
        from: &Topic,
        letters: &BTreeSet<(u32, u64)>,
        marks: &mut Marks,
    ) -> Result<Redriven> {
        if letters.len() > REDRIVE_RECORDS_MAX {
            let text = format!(
                "a request names at most {REDRIVE_RECORDS_MAX} dead letters: send the others in \
                 another one"
            );
            return Err(user("E-REQUEST-RECORDS", text));
        }
        let mut pending = Pending::default();
        for &(partition, offset) in letters {
            let id = format!("{}:{partition}:{offset}", redrive.from);
            let missing =
                || user("E-DEAD-LETTER-NOT-FOUND", format!("there is no dead letter {id}"));
            let held = from.partition(partition).map_err(of)?.offsets();
            if !held.contains(&offset) {
                return Err(missing());
            }
            if marks.has(partition, offset) && !redrive.again {
                let text = format!(
                    "the dead letter {id} was redriven already; ask for it `again` to do it once \
                     more"
                );
                return Err(user("E-DEAD-LETTER-REDRIVEN", text));
            }
            let mut cursor = Cursor::at([(partition, offset)]);
            let limits = ReadLimits { records_max: 1, bytes_max: 1 };
            let reading = self.read(from, &mut cursor, limits)?;
            let slice = reading.slices.first().ok_or_else(missing)?;
            let row = slice.rows().find(|row| slice.offset(*row) == offset).ok_or_else(missing)?;
            let record = slice.records()?.get(row);
            let to = origin(&record, &redrive.inputs).ok_or_else(|| {
                let text = format!(
                    "the dead letter {id} was no record of a topic that the function reads, so \
                     that it cannot be put back"
                );
                user("E-DEAD-LETTER-KIND", text)
            })?;
            pending.push(to, (partition, offset), &record);
        }
        let mut done = Redriven::default();
        self.put_back(redrive, pending, marks, &mut done)?;
        Ok(done)
    }

    /// One commit.
    fn put_back(
        &self,
        redrive: &Redrive,
        mut pending: Pending,
        marks: &mut Marks,
        done: &mut Redriven,
    ) -> Result<()> {
        if pending.letters.is_empty() {
            return Ok(());
        }
        for (partition, offset) in &pending.letters {
            marks.add(*partition, *offset);
        }
        marks.check()?;
        let mut batches = Vec::new();
        for ((topic, partition), (records, newest)) in &mut pending.parts {
            let topic = self.topic(topic)?;
            let to = topic.partition(*partition).map_err(of)?.clone();
            batches.push((topic, to, records.len() as u32, *newest, records.finish()));
        }
        let mut commit = Commit::new(self.clock.now_ms());
        for (topic, to, rows, newest, bytes) in &batches {
            commit.check_keys(topic, bytes).map_err(of)?;
            commit.batch(to, *rows, *newest, [&bytes[..]]);
        }
        commit.entry(&key_of(&redrive.from), Some(&serde_json::to_vec(marks).unwrap_or_default()));
        done.seq = self.journal.append(&mut commit).map_err(of)?;
        done.redriven += pending.letters.len() as u64;
        Ok(())
    }
}

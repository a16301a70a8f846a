//! When a record says that it happened: a field of its value or a header, in place of its timestamp.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use pelton_batch::{Batch, FormatError, Records, RecordsBuilder};
use pelton_core::{EventTime, Fetch, Producer, TimeField, TimeFormat};
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A record that does not say when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Untimed {
    /// Its row in the fetched batch, where it keeps its timestamp.
    row: usize,
    /// Why not.
    why: String,
}

/// A fetched batch, as the task takes it in.
#[derive(Debug)]
pub(crate) struct Incoming {
    fetch: Fetch,
    /// Records that do not say when they happened, by row; none where none has to.
    untimed: Vec<Untimed>,
    /// The tasks of the function that wrote it, where its watermark counts; none where it does not.
    pub(crate) siblings: Arc<[u64]>,
    /// Which of the function's inputs it is of.
    pub(crate) input: u16,
    /// The function itself is to tell when its records happened, and has not yet.
    pub(crate) is_untold: bool,
}

impl Incoming {
    /// Takes a batch in, its records stamped with what they tell where that is wanted.
    pub(crate) fn new(
        mut fetch: Fetch,
        how: Option<&EventTime>,
        siblings: Arc<[u64]>,
        input: u16,
    ) -> Result<Self, FormatError> {
        let is_untold = how.is_some_and(EventTime::is_guest);
        let untimed = match how.filter(|_| !is_untold) {
            Some(how) => stamp(&mut fetch, |records, row| event_time_of(how, records, row))?,
            None => Vec::new(),
        };
        Ok(Self { fetch, untimed, siblings, input, is_untold })
    }

    /// The same batch, its records stamped with what the function has told of each: when it happened,
    /// ms, or why that is not known.
    pub(crate) fn told(&self, times: &[Result<i64, String>]) -> Result<Self, FormatError> {
        let mut fetch = self.fetch.clone();
        let untold = || Err("the function has told nothing of it".to_owned());
        let untimed = stamp(&mut fetch, |_, row| times.get(row).cloned().unwrap_or_else(untold))?;
        let (siblings, input) = (Arc::clone(&self.siblings), self.input);
        Ok(Self { fetch, untimed, siblings, input, is_untold: false })
    }

    /// What the record at `row` brings of the time of the task that wrote the batch: the last one does.
    #[inline]
    pub(crate) fn carried(&self, row: usize) -> Option<Producer> {
        self.producer.filter(|_| row + 1 == self.rows && !self.siblings.is_empty())
    }

    /// Why the record at `row` of the batch does not say when it happened, if it does not.
    #[inline]
    pub(crate) fn untimed(&self, row: usize) -> Option<&str> {
        if self.untimed.is_empty() {
            return None;
        }
        let at = self.untimed.binary_search_by_key(&row, |record| record.row).ok()?;
        Some(&self.untimed[at].why)
    }
}

impl Deref for Incoming {
    type Target = Fetch;

    fn deref(&self) -> &Fetch {
        &self.fetch
    }
}

/// Gives each record of `fetch` the time that it tells itself as its timestamp, and names those that
/// tell none.
fn stamp(
    fetch: &mut Fetch,
    time: impl Fn(&Records<'_>, usize) -> Result<i64, String>,
) -> Result<Vec<Untimed>, FormatError> {
    let mut builder = RecordsBuilder::new();
    let mut untimed = Vec::new();
    let batch = fetch.batch.clone();
    let records = Batch::parse(&batch)?.records()?;
    let mut times = Vec::with_capacity(fetch.rows);
    for row in 0..fetch.rows {
        times.push(time(&records, row).unwrap_or_else(|why| {
            untimed.push(Untimed { row, why });
            records.timestamp(row)
        }));
    }
    builder.extend_from(&records, 0..fetch.rows);
    builder.retime(times);
    fetch.batch = Bytes::from(builder.finish());
    Ok(untimed)
}

/// The time that a record tells, ms.
///
/// # Errors
/// Why it tells none; where the function is to tell it, that this is so.
pub fn event_time_of(how: &EventTime, records: &Records<'_>, row: usize) -> Result<i64, String> {
    let named = |text: String| format!("event_time {}: {text}", how.field);
    match &how.field {
        TimeField::Guest => Err(named("the function itself tells it".to_owned())),
        TimeField::Header(name) => {
            let mut headers = records.headers(row).filter(|header| header.name == name);
            let value = headers.by_ref().last().and_then(|header| header.value);
            let value = value.ok_or_else(|| named("the record has no such header".to_owned()))?;
            let text =
                std::str::from_utf8(value).map_err(|_| named("it is not text".to_owned()))?;
            how.format.parse(text).map_err(named)
        }
        TimeField::Value(steps) => {
            let value = records.value(row).ok_or_else(|| named("the value is null".to_owned()))?;
            field(value, steps, &how.format).map_err(named)
        }
    }
}

fn field(value: &[u8], steps: &[String], format: &TimeFormat) -> Result<i64, String> {
    let mut json = serde_json::Deserializer::from_slice(value);
    let found = Walk(steps).deserialize(&mut json);
    let found = found.map_err(|error| format!("the value is not JSON: {error}"))?;
    let raw = found.ok_or("the value has no such field")?.get();
    let text: Cow<'_, str> = match raw.as_bytes().first() {
        Some(b'"') => {
            serde_json::from_str::<String>(raw).map_err(|error| error.to_string())?.into()
        }
        Some(b'-' | b'0'..=b'9') => raw.into(),
        _ => return Err(format!("{} is no time", if raw.len() > 20 { "that" } else { raw })),
    };
    format.parse(&text)
}

/// Follows the steps of a JSON pointer; all that is beside its way is read past.
struct Walk<'s>(&'s [String]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => serde::Deserialize::deserialize(json).map(Some),
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key == step.as_str() {
                true => found = map.next_value_seed(Walk(rest))?,
                false => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Ok(None) };
        let wanted = step.parse::<usize>().ok();
        let mut found = None;
        for index in 0.. {
            let more = match wanted == Some(index) {
                true => list.next_element_seed(Walk(rest))?.map(|value| found = value),
                false => list.next_element::<IgnoredAny>()?.map(drop),
            };
            if more.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

//! `{"records": [...]}`, read record by record: nothing of it is kept but what is appended.

use std::borrow::Cow;
use std::fmt;

use pelton_core::{Error, Result};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::{RecordBatch, user};
use super::record::read_record;

/// Adds the records of `{"records": [...]}`, one after the other as they are read.
///
/// # Errors
/// `E-JSON` with line and column, `E-RECORD-JSON` with the number of the record, and those of
/// [`RecordBatch::push`].
pub fn read_list(json: &[u8], batch: &mut RecordBatch) -> Result<()> {
    let mut problem = None;
    let mut body = serde_json::Deserializer::from_slice(json);
    let seed = List { batch, problem: &mut problem };
    let read = seed.deserialize(&mut body).and_then(|()| body.end());
    match (problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => {
            Err(user("E-JSON", format!("the body is not {{\"records\": [...]}}: {error}")))
        }
    }
}

/// The body of a request. What is wrong with a record is left in `problem`.
struct List<'b> {
    batch: &'b mut RecordBatch,
    problem: &'b mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `records`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match map.next_key::<Cow<'de, str>>()?.as_deref() {
            Some("records") => {
                map.next_value_seed(Rows { batch: self.batch, problem: self.problem })?;
            }
            Some(other) => return Err(A::Error::unknown_field(other, &["records"])),
            None => return Err(A::Error::missing_field("records")),
        }
        match map.next_key::<Cow<'de, str>>()?.as_deref() {
            None => Ok(()),
            Some("records") => Err(A::Error::duplicate_field("records")),
            Some(other) => Err(A::Error::unknown_field(other, &["records"])),
        }
    }
}

struct Rows<'b> {
    batch: &'b mut RecordBatch,
    problem: &'b mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0usize;
        while let Some(json) = list.next_element::<&'de RawValue>()? {
            if let Err(problem) = read_record(json.get().as_bytes(), self.batch) {
                *self.problem = Some(problem.at(&format!("record {number}")));
                return Err(A::Error::custom("a record"));
            }
            number += 1;
        }
        Ok(())
    }
}

//! The columns of records: what an export writes, and what is read as records again.

use std::sync::Arc;

use parquet::basic::{Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{Type, TypePtr};

use super::time_ms;
use crate::export::Exported;

/// All columns that a file of records may have. The first three it has to have.
const NAMES: [&str; 7] = ["key", "value", "timestamp", "headers", "partition", "offset", "topic"];
const NEEDED: usize = 3;

/// The columns of an export, keys and values as text or as bytes.
pub(crate) fn records_schema(is_text: bool) -> Result<TypePtr, ParquetError> {
    let text = if is_text { " (STRING)" } else { "" };
    let message = format!(
        "message record {{
            required int32 partition;
            required int64 offset;
            required int64 timestamp (TIMESTAMP(MILLIS, true));
            optional binary key{text};
            optional binary value{text};
            required group headers (LIST) {{
                repeated group list {{
                    required group element {{
                        required binary name (STRING);
                        optional binary value;
                    }}
                }}
            }}
        }}"
    );
    Ok(Arc::new(parse_message_type(&message)?))
}

/// The columns of a file of records.
pub(crate) struct RecordColumns {
    schema: TypePtr,
}

impl RecordColumns {
    /// Of a file that has the columns of records, and no others.
    pub(crate) fn of(schema: &TypePtr) -> Option<Self> {
        let fields = schema.get_fields();
        let is_known = fields.iter().all(|field| NAMES.contains(&field.name()) && fits(field));
        let has = |name: &&str| fields.iter().any(|field| field.name() == *name);
        let is_whole = NAMES[..NEEDED].iter().all(has);
        (is_known && is_whole).then(|| Self { schema: Arc::clone(schema) })
    }

    /// The record that a row is; at offset 0 where it has no offset.
    ///
    /// # Errors
    /// Which column is none of a record's.
    pub(crate) fn record(&self, row: Row) -> Result<Exported, String> {
        let mut record = Exported::default();
        let fields = row.into_columns().into_iter().zip(self.schema.get_fields());
        for ((name, field), kind) in fields {
            let wrong = |what: &str| format!("the column `{name}` has no {what} here");
            match &*name {
                "key" => record.key = bytes(field),
                "value" => record.value = bytes(field),
                "timestamp" => {
                    let ms = match &field {
                        Field::Long(ms) if kind.get_basic_info().logical_type_ref().is_none() => {
                            Some(*ms)
                        }
                        field => time_ms(field, Some(kind)),
                    };
                    record.timestamp = ms.ok_or_else(|| wrong("time"))?;
                }
                "offset" => match field {
                    Field::Long(offset) => record.offset = offset.unsigned_abs(),
                    _ => return Err(wrong("offset")),
                },
                "headers" => {
                    record.headers = headers(field).ok_or_else(|| wrong("names and values"))?;
                }
                _ => {}
            }
        }
        Ok(record)
    }
}

/// Whether a column of this name is a record's by its type.
fn fits(field: &Type) -> bool {
    let is_once = field.get_basic_info().repetition() != Repetition::REPEATED;
    let physical = field.is_primitive().then(|| field.get_physical_type());
    is_once
        && match field.name() {
            "key" | "value" => physical == Some(Physical::BYTE_ARRAY),
            "timestamp" => matches!(physical, Some(Physical::INT64 | Physical::INT96)),
            "offset" => physical == Some(Physical::INT64),
            "headers" => physical.is_none(),
            _ => physical.is_some(),
        }
}

fn bytes(field: Field) -> Option<Vec<u8>> {
    match field {
        Field::Str(text) => Some(text.into_bytes()),
        Field::Bytes(bytes) => Some(bytes.data().to_vec()),
        _ => None,
    }
}

/// Names and values in their order.
fn headers(field: Field) -> Option<Vec<(String, Option<Vec<u8>>)>> {
    let list = match field {
        Field::Null => return Some(Vec::new()),
        Field::ListInternal(list) => list,
        _ => return None,
    };
    let pair = |field: &Field| {
        let Field::Group(row) = field else { return None };
        let mut columns = row.get_column_iter();
        let (name, value) = (columns.next()?.1.clone(), columns.next()?.1.clone());
        let name = String::from_utf8(bytes(name)?).ok()?;
        columns.next().is_none().then(|| (name, bytes(value)))
    };
    list.elements().iter().map(pair).collect()
}

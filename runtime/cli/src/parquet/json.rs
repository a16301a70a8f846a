//! A field as JSON.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parquet::basic::{ConvertedType, LogicalType};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};
use serde_json::value::RawValue;

use super::time::{date_text, moment, moment_text, time_of_day_ns, time_of_day_text};
use crate::input::compact;

/// Refuses columns of types that have no meaning here.
///
/// # Errors
/// Which column, and its type.
pub(crate) fn check_types(kind: &Type) -> Result<(), String> {
    if kind.is_group() {
        return kind.get_fields().iter().try_for_each(|field| check_types(field));
    }
    match kind.get_basic_info().converted_type() {
        ConvertedType::INTERVAL => Err(format!("the column {:?} is an INTERVAL", kind.name())),
        _ => Ok(()),
    }
}

/// Appends a field as JSON, by its type where that says more than the field.
///
/// # Errors
/// Where it has no JSON: a time out of every calendar.
pub(crate) fn write_json(
    field: &Field,
    kind: Option<&Type>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match field {
        Field::Null => out.extend_from_slice(b"null"),
        Field::Bool(value) => write_text(&value.to_string(), out),
        Field::Byte(value) => write_text(&value.to_string(), out),
        Field::Short(value) => write_text(&value.to_string(), out),
        Field::UByte(value) => write_text(&value.to_string(), out),
        Field::UShort(value) => write_text(&value.to_string(), out),
        Field::UInt(value) => write_text(&value.to_string(), out),
        Field::ULong(value) => write_text(&value.to_string(), out),
        Field::Float16(value) => write_float(value.to_f32(), f64::from(value.to_f32()), out),
        Field::Float(value) => write_float(*value, f64::from(*value), out),
        Field::Double(value) => write_float(*value, *value, out),
        Field::Decimal(_) => write_text(field.to_string().trim_end_matches('.'), out),
        Field::Str(text) => write_str(text, kind, out),
        Field::Bytes(bytes) => write_bytes(bytes.data(), kind, out),
        Field::Date(days) => write_string(&date_text(*days)?, out),
        Field::Int(_)
        | Field::Long(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => write_number_or_time(field, kind, out)?,
        Field::Group(row) => {
            out.push(b'{');
            for (index, (name, field)) in row.get_column_iter().enumerate() {
                comma(index, out);
                write_string(name, out);
                out.push(b':');
                write_json(field, child(kind, name), out)?;
            }
            out.push(b'}');
        }
        Field::ListInternal(list) => {
            out.push(b'[');
            for (index, field) in list.elements().iter().enumerate() {
                comma(index, out);
                write_json(field, element(kind), out)?;
            }
            out.push(b']');
        }
        Field::MapInternal(map) => write_map(map.entries(), kind, out)?,
    }
    Ok(())
}

fn write_number_or_time(
    field: &Field,
    kind: Option<&Type>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    if let Some(moment) = moment(field, kind) {
        write_string(&moment_text(moment)?, out);
    } else if let Some(ns) = time_of_day_ns(field, kind) {
        write_string(&time_of_day_text(ns)?, out);
    } else {
        write_text(&field.to_string(), out);
    }
    Ok(())
}

/// An object: names of other types than text are their JSON as text.
fn write_map(
    entries: &[(Field, Field)],
    kind: Option<&Type>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let pair = kind.filter(|kind| kind.is_group()).and_then(|kind| kind.get_fields().first());
    let of = |index: usize| {
        let pair = pair.filter(|pair| pair.is_group());
        pair.and_then(|pair| pair.get_fields().get(index)).map(|kind| &**kind)
    };
    out.push(b'{');
    for (index, (key, value)) in entries.iter().enumerate() {
        comma(index, out);
        let mut name = Vec::new();
        write_json(key, of(0), &mut name)?;
        match name.first() {
            Some(b'"') => out.extend_from_slice(&name),
            _ => write_string(&String::from_utf8_lossy(&name), out),
        }
        out.push(b':');
        write_json(value, of(1), out)?;
    }
    out.push(b'}');
    Ok(())
}

/// The type of a struct's field.
fn child<'a>(kind: Option<&'a Type>, name: &str) -> Option<&'a Type> {
    let fields = kind.filter(|kind| kind.is_group())?.get_fields();
    fields.iter().find(|field| field.name() == name).map(|field| &**field)
}

/// The type of a list's elements, by the format's rules for lists of older writers.
fn element(kind: Option<&Type>) -> Option<&Type> {
    let kind = kind?;
    let is_list = matches!(
        kind.get_basic_info().converted_type(),
        ConvertedType::LIST | ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE
    );
    if !is_list || !kind.is_group() {
        return Some(kind);
    }
    let repeated: &TypePtr = kind.get_fields().first()?;
    let is_element = repeated.is_primitive()
        || repeated.get_fields().len() > 1
        || repeated.name() == "array"
        || repeated.name().ends_with("_tuple");
    if is_element { Some(repeated) } else { repeated.get_fields().first().map(|kind| &**kind) }
}

/// Text; where the type says that it is JSON, that itself.
fn write_str(text: &str, kind: Option<&Type>, out: &mut Vec<u8>) {
    let info = kind.map(Type::get_basic_info);
    let is_json = info.is_some_and(|info| {
        info.converted_type() == ConvertedType::JSON
            || matches!(info.logical_type_ref(), Some(LogicalType::Json))
    });
    let json = is_json.then(|| serde_json::from_str::<&RawValue>(text).ok()).flatten();
    match json {
        Some(json) => compact(json.get(), out),
        None => write_string(text, out),
    }
}

/// Text where they are some, else base64; a UUID as people write it.
fn write_bytes(bytes: &[u8], kind: Option<&Type>, out: &mut Vec<u8>) {
    let said = kind.and_then(|kind| kind.get_basic_info().logical_type_ref());
    if matches!(said, Some(LogicalType::Uuid)) && bytes.len() == 16 {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        return write_string(&parts.join("-"), out);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => write_string(text, out),
        Err(_) => {
            let form = format!("{{\"base64\":\"{}\"}}", BASE64_STANDARD.encode(bytes));
            out.extend_from_slice(form.as_bytes());
        }
    }
}

/// The shortest digits that are this number; JSON has no word for those that are none.
fn write_float(value: impl serde::Serialize, as_double: f64, out: &mut Vec<u8>) {
    match as_double {
        value if value.is_nan() => write_string("NaN", out),
        f64::INFINITY => write_string("Infinity", out),
        f64::NEG_INFINITY => write_string("-Infinity", out),
        _ => write_text(&serde_json::to_string(&value).unwrap_or_default(), out),
    }
}

fn comma(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

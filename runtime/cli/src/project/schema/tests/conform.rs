//! Whether a value is as a schema says, by the keywords that ours is made of; others are refused.

use serde_json::Value;

pub(super) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().ok_or("a schema is an object")? {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" => true,
            "type" => is_type(wanted, value),
            "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
            "minimum" => value.as_f64() >= wanted.as_f64(),
            "maximum" => value.as_f64() <= wanted.as_f64(),
            "pattern" => matches(value),
            "maxProperties" => {
                value.as_object().map_or(0, serde_json::Map::len) as u64
                    <= wanted.as_u64().unwrap_or(0)
            }
            "required" => wanted
                .as_array()
                .into_iter()
                .flatten()
                .all(|key| key.as_str().is_some_and(|key| value.get(key).is_some())),
            "anyOf" => {
                let mut all = wanted.as_array().into_iter().flatten();
                all.any(|schema| check(schema, value).is_ok())
            }
            "oneOf" => {
                let all = wanted.as_array().into_iter().flatten();
                all.filter(|schema| check(schema, value).is_ok()).count() == 1
            }
            "items" => {
                let all = value.as_array().into_iter().flatten();
                all.map(|item| check(wanted, item)).collect::<Result<Vec<_>, _>>()?;
                true
            }
            "properties" | "additionalProperties" => continue,
            other => return Err(format!("unknown keyword {other}")),
        };
        if !holds {
            return Err(format!("{value} is not {keyword}: {wanted}"));
        }
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(known), _) => check(known, value).map_err(|error| format!("{key}: {error}"))?,
            (None, Some(Value::Bool(false))) => return Err(format!("unknown key {key}")),
            (None, Some(others)) => check(others, value)?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn is_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    };
    match wanted {
        Value::Array(all) => all.iter().filter_map(Value::as_str).any(is),
        one => one.as_str().is_some_and(is),
    }
}

/// The only pattern is that of a duration.
fn matches(value: &Value) -> bool {
    value.as_str().is_some_and(|text| pelton_core::manifest::parse_duration_ms(text).is_ok())
}

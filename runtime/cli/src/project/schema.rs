//! The JSON schema of the manifest, for editors: completion, descriptions and marks while typing.

use serde_json::{Map, Value, json};

use pelton_core::Limits;
use pelton_core::manifest::keys;

/// Where a new project has it, for the first line of its manifest.
pub(crate) const FILE: &str = ".pelton/pelton.schema.json";

/// The schema, by JSON Schema's draft 7, which is what editors of TOML understand.
pub(crate) fn schema() -> Value {
    let mut top = tables();
    let profile = object(&keys::TOP[..keys::TOP.len() - 1], top.clone(), &[]);
    let about = "Settings that replace the others where `--profile NAME` asks for them.";
    top.insert(
        "profile".into(),
        json!({
            "description": about, "type": "object", "additionalProperties": profile,
        }),
    );
    let mut schema = object(&keys::TOP, top, &["function"]);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("pelton.toml");
    schema["description"] =
        json!("What belongs to a deployment of a Pelton function beside its code.");
    schema
}

fn tables() -> Map<String, Value> {
    let function =
        object(&["name"], entries([("name", text("The function, by its name."))]), &["name"]);
    let config = json!({
        "description": "Configuration entries that the function may read.",
        "type": "object",
        "maxProperties": keys::CONFIG_ENTRIES_MAX,
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    });
    let names = json!({
        "description": "Each is read from PELTON_SECRET_<NAME> where the server runs.",
        "type": "array", "items": { "type": "string" },
    });
    entries([
        ("function", function),
        ("build", build()),
        ("input", list("A topic that the function reads.", input())),
        ("output", list("Where an output that the function declares goes.", output())),
        ("store", list("A store that the function is expected to keep.", stored())),
        ("window", window()),
        ("config", config),
        ("secrets", object(&["names"], entries([("names", names)]), &[])),
        ("limits", limits()),
        ("delivery", delivery()),
    ])
}

fn build() -> Value {
    let keys = entries([
        ("command", text("A shell command that builds the function; without it, Cargo does.")),
        ("file", text("The .wasm that the command makes.")),
    ]);
    object(&keys::BUILD, keys, &[])
}

fn input() -> Value {
    let keys = entries([
        ("topic", text("The topic.")),
        ("name", text("What the function calls it; else the topic's name.")),
        ("out_of_orderness", duration("How far behind the newest a record may be and be on time.")),
        ("idle_timeout", duration("After how long without a record it is not waited for.")),
        ("start", words("Where a new function starts.", &["earliest", "latest"])),
        ("partitions", number("Where the topic has to be created.", 1, keys::PARTITIONS_MAX)),
    ]);
    object(&keys::INPUT, keys, &["topic"])
}

fn output() -> Value {
    let keys = entries([
        ("name", text("The name that the function declares.")),
        ("topic", text("The topic.")),
        ("partitions", number("Where the topic has to be created.", 1, keys::PARTITIONS_MAX)),
    ]);
    object(&keys::OUTPUT, keys, &["name", "topic"])
}

fn stored() -> Value {
    let keys = entries([
        ("name", text("The name that the function declares.")),
        ("kind", words("How it may be read.", &["kv", "ordered"])),
        ("schema", number("The version of its values.", 0, u32::MAX)),
    ]);
    object(&keys::STORE, keys, &["name"])
}

fn window() -> Value {
    let keys = entries([
        ("size", duration("Length of a window.")),
        ("gap", duration("Sessions: the longest time without a record within one.")),
        ("count", number("Windows of so many records of a key.", 1, u32::MAX)),
        ("global", truth("One window that holds all records of a key.")),
        ("early_records", number("A window fires early after so many records.", 1, u32::MAX)),
        ("discard", truth("A window that has fired begins anew.")),
        ("advance", duration("Distance of window starts, where windows overlap.")),
        ("grace", duration("How long after its end a window takes late records.")),
        ("shape", words("What the function is called with.", &["contents", "incremental"])),
        ("late_output", text("The declared output that gets records which are later than that.")),
    ]);
    object(&keys::WINDOW, keys, &[])
}

fn delivery() -> Value {
    let poison = ["dead-letter", "halt", "skip"];
    let keys = entries([
        ("retries", number("Of a retryable failure; without it, for ever.", 0, keys::RETRIES_MAX)),
        ("on_poison", words("What happens to a record that cannot be done.", &poison)),
        ("dead_letter", text("The topic of dead letters; else FUNCTION.dead.")),
    ]);
    object(&keys::DELIVERY, keys, &[])
}

fn limits() -> Value {
    let mut keys = Map::new();
    let mut names = Vec::new();
    for limit in Limits::default().all() {
        let about = format!("{} Default: {} {}.", limit.about, limit.value, limit.unit);
        let number = json!({ "type": "integer", "minimum": 1, "maximum": limit.ceiling });
        let value = match limit.unit {
            "ms" | "bytes" => {
                json!({ "description": about, "anyOf": [number, { "type": "string" }] })
            }
            _ => json!({
                "description": about, "type": "integer", "minimum": 1, "maximum": limit.ceiling,
            }),
        };
        keys.insert(limit.name.to_owned(), value);
        names.push(limit.name);
    }
    object(&names, keys, &[])
}

fn entries<const N: usize>(keys: [(&str, Value); N]) -> Map<String, Value> {
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A table. Its keys have to be those that the manifest is read by.
fn object(keys: &[&str], properties: Map<String, Value>, required: &[&str]) -> Value {
    debug_assert!(
        keys.len() == properties.len() && keys.iter().all(|key| properties.contains_key(*key)),
        "{keys:?}"
    );
    let mut object = json!({
        "type": "object", "properties": properties, "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn list(about: &str, item: Value) -> Value {
    json!({ "description": about, "type": "array", "items": item })
}

fn text(about: &str) -> Value {
    json!({ "description": about, "type": "string" })
}

fn duration(about: &str) -> Value {
    let part = "[0-9]+\\s*(ms|s|m|h|d|w)";
    let pattern = format!("^\\s*(0|({part}\\s*)+)\\s*$");
    json!({ "description": about, "type": "string", "pattern": pattern, "examples": ["10s", "1h30m"] })
}

fn words(about: &str, words: &[&str]) -> Value {
    json!({ "description": about, "type": "string", "enum": words })
}

fn number(about: &str, least: u32, most: u32) -> Value {
    json!({ "description": about, "type": "integer", "minimum": least, "maximum": most })
}

fn truth(about: &str) -> Value {
    json!({ "description": about, "type": "boolean" })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pelton_core::Manifest;

    use super::*;

    /// Each key that the schema knows is one that the manifest knows. (That it knows all of them is
    /// asserted where it is made.)
    #[test]
    fn the_schema_has_the_keys_of_the_manifest() {
        let schema = schema();
        for (table, value) in schema["properties"].as_object().unwrap() {
            let keys = value["properties"].as_object();
            let keys = keys.or_else(|| value["items"]["properties"].as_object());
            let Some(keys) = keys else { continue };
            let head = if value["type"] == "array" {
                format!("[[{table}]]")
            } else {
                format!("[{table}]")
            };
            for key in keys.keys() {
                // A date is no key's type: known keys complain about it, unknown ones about themselves.
                let text = format!("{head}\n{key} = 2020-01-01\n");
                let error = Manifest::parse(&text, "f").unwrap_err().to_string();
                assert!(error.contains(key.as_str()), "{error}");
                assert!(!error.contains("unknown key"), "{error}");
            }
            let text = format!("{head}\nno-such-key = 1\n");
            assert!(Manifest::parse(&text, "f").unwrap_err().to_string().contains("unknown key"));
        }
        let limits = schema["properties"]["limits"]["properties"].as_object().unwrap();
        assert_eq!(limits.len(), Limits::default().all().count());
        let profile = &schema["properties"]["profile"]["additionalProperties"]["properties"];
        assert_eq!(profile["limits"], schema["properties"]["limits"]);
        assert!(profile.get("profile").is_none());
    }

    #[test]
    fn the_schema_in_docs_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pelton.schema.json");
        let text = format!("{:#}\n", schema());
        if std::env::var_os("PELTON_UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "docs/pelton.schema.json is not what the code says: write it with \
             `PELTON_UPDATE=1 cargo test --release --workspace --lib schema`"
        );
    }
}

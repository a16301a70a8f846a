//! The page `docs/manifest.md`, made of the schema.

use std::fmt::Write;

use serde_json::Value;

const HEAD: &str = "# The keys of pelton.toml

Made of the manifest's schema by a test. How they are used stands in [cli.md](cli.md#peltontoml); editors
complete them by [pelton.schema.json](pelton.schema.json). Durations are written `\"500ms\"`, `\"10s\"`,
`\"5m\"`, `\"1h30m\"`, `\"1d\"`; sizes `\"64MiB\"` or `\"500kB\"`.
";

pub(super) fn page(schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    for (name, table) in schema["properties"].as_object().unwrap() {
        let is_list = table["type"] == "array";
        let head = if is_list { format!("[[{name}]]") } else { format!("[{name}]") };
        let about = table["description"].as_str().unwrap();
        write!(page, "\n## `{head}`\n\n{about}\n").unwrap();
        let object = if is_list { &table["items"] } else { table };
        match object["properties"].as_object() {
            Some(keys) => {
                page +=
                    "\n| key | type | default | allowed | example | |\n|---|---|---|---|---|---|\n";
                for (key, value) in keys {
                    page += &row(key, value, &object["required"]);
                }
            }
            None if name == "profile" => {
                page += "\n`[profile.NAME.TABLE]` takes the keys of `[TABLE]`, for every table above.\n";
            }
            None if name == "functions" => {
                let most = &table["maxProperties"];
                write!(page, "\nAt most {most} functions.\n").unwrap();
            }
            None => {
                let most = &table["maxProperties"];
                write!(
                    page,
                    "\nAt most {most} entries of 4 KiB, by any name: `airport = \"JFK\"`.\n"
                )
                .unwrap();
            }
        }
    }
    page
}

fn row(key: &str, value: &Value, required: &Value) -> String {
    let required = required.as_array().is_some_and(|all| all.iter().any(|name| name == key));
    let default = match value.get("default") {
        _ if required => "required".to_owned(),
        Some(default) => format!("`{default}`"),
        None => String::new(),
    };
    let example = value["examples"].as_array().and_then(|all| all.first());
    let example = example.or_else(|| value["enum"].as_array()?.last());
    let example = example.or_else(|| value.get("default"));
    let example = example.map(|example| format!("`{key} = {example}`")).unwrap_or_default();
    let about = value["description"].as_str().unwrap_or_default().replace('|', "\\|");
    let (kind, allowed) = (kind(value), allowed(value));
    format!("| `{key}` | {kind} | {default} | {allowed} | {example} | {about} |\n")
}

fn kind(value: &Value) -> &str {
    match (value["type"].as_str(), value.get("pattern"), value.get("anyOf")) {
        (Some("string"), Some(_), _) => "duration",
        (Some("string"), ..) => "text",
        (Some("integer"), ..) => "whole number",
        (Some("number"), ..) => "number",
        (Some("boolean"), ..) => "true or false",
        (Some("array"), ..) => "list of texts",
        (_, _, Some(_)) => "whole number or text with a unit",
        _ => panic!("{value} is of no known type"),
    }
}

fn allowed(value: &Value) -> String {
    if let Some(words) = value["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    let number = if value["anyOf"].is_array() { &value["anyOf"][0] } else { value };
    match (number.get("minimum"), number.get("maximum")) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => String::new(),
    }
}

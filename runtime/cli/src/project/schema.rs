//! The JSON schema of the manifest, for editors: completion, descriptions and marks while typing.

use serde_json::{Map, Value, json};

use pelton_core::Limits;
use pelton_core::manifest::{duration_text, keys};

/// Where a new project has it, for the first line of its manifest.
pub(crate) const FILE: &str = ".pelton/pelton.schema.json";

/// The schema, by JSON Schema's draft 7, which is what editors of TOML understand: of one function, or
/// of a pipeline.
pub(crate) fn schema() -> Value {
    let known: Vec<&str> = (keys::TOP[..keys::TOP.len() - 1].iter())
        .chain(&keys::PIPELINE_TOP[..keys::PIPELINE_TOP.len() - 1])
        .copied()
        .collect();
    let mut top = tables();
    top.extend(pipeline_tables(&["input"]));
    // A profile may replace any part of a function's tables.
    let mut parts = tables();
    parts.extend(pipeline_tables(&[]));
    let profile = object(&known, parts, &[]);
    let about = "Settings that replace the others where `--profile NAME` asks for them.";
    top.insert(
        "profile".into(),
        json!({
            "description": about, "type": "object", "additionalProperties": profile,
        }),
    );
    let known: Vec<&str> = known.into_iter().chain(["profile"]).collect();
    let mut schema = object(&known, top, &[]);
    schema["oneOf"] =
        json!([{ "required": ["function"] }, { "required": ["pipeline", "functions"] }]);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("pelton.toml");
    schema["description"] = json!(
        "What belongs to a deployment of a Pelton function, or of a pipeline of several, beside the code."
    );
    schema
}

/// The tables of a pipeline; each of its functions must have those that are `required`.
fn pipeline_tables(required: &[&str]) -> Map<String, Value> {
    let name = text("The pipeline, by its name; `tenant/name` for another tenant than `default`.");
    let pipeline = entries([("name", example(name, json!("flights")))]);
    let internal = truth("Whether only the functions of this pipeline may read and write it.");
    let topic = entries([
        ("name", example(text("The topic."), json!("parsed"))),
        ("partitions", example(partitions(), json!(4))),
        ("internal", default(internal, json!(false))),
    ]);
    let topic = object(&keys::TOPIC, topic, &["name"]);
    let mut member = tables();
    member.remove("function");
    let path =
        text("The folder that it is built in; else the one of its name, else the manifest's.");
    member.insert("path".into(), path);
    let functions = json!({
        "description": "The functions of a pipeline, by name: each takes the tables of a function's \
                        manifest, such as `[[functions.parse.input]]`, and `path`, the folder that it is \
                        built in; else the folder of its name, else the manifest's.",
        "type": "object",
        "maxProperties": keys::FUNCTIONS_MAX,
        "additionalProperties": object(&keys::MEMBER, member, required),
    });
    let about_pipeline =
        "In place of `[function]`: several functions, deployed and versioned together.";
    entries([
        ("pipeline", about(about_pipeline, object(&keys::PIPELINE, pipeline, &["name"]))),
        ("topic", list("A topic that functions of a pipeline read or write.", topic)),
        ("functions", functions),
    ])
}

fn tables() -> Map<String, Value> {
    let name = text("The function, by its name; `tenant/name` for another tenant than `default`.");
    let function =
        object(&["name"], entries([("name", example(name, json!("hourly")))]), &["name"]);
    let config = json!({
        "description": "Configuration entries that the function may read.",
        "type": "object",
        "maxProperties": keys::CONFIG_ENTRIES_MAX,
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    });
    let names = json!({
        "description": "Each is read from PELTON_SECRET_<NAME> where the server runs.",
        "type": "array", "items": { "type": "string" }, "examples": [["api-key"]],
    });
    entries([
        ("function", about("Who the function is.", function)),
        ("build", about("How the code is built.", build())),
        ("input", list("A topic that the function reads.", input())),
        ("output", list("Where an output that the function declares goes.", output())),
        ("store", list("A store that the function is expected to keep.", stored())),
        (
            "window",
            about("What replaces parts of the window that the function declares.", window()),
        ),
        ("config", config),
        ("secrets", about("Secrets that the function may read.", secrets(names))),
        ("limits", about("Limits of the function; `pelton check` shows those in force.", limits())),
        (
            "delivery",
            about("When it commits, and what happens to records that it cannot do.", delivery()),
        ),
        ("canary", about("What `deploy --canary` does where its flags do not say it.", canary())),
    ])
}

fn secrets(names: Value) -> Value {
    object(&["names"], entries([("names", names)]), &[])
}

fn build() -> Value {
    let command = text("A shell command that builds the function; without it, Cargo does.");
    let file = text("The .wasm that the command makes, from the manifest's folder.");
    let keys = entries([
        ("command", example(command, json!("make"))),
        ("file", example(file, json!("out/hourly.wasm"))),
    ]);
    object(&keys::BUILD, keys, &[])
}

fn input() -> Value {
    let field = text(
        "Where a record says when it happened, in place of its timestamp: a JSON pointer into its \
         value, `header:NAME`, or `guest` where the function tells it.",
    );
    let format = text(
        "How that is written: `auto` (ms, or RFC 3339), `ms`, `s`, `rfc3339`, or a pattern such as \
         `%Y-%m-%d %H:%M`, UTC where it has no offset.",
    );
    let orderness = duration("How far behind the newest a record may be and be on time.");
    let broadcast = truth(
        "Whether each task reads all of its partitions: for a small table that each record may need, \
         whatever its key.",
    );
    let watermark = words(
        "How far time has come: what functions have written brings their watermarks with it \
         (`carried`), or it is judged by the records alone, as it is where `out_of_orderness` or \
         `event_time` is set.",
        &["carried", "records"],
    );
    let records = number("Most of its records in a call.", 1, keys::BATCH_RECORDS_MAX);
    let bytes = size(
        "About the most of its bytes in a call; a larger record comes alone.",
        keys::BATCH_BYTES_MAX,
    );
    let wait = at_most(duration("How long a record waits for others to come."), keys::WAIT_MS_MAX);
    let start = words("Where a function starts that has never read it.", &["earliest", "latest"]);
    let keys = entries([
        ("topic", example(text("The topic."), json!("departures"))),
        (
            "name",
            example(text("What the function calls it; else the topic's name."), json!("flights")),
        ),
        ("event_time", example(field, json!("/time"))),
        ("event_time_format", default(format, json!("auto"))),
        ("out_of_orderness", default(orderness, json!("0"))),
        ("watermark", default(watermark, json!("carried"))),
        (
            "idle_timeout",
            duration("After how long without a record it is not waited for; else 10s."),
        ),
        ("start", default(start, json!("earliest"))),
        ("partitions", default(partitions(), json!(1))),
        ("broadcast", default(broadcast, json!(false))),
        ("batch_records", example(records, json!(1_000))),
        ("batch_bytes", bytes),
        ("max_wait", default(wait, json!("0"))),
    ]);
    object(&keys::INPUT, keys, &["topic"])
}

fn partitions() -> Value {
    number("Where the topic has to be created.", 1, keys::PARTITIONS_MAX)
}

fn output() -> Value {
    let partitions = number(
        "Where the topic has to be created; else as many as the first input has.",
        1,
        keys::PARTITIONS_MAX,
    );
    let keys = entries([
        ("name", example(text("The name that the function declares."), json!("hours"))),
        ("topic", example(text("The topic."), json!("departures-by-hour"))),
        ("partitions", example(partitions, json!(4))),
    ]);
    object(&keys::OUTPUT, keys, &["name", "topic"])
}

fn stored() -> Value {
    let ttl =
        duration("How long a value stays that is written without a time to live; else for ever.");
    let schema = number("The version of its values; else any.", 0, u32::MAX);
    let keys = entries([
        ("name", example(text("The name that the function declares."), json!("counts"))),
        ("kind", words("How it may be read; else as declared.", &["kv", "ordered"])),
        ("schema", example(schema, json!(1))),
        ("ttl", example(at_least_1ms(at_most(ttl, keys::TTL_MS_MAX)), json!("7d"))),
    ]);
    object(&keys::STORE, keys, &["name"])
}

fn window() -> Value {
    let late = text("The declared output that gets records which are later than that.");
    let shape = words("What the function is called with.", &["contents", "incremental"]);
    let early =
        number("A window fires early, each time that so many records have come.", 1, u32::MAX);
    let keys = entries([
        ("size", at_least_1ms(duration("Length of a window."))),
        (
            "advance",
            at_least_1ms(duration(
                "Distance of window starts, where windows overlap; at most `size`.",
            )),
        ),
        (
            "sliding",
            at_least_1ms(duration("One window for each set of records within this length.")),
        ),
        ("gap", at_least_1ms(duration("Sessions: the longest time without a record within one."))),
        ("count", example(number("Windows of so many records of a key.", 1, u32::MAX), json!(100))),
        (
            "calendar",
            words(
                "The days, weeks, months or years of a time zone.",
                &["day", "week", "month", "year"],
            ),
        ),
        ("time_zone", example(text("With `calendar`: whose; else UTC."), json!("Europe/Berlin"))),
        ("global", example(truth("One window that holds all records of a key."), json!(true))),
        ("early_records", example(early, json!(1000))),
        (
            "early_every",
            at_least_1ms(duration("What has come fires early with each so much event time.")),
        ),
        (
            "early_delay",
            at_least_1ms(duration("What has come fires early after so long by the clock.")),
        ),
        ("discard", example(truth("Whether a window that has fired begins anew."), json!(true))),
        ("grace", duration("How long after its end a window takes late records.")),
        ("marker", example(text("The header of records that close windows."), json!("closes"))),
        ("shape", shape),
        ("late_output", example(late, json!("late"))),
    ]);
    object(&keys::WINDOW, keys, &[])
}

fn delivery() -> Value {
    let poison =
        words("What happens to a record that cannot be done.", &["dead-letter", "halt", "skip"]);
    let retries = number(
        "Of a failure that may pass, before it counts as one that does not; else 9.",
        0,
        keys::RETRIES_MAX,
    );
    let letters = text("The topic of dead letters; else FUNCTION.dead. Not one that is compacted.");
    let interval =
        duration("How long after a commit records wait for others before the next call.");
    let keys = entries([
        ("retries", example(retries, json!(5))),
        ("on_poison", default(poison, json!("dead-letter"))),
        ("dead_letter", example(letters, json!("hourly.broken"))),
        ("commit_interval", default(at_most(interval, keys::WAIT_MS_MAX), json!("0"))),
    ]);
    object(&keys::DELIVERY, keys, &[])
}

fn canary() -> Value {
    let (least, most) = keys::CANARY_PERCENT;
    let share = text(&format!("The share of the keys that it gets: {least}% to {most}%."));
    let (least, most) = keys::CANARY_RATIO;
    let ratio = json!({
        "description": "How many times the old version's CPU time for a record it may take, at the \
                        99th percentile.",
        "type": "number", "minimum": least, "maximum": most,
    });
    let time =
        at_most(duration("How long it is watched before it is promoted."), keys::CANARY_MS_MAX);
    let faults = number("Faults with which it is not yet rolled back.", 0, keys::CANARY_COUNT_MAX);
    let calls = number("Calls before its latency is judged.", 1, keys::CANARY_COUNT_MAX);
    let keys = entries([
        ("share", example(share, json!("10%"))),
        ("for", default(time, json!("10m"))),
        ("max_faults", default(faults, json!(0))),
        ("max_latency_ratio", default(ratio, json!(2))),
        ("min_calls", default(calls, json!(100))),
    ]);
    object(&keys::CANARY, keys, &[])
}

fn limits() -> Value {
    let mut keys = Map::new();
    let mut names = Vec::new();
    for limit in Limits::default().all() {
        let number = json!({ "type": "integer", "minimum": 1, "maximum": limit.ceiling });
        let mut value = match limit.unit {
            "ms" | "bytes" => json!({ "anyOf": [number, { "type": "string" }] }),
            _ => number,
        };
        let unit = limit.unit;
        value["description"] = json!(format!("{} In {unit}.", limit.about));
        keys.insert(limit.name.to_owned(), default(value, json!(limit.value)));
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

fn size(about: &str, most: u64) -> Value {
    let number = json!({ "type": "integer", "minimum": 1, "maximum": most });
    let about = format!("{about} At most {} MiB.", most >> 20);
    json!({ "description": about, "anyOf": [number, { "type": "string" }], "examples": ["1MiB"] })
}

fn at_most(mut value: Value, most_ms: i64) -> Value {
    let about = value["description"].as_str().unwrap_or_default();
    value["description"] = json!(format!("{about} At most {}.", duration_text(most_ms)));
    value
}

fn at_least_1ms(mut value: Value) -> Value {
    let about = value["description"].as_str().unwrap_or_default();
    value["description"] = json!(format!("{about} At least 1ms."));
    value
}

/// What is in force where the key is not there.
fn default(mut value: Value, default: Value) -> Value {
    value["default"] = default;
    value
}

fn example(mut value: Value, example: Value) -> Value {
    value["examples"] = json!([example]);
    value
}

fn about(about: &str, mut table: Value) -> Value {
    table["description"] = json!(about);
    table
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
mod tests;

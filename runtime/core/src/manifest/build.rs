//! From the tables of a file to what it describes.

use std::collections::HashSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::keys::{self, CONFIG_BYTES_MAX, CONFIG_ENTRIES_MAX, PARTITIONS_MAX, RETRIES_MAX};
use super::problem::{ManifestError, Problems};
use super::section::{Section, Value, integer};
use super::units::{parse_bytes, parse_duration_ms};
use super::{BatchLimits, Build, Delivery, Input, Manifest, ManifestFile, OnPoison, Output};
use super::{canary, pipeline, profile, store, window};
use crate::ids::{FunctionId, NAME_BYTES_MAX, NameError, TopicName};
use crate::limits::{Limit, Limits};
use crate::source::Start;
use crate::time::{EventTime, TimeField};

/// Reads the function or the pipeline that a file describes.
pub(super) fn file(
    text: &str,
    file: &str,
    profile: Option<&str>,
) -> Result<ManifestFile, ManifestError> {
    let mut problems = Problems::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        problems.add(at, "", format!("not TOML: {}", error.message().trim()));
    }
    // What could be read of a file that is not TOML would only be reported as missing.
    let read = match errors.is_empty() {
        true => profile::read(table.get_ref(), profile, &mut problems, |table, problems| {
            match pipeline::is_one(table) {
                true => pipeline::read(table, 0..text.len(), problems).map(ManifestFile::Pipeline),
                false => top(table, 0..text.len(), problems)
                    .map(|manifest| ManifestFile::Function(Box::new(manifest))),
            }
        }),
        false => None,
    };
    match (read, problems.into_error(file)) {
        (Some(read), None) => Ok(read),
        (_, Some(error)) => Err(error),
        (None, None) => unreachable!("what cannot be read has been reported"),
    }
}

fn top(table: &DeTable<'_>, span: Range<usize>, problems: &mut Problems<'_>) -> Option<Manifest> {
    let top = Section::new("", table, span, &keys::TOP, problems);
    let function = function(&top, problems);
    settings(&top, function, problems)
}

/// Everything that is said of a function.
pub(super) fn settings(
    top: &Section<'_>,
    function: Option<FunctionId>,
    problems: &mut Problems<'_>,
) -> Option<Manifest> {
    let build = build(top, problems);
    let inputs = inputs(top, problems);
    let outputs = outputs(top, problems);
    let stores = store::read(top, problems);
    let window = window::read(top, problems);
    let config = config(top, problems);
    let secrets = secrets(top, problems);
    let limits = limits(top, problems);
    let delivery = delivery(top, problems);
    let canary = canary::read(top, problems);
    let function = function?;
    Some(Manifest {
        function,
        build,
        inputs,
        outputs,
        stores,
        window,
        config,
        secrets,
        limits,
        delivery,
        canary,
    })
}

fn function(top: &Section<'_>, problems: &mut Problems<'_>) -> Option<FunctionId> {
    let Some(section) = top.table("function", &["name"], problems) else {
        if top.get("function").is_none() {
            let text = "is missing: write [function] and name = \"...\", or, for several functions, \
                        [pipeline] and name = \"...\"";
            problems.add(0, "function", text);
        }
        return None;
    };
    section.required("name", problems)?;
    section.parsed("name", |text| within_bounds(FunctionId::parse(text)), problems)
}

/// A function's name, with room for the suffix of its own topics, such as the dead letters.
pub(super) fn within_bounds(read: Result<FunctionId, NameError>) -> Result<FunctionId, String> {
    let longest = NAME_BYTES_MAX - 20;
    match read {
        Ok(id) if id.name().len() > longest => Err(format!("is longer than {longest} characters")),
        Ok(id) => Ok(id),
        Err(error) => Err(error.to_string()),
    }
}

fn build(top: &Section<'_>, problems: &mut Problems<'_>) -> Build {
    let Some(section) = top.table("build", &keys::BUILD, problems) else {
        return Build::default();
    };
    let command = section.text("command", problems).map(str::to_owned);
    let file = section.text("file", problems).map(str::to_owned);
    if command.is_some() && section.get("file").is_none() {
        section.wrong("command", "needs `file` beside it: the .wasm that it makes", problems);
    }
    Build { command, file }
}

fn inputs(top: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Input> {
    let mut names = HashSet::new();
    let mut inputs = Vec::new();
    for section in top.tables("input", &keys::INPUT, problems) {
        let topic = topic(&section, problems);
        let name = section.text("name", problems);
        let orderness = section.duration("out_of_orderness", problems);
        let event_time = event_time(&section, problems);
        let words = [("carried", true), ("records", false)];
        let carried = section.choice("watermark", &words, problems);
        if carried == Some(true) && event_time.is_some() {
            let text = "cannot be \"carried\" beside `event_time`: it is about the timestamps that \
                        the records came with";
            section.wrong("watermark", text, problems);
        }
        let idle_timeout_ms = section.duration("idle_timeout", problems);
        let words = [("earliest", Start::Earliest), ("latest", Start::Latest)];
        let start = section.choice("start", &words, problems);
        let partitions = section.number("partitions", 1..=PARTITIONS_MAX, problems);
        let broadcast = section.truth("broadcast", problems);
        let batch = batch_limits(&section, problems);
        let Some(topic) = topic else { continue };
        let mut input = Input::new(topic);
        input.name = name.map_or(input.name, str::to_owned);
        input.out_of_orderness_ms = orderness.unwrap_or(input.out_of_orderness_ms);
        // Who says how records are out of order, or when they happened, judges by the records.
        input.carried = carried.unwrap_or(orderness.is_none() && event_time.is_none());
        input.event_time = event_time;
        input.idle_timeout_ms = idle_timeout_ms;
        input.batch = batch;
        input.broadcast = broadcast.unwrap_or(false);
        input.start = start.unwrap_or(input.start);
        input.partitions = partitions.unwrap_or(input.partitions);
        let is_new = names.insert(input.name.clone());
        if inputs.iter().any(|other: &Input| other.topic == input.topic) {
            let text =
                format!("{} is an input already: a function reads a topic once", input.topic);
            section.wrong("topic", text, problems);
        } else if !is_new {
            let key = if name.is_some() { "name" } else { "topic" };
            let text = format!("another input is called {:?} already: set `name`", input.name);
            section.wrong(key, text, problems);
        }
        inputs.push(input);
    }
    inputs
}

fn event_time(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<EventTime> {
    let field = section.parsed("event_time", str::parse, problems);
    let format = section.parsed("event_time_format", str::parse, problems);
    if format.is_some() && section.get("event_time").is_none() {
        let text = "needs `event_time` beside it: the field that is written so";
        section.wrong("event_time_format", text, problems);
    }
    if format.is_some() && field == Some(TimeField::Guest) {
        let text = "is how a field is written; where the function tells the time there is none";
        section.wrong("event_time_format", text, problems);
    }
    Some(EventTime { field: field?, format: format.unwrap_or_default() })
}

fn batch_limits(section: &Section<'_>, problems: &mut Problems<'_>) -> BatchLimits {
    let max_wait = section.duration_within("max_wait", 0..=keys::WAIT_MS_MAX, problems);
    BatchLimits {
        records: section.number("batch_records", 1..=keys::BATCH_RECORDS_MAX, problems),
        bytes: section.bytes_within("batch_bytes", 1..=keys::BATCH_BYTES_MAX, problems),
        max_wait_ms: max_wait.unwrap_or(0),
    }
}

fn outputs(top: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Output> {
    let mut names = HashSet::new();
    let mut outputs = Vec::new();
    for section in top.tables("output", &keys::OUTPUT, problems) {
        let topic = topic(&section, problems);
        let name = section.required("name", problems);
        let partitions = section.number("partitions", 1..=PARTITIONS_MAX, problems);
        let (Some(topic), Some(name)) = (topic, name) else {
            continue;
        };
        if !names.insert(name) {
            section.wrong("name", format!("output {name:?} stands here twice"), problems);
        }
        outputs.push(Output { name: name.to_owned(), topic, partitions });
    }
    outputs
}

fn topic(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<TopicName> {
    section.required("topic", problems)?;
    section.parsed("topic", TopicName::parse, problems)
}

fn config(
    top: &Section<'_>,
    problems: &mut Problems<'_>,
) -> std::collections::BTreeMap<String, String> {
    let mut config = std::collections::BTreeMap::new();
    let Some(value) = top.get("config") else {
        return config;
    };
    let Some(table) = value.get_ref().as_table() else {
        top.wrong("config", "must be a table: write [config]", problems);
        return config;
    };
    let names: Vec<&str> = table.keys().map(|key| key.get_ref().as_ref()).collect();
    let section = Section::new("config", table, value.span(), &names, problems);
    if names.len() > CONFIG_ENTRIES_MAX {
        let text = format!("has {} entries; at most {CONFIG_ENTRIES_MAX}", names.len());
        top.wrong("config", text, problems);
    }
    for (name, value) in section.entries() {
        let Some(text) = plain_text(value.get_ref()) else {
            section.wrong(name, "must be a text, a number, true or false", problems);
            continue;
        };
        if name.len() + text.len() > CONFIG_BYTES_MAX {
            let text = format!("is longer than {CONFIG_BYTES_MAX} bytes");
            section.wrong(name, text, problems);
        }
        config.insert(name.to_owned(), text);
    }
    config
}

fn plain_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(_) => integer(value).map(|number| number.to_string()),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn secrets(top: &Section<'_>, problems: &mut Problems<'_>) -> Vec<String> {
    let Some(section) = top.table("secrets", &["names"], problems) else {
        return Vec::new();
    };
    let Some(value) = section.get("names") else {
        return Vec::new();
    };
    let names: Option<Vec<String>> = value.get_ref().as_array().and_then(|array| {
        array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
    });
    if names.is_none() {
        section.wrong("names", "must be a list of names: names = [\"api-key\"]", problems);
    }
    names.unwrap_or_default()
}

fn limits(top: &Section<'_>, problems: &mut Problems<'_>) -> Limits {
    let mut limits = Limits::default();
    let known: Vec<Limit> = limits.all().copied().collect();
    let names: Vec<&str> = known.iter().map(|limit| limit.name).collect();
    let Some(section) = top.table("limits", &names, problems) else {
        return limits;
    };
    for limit in known {
        let Some(value) = section.get(limit.name) else {
            continue;
        };
        let set = amount(value, limit.unit)
            .and_then(|amount| limits.set(limit.name, amount).map_err(|error| error.to_string()));
        if let Err(text) = set {
            section.wrong(limit.name, text, problems);
        }
    }
    limits
}

/// A whole number, or a text with a unit where the limit has one.
fn amount(value: &Value<'_>, unit: &str) -> Result<u64, String> {
    if let Some(number) = integer(value.get_ref()) {
        return u64::try_from(number).map_err(|_| format!("{number} is below 1"));
    }
    match (value.get_ref().as_str(), unit) {
        (Some(text), "ms") => parse_duration_ms(text).map(i64::unsigned_abs),
        (Some(text), "bytes") => parse_bytes(text),
        _ => Err(format!("must be a whole number of {unit}")),
    }
}

fn delivery(top: &Section<'_>, problems: &mut Problems<'_>) -> Delivery {
    let Some(section) = top.table("delivery", &keys::DELIVERY, problems) else {
        return Delivery::default();
    };
    let words =
        [("dead-letter", OnPoison::DeadLetter), ("halt", OnPoison::Halt), ("skip", OnPoison::Skip)];
    let on_poison = section.choice("on_poison", &words, problems).unwrap_or_default();
    let dead_letter = section.parsed("dead_letter", TopicName::parse, problems);
    if dead_letter.is_some() && on_poison != OnPoison::DeadLetter {
        section.wrong("dead_letter", "has no use unless on_poison = \"dead-letter\"", problems);
    }
    let retries = section.number("retries", 0..=RETRIES_MAX, problems);
    let interval = section.duration_within("commit_interval", 0..=keys::WAIT_MS_MAX, problems);
    Delivery { retries, on_poison, dead_letter, commit_interval_ms: interval.unwrap_or(0) }
}

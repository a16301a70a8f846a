//! `pelton topic`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pelton_core::manifest::{parse_bytes, parse_duration_ms};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use crate::client::ServerArgs;
use crate::confirm::confirm;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// How long the server may read a topic that is to be compacted.
const READING_TIME: Duration = Duration::from_secs(600);

/// Topics of a server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton topic create flights --partitions 4 --retention 7d
  pelton topic create carriers --compacted
  pelton topic ls
  pelton topic describe flights
  pelton topic set flights --retention 30d
  pelton topic rm flights")]
pub(crate) struct Topic {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create a topic
    Create(Create),
    /// List all topics
    Ls(Server),
    /// Show a topic's partitions and settings
    Describe(Named),
    /// Change what a topic keeps
    Set(Set),
    /// Delete a topic with its records
    Rm(Remove),
}

#[derive(Debug, Args)]
struct Server {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Named {
    /// The topic
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Delete a topic with its records
///
/// It asks first. A topic that a function uses is not deleted.
#[derive(Debug, Args)]
struct Remove {
    /// The topic
    name: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Create {
    /// The topic
    name: String,
    /// Number of partitions, fixed for good
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    partitions: u32,
    /// How long records are kept at least, such as 7d; else for ever
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_ms)]
    retention: Option<i64>,
    /// Bytes of a partition that are kept at least, such as 10GiB; else all
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    retention_bytes: Option<u64>,
    #[command(flatten)]
    cleanup: CleanupArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A topic becomes compacted where all of its records have keys, while no function that writes to it
runs: pause it, change the topic, resume it.

Examples:
  pelton topic set flights --retention 30d
  pelton topic set flights --retention none --retention-bytes 10GiB
  pelton topic set carriers --compacted
  pelton topic set carriers --compacted --delete --retention 30d")]
struct Set {
    /// The topic
    name: String,
    /// How long records are kept at least, such as 7d; `none`: for ever
    #[arg(long, value_name = "DURATION", value_parser = duration_or_none)]
    retention: Option<OrNone<u64>>,
    /// Bytes of a partition that are kept at least, such as 10GiB; `none`: all
    #[arg(long, value_name = "SIZE", value_parser = size_or_none)]
    retention_bytes: Option<OrNone<u64>>,
    #[command(flatten)]
    cleanup: CleanupArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct CleanupArgs {
    /// Keep the latest record of each key; every record needs a key
    #[arg(long)]
    compacted: bool,
    /// Remove by retention; beside --compacted both
    #[arg(long)]
    delete: bool,
}

impl CleanupArgs {
    /// The policy as the server calls it, where one is asked for.
    fn policy(&self) -> Option<&'static str> {
        match (self.compacted, self.delete) {
            (true, true) => Some("compact-and-delete"),
            (true, false) => Some("compact"),
            (false, true) => Some("delete"),
            (false, false) => None,
        }
    }
}

/// A limit, or none of it.
#[derive(Debug, Clone, Copy)]
struct OrNone<T>(Option<T>);

fn duration_or_none(text: &str) -> std::result::Result<OrNone<u64>, String> {
    match text {
        "none" => Ok(OrNone(None)),
        _ => Ok(OrNone(Some(parse_duration_ms(text)?.unsigned_abs()))),
    }
}

fn size_or_none(text: &str) -> std::result::Result<OrNone<u64>, String> {
    match text {
        "none" => Ok(OrNone(None)),
        _ => Ok(OrNone(Some(parse_bytes(text)?))),
    }
}

/// A topic as the server tells it.
#[derive(Debug, Serialize, Deserialize)]
struct Info {
    name: String,
    tenant: String,
    retention_ms: Option<u64>,
    retention_bytes: Option<u64>,
    cleanup: String,
    bytes: u64,
    cleaned: Option<Cleaned>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Cleaned {
    time_ms: i64,
    released: u64,
    compacted: u64,
    rewritten_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Partition {
    partition: u32,
    start: u64,
    end: u64,
    durable: u64,
    records: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct List {
    topics: Vec<Info>,
}

impl Info {
    fn records(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.records).sum()
    }

    fn kept(&self) -> String {
        let latest = "the latest of each key";
        match self.cleanup.as_str() {
            "compact" => latest.into(),
            "compact-and-delete" => format!("{latest}, {}", self.kept_by_retention()),
            _ => self.kept_by_retention(),
        }
    }

    fn has_idle_retention(&self) -> bool {
        self.cleanup == "compact" && (self.retention_ms.is_some() || self.retention_bytes.is_some())
    }

    fn kept_by_retention(&self) -> String {
        let time = self.retention_ms.and_then(|ms| i64::try_from(ms).ok()).map(text::duration_ms);
        let bytes = self.retention_bytes.map(|bytes| format!("{} a partition", text::bytes(bytes)));
        let parts: Vec<_> = time.into_iter().chain(bytes).collect();
        if parts.is_empty() { "everything".into() } else { parts.join(", ") }
    }
}

impl Topic {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Create(create) => create.run(ui)?,
            What::Ls(Server { server }) => {
                let list: List = server.client()?.get(&["topics"])?;
                show_list(&list.topics, ui)?;
            }
            What::Describe(Named { name, server }) => {
                show(&server.client()?.get(&["topics", &name])?, ui)?;
            }
            What::Set(set) => set.run(ui)?,
            What::Rm(remove) => remove.run(ui)?,
        }
        Ok(Exit::Ok)
    }
}

impl Remove {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let Self { name, yes, server } = self;
        let client = server.client()?;
        if !yes {
            let topic: Info = client.get(&["topics", &name])?;
            let records = text::count(topic.records(), "record");
            let bytes = text::bytes(topic.bytes);
            confirm(&format!("deleting the topic {name}: {records} go, {bytes}"), ui)?;
        }
        client.bytes(client.call(Method::DELETE, &["topics", &name]))?;
        if ui.is_json() {
            return ui.json(&json!({ "topic": name }));
        }
        ui.note(format!("deleted the topic {name}"));
        Ok(())
    }
}

impl Create {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let body = json!({
            "name": self.name,
            "partitions": self.partitions,
            "retention_ms": self.retention,
            "retention_bytes": self.retention_bytes,
            "cleanup": self.cleanup.policy().unwrap_or("delete"),
        });
        let info: Info = self.server.client()?.post(&["topics"], &body, Duration::ZERO)?;
        if ui.is_json() {
            return ui.json(&info);
        }
        let partitions = text::count(info.partitions.len() as u64, "partition");
        ui.note(format!("created the topic {} with {partitions}", info.name));
        warn_of_idle_retention(&info, ui);
        Ok(())
    }
}

impl Set {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let limits = [("retention_ms", self.retention), ("retention_bytes", self.retention_bytes)];
        let limits = limits.into_iter().filter_map(|(name, limit)| Some((name, json!(limit?.0))));
        let cleanup = self.cleanup.policy().map(|policy| ("cleanup", json!(policy)));
        let change: serde_json::Map<_, _> =
            limits.chain(cleanup).map(|(name, value)| (name.to_owned(), value)).collect();
        if change.is_empty() {
            let text = "nothing is to be changed".to_owned();
            let next = "name a limit or a policy, such as --retention 30d or --compacted";
            return Err(CliError::new("E-USAGE", Exit::Usage, text).next(next));
        }
        let client = self.server.client()?;
        let body = serde_json::to_vec(&change).unwrap_or_default();
        let call = client.call(Method::PATCH, &["topics", &self.name]);
        let info: Info = client.json(call.body("application/json", &body).wait(READING_TIME))?;
        if ui.is_json() {
            return ui.json(&info);
        }
        ui.note(format!("{} keeps {}", info.name, info.kept()));
        warn_of_idle_retention(&info, ui);
        Ok(())
    }
}

fn warn_of_idle_retention(topic: &Info, ui: &mut Ui) {
    if topic.has_idle_retention() {
        let text = "retention counts only where records are also removed by it: add --delete";
        ui.warn(text);
    }
}

fn show_list(topics: &[Info], ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(&topics);
    }
    let mut table = Columns::new(&["topic", ">partitions", ">records", ">size", "kept"]);
    for topic in topics {
        table.row(&[
            topic.name.clone(),
            topic.partitions.len().to_string(),
            text::thousands(topic.records()),
            text::bytes(topic.bytes),
            topic.kept(),
        ]);
    }
    ui.line(table.to_string())?;
    if topics.is_empty() {
        ui.next("pelton topic create NAME makes one; so does the deployment of a function");
    }
    Ok(())
}

fn show(topic: &Info, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(topic);
    }
    ui.line(format!(
        "{}: {}, {}, kept: {}",
        topic.name,
        text::count(topic.records(), "record"),
        text::bytes(topic.bytes),
        topic.kept()
    ))?;
    if let Some(Cleaned { time_ms, released, compacted, rewritten_bytes }) = &topic.cleaned {
        ui.line(format!(
            "cleaned {}: {} by retention, {} by compaction, {} written again",
            text::time(*time_ms),
            text::count(*released, "record"),
            text::count(*compacted, "record"),
            text::bytes(*rewritten_bytes)
        ))?;
    }
    let mut table =
        Columns::new(&[">partition", ">oldest", ">next", ">durable", ">records", ">size"]);
    for partition in &topic.partitions {
        let Partition { partition, start, end, durable, records, bytes } = partition;
        let offsets = [start, end, durable].map(u64::to_string);
        let [start, end, durable] = offsets;
        let records = text::thousands(*records);
        table.row(&[partition.to_string(), start, end, durable, records, text::bytes(*bytes)]);
    }
    ui.line(table.to_string())
}

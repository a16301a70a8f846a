//! `pelton topic`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pelton_core::manifest::{parse_bytes, parse_duration_ms};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Topics of a server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton topic create flights --partitions 4 --retention 7d
  pelton topic ls
  pelton topic describe flights")]
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
    /// Delete a topic with its records
    Rm(Named),
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
    server: ServerArgs,
}

/// A topic as the server tells it.
#[derive(Debug, Serialize, Deserialize)]
struct Info {
    name: String,
    tenant: String,
    retention_ms: Option<u64>,
    retention_bytes: Option<u64>,
    bytes: u64,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Partition {
    partition: u32,
    start: u64,
    end: u64,
    durable: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct List {
    topics: Vec<Info>,
}

impl Info {
    /// Offsets from the oldest to the newest: after compaction some of them have no record.
    fn records(&self) -> u64 {
        self.partitions.iter().map(|p| p.end.saturating_sub(p.start)).sum()
    }

    fn kept(&self) -> String {
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
            What::Rm(Named { name, server }) => {
                let client = server.client()?;
                client.bytes(client.call(Method::DELETE, &["topics", &name]))?;
                ui.note(format!("deleted the topic {name}"));
            }
        }
        Ok(Exit::Ok)
    }
}

impl Create {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let body = json!({
            "name": self.name,
            "partitions": self.partitions,
            "retention_ms": self.retention,
            "retention_bytes": self.retention_bytes,
        });
        let info: Info = self.server.client()?.post(&["topics"], &body, Duration::ZERO)?;
        if ui.is_json() {
            return ui.json(&info);
        }
        let partitions = text::count(info.partitions.len() as u64, "partition");
        ui.note(format!("created the topic {} with {partitions}", info.name));
        Ok(())
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
    ui.line(table.to_string())
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
    let mut table = Columns::new(&[">partition", ">oldest", ">next", ">durable", ">size"]);
    for partition in &topic.partitions {
        let Partition { partition, start, end, durable, bytes } = partition;
        let offsets = [start, end, durable].map(u64::to_string);
        let [start, end, durable] = offsets;
        table.row(&[partition.to_string(), start, end, durable, text::bytes(*bytes)]);
    }
    ui.line(table.to_string())
}

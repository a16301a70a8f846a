//! `pelton group`.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use crate::client::ServerArgs;
use crate::confirm::confirm;
use crate::error::Result;
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Consumer groups: how far those have read that `pelton consume --group` reads for
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton group ls
  pelton group describe dashboard
  pelton group rm dashboard")]
pub(crate) struct Group {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List all groups
    Ls(All),
    /// Show a group's position in each partition
    Describe(Named),
    /// Forget a group's positions
    Rm(Remove),
}

#[derive(Debug, Args)]
struct All {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Named {
    /// The group
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Forget a group's positions
///
/// Who reads for it next begins as a group that is new.
#[derive(Debug, Args)]
struct Remove {
    /// The group
    name: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize, Deserialize)]
struct List {
    groups: Vec<Summary>,
}

#[derive(Serialize, Deserialize)]
struct Summary {
    name: String,
    topics: Vec<String>,
    lag: u64,
}

#[derive(Serialize, Deserialize)]
struct Info {
    name: String,
    tenant: String,
    lag: u64,
    topics: Vec<Topic>,
}

#[derive(Serialize, Deserialize)]
struct Topic {
    topic: String,
    committed_ms: i64,
    lag: u64,
    positions: Vec<Position>,
}

#[derive(Serialize, Deserialize)]
struct Position {
    partition: u32,
    offset: u64,
    end: u64,
    lag: u64,
}

impl Group {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Ls(all) => list(&all.server.client()?.get(&["groups"])?, ui)?,
            What::Describe(Named { name, server }) => {
                show(&server.client()?.get(&["groups", &name])?, ui)?;
            }
            What::Rm(remove) => remove.run(ui)?,
        }
        Ok(Exit::Ok)
    }
}

fn list(List { groups }: &List, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(groups);
    }
    let mut table = Columns::new(&["group", ">lag", "reads"]);
    for Summary { name, topics, lag } in groups {
        let topics: Vec<_> = topics.iter().map(|topic| text::short(topic)).collect();
        table.row(&[name.clone(), text::thousands(*lag), topics.join(", ")]);
    }
    ui.line(table.to_string())?;
    if groups.is_empty() {
        ui.next("pelton consume TOPIC --group NAME makes one");
    }
    Ok(())
}

fn show(group: &Info, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(group);
    }
    ui.line(format!("{}: {} behind", group.name, text::count(group.lag, "record")))?;
    let mut table =
        Columns::new(&["topic", ">partition", ">reads next", ">end", ">lag", "committed"]);
    for topic in &group.topics {
        for Position { partition, offset, end, lag } in &topic.positions {
            table.row(&[
                text::short(&topic.topic),
                partition.to_string(),
                offset.to_string(),
                end.to_string(),
                text::thousands(*lag),
                text::time(topic.committed_ms),
            ]);
        }
    }
    ui.line(table.to_string())
}

impl Remove {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        if !self.yes {
            let group: Info = client.get(&["groups", &self.name])?;
            let topics = text::count(group.topics.len() as u64, "topic");
            confirm(&format!("removing group {}, with its positions in {topics}", self.name), ui)?;
        }
        client.bytes(client.call(Method::DELETE, &["groups", &self.name]))?;
        if ui.is_json() {
            return ui.json(&json!({ "group": self.name }));
        }
        ui.note(format!("removed group {}", self.name));
        Ok(())
    }
}

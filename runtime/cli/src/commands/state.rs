//! `pelton state`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use crate::client::ServerArgs;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::shown;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Look into the state of a function of a server
///
/// Only what survives a power cut is shown. Values are decoded where they are MessagePack, as SDKs write
/// it, JSON or text; others are shown in hexadecimal.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton state ls hello stats --prefix kit
  pelton state get hello stats kitchen")]
pub(crate) struct State {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List entries of a store, by key
    Ls(List),
    /// Show one key of a store
    Get(Get),
}

#[derive(Debug, Args)]
struct List {
    /// The function
    name: String,
    /// The store
    store: String,
    /// What keys start with
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Entries at most
    #[arg(short, long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    max: u64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Get {
    /// The function
    name: String,
    /// The store
    store: String,
    /// The key
    key: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bytes {
    Text(String),
    Base64(String),
}

impl Bytes {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Base64(text) => BASE64_STANDARD.decode(text).unwrap_or_default(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Entry {
    partition: u32,
    key: Bytes,
    value: Bytes,
    schema: u32,
    expires_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

impl State {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Ls(list) => list.run(ui)?,
            What::Get(get) => get.run(ui)?,
        }
        Ok(Exit::Ok)
    }
}

impl List {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let call = client.call(Method::GET, &["functions", &self.name, "state", &self.store]);
        let call = call.query("prefix", &self.prefix).query("limit", self.max);
        let found: Entries = client.json(call)?;
        show(&found.entries, ui)?;
        if found.entries.len() as u64 == self.max {
            ui.note(format!("the first {}; --max and --prefix show others", self.max));
        }
        Ok(())
    }
}

impl Get {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let Self { name, store, key, server } = self;
        let client = server.client()?;
        let call = client.call(Method::GET, &["functions", &name, "state", &store, "entry"]);
        let found: Entries = client.json(call.query("key", &key))?;
        match (found.entries.as_slice(), ui.is_json()) {
            ([], _) => {
                let text = format!("{store} of {name} holds no key {key:?}");
                Err(CliError::new("E-KEY-NOT-FOUND", Exit::NotFound, text)
                    .next(format!("pelton state ls {name} {store} shows the first keys")))
            }
            ([one], false) => ui.line(shown::stored(Some(&one.value.bytes()))),
            (several, _) => show(several, ui),
        }
    }
}

fn show(entries: &[Entry], ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        let decoded = entries.iter().map(|entry| {
            let Entry { partition, key, value, schema, expires_ms } = entry;
            let decoded = shown::message_pack(&value.bytes());
            json!({
                "partition": partition, "key": key, "value": value, "decoded": decoded,
                "schema": schema, "expires_ms": expires_ms,
            })
        });
        return ui.json(&decoded.collect::<Vec<_>>());
    }
    let mut table = Columns::new(&["key", "value", ">partition", "expires"]);
    for entry in entries {
        table.row(&[
            shown::bytes(Some(&entry.key.bytes())),
            shown::stored(Some(&entry.value.bytes())),
            entry.partition.to_string(),
            entry.expires_ms.map_or_else(|| "-".into(), text::time),
        ]);
    }
    ui.line(table.to_string())
}

//! Calling a function where it is deployed, with one record.

use std::time::Duration;

use clap::Args;
use pelton_server::functions::{CapsuleFault, CapsuleLine, CapsuleOutcome, CapsuleOutput};
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::capsule::tell;
use super::state::Bytes;
use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::shown;
use crate::table::Columns;
use crate::text;
use crate::ui::{Ui, printable};

/// Copying the state takes its time, and other calls may come first.
const INVOKE_TIME: Duration = Duration::from_secs(600);

/// Which function of which server.
#[derive(Debug, Args)]
pub(super) struct DeployedArgs {
    /// The function of a server to call, in place of FILE
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "manifest", "config", "window",
        "advance", "gap", "grace", "late_output", "out_of_orderness",
        "event_time", "event_time_format", "reads"])]
    deployed: Option<String>,
    /// With --deployed: the version; else the active one
    #[arg(long, value_name = "VERSION", requires = "deployed", conflicts_with = "file")]
    version: Option<u64>,
    /// With --deployed: the input that the record comes from, where there are several
    #[arg(long, requires = "deployed", conflicts_with = "file")]
    topic: Option<String>,
    /// With --deployed: the partition, in place of that of the key
    #[arg(short, long, value_name = "N", requires = "deployed", conflicts_with = "file")]
    partition: Option<u32>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize, Deserialize)]
struct Change {
    kind: String,
    name: String,
    key: Option<Bytes>,
    value: Option<Bytes>,
    due_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Invoked {
    version: u64,
    partition: u32,
    faults: Vec<CapsuleFault>,
    outputs: Vec<CapsuleOutput>,
    records: u64,
    changes: Vec<Change>,
    logs: Vec<CapsuleLine>,
}

impl DeployedArgs {
    /// Calls it with the one record of `batch`.
    pub(super) fn invoke(&self, batch: &[u8], ui: &mut Ui) -> Result<Exit> {
        let name = self.deployed.as_deref().unwrap_or_default();
        let client = self.server.client()?;
        let call = client.call(Method::POST, &["functions", name, "invoke"]);
        let call = call.query_if("version", self.version).query_if("topic", self.topic.as_ref());
        let call = call.query_if("partition", self.partition);
        let call = call.body("application/x-pelton-batch", batch).wait(INVOKE_TIME);
        let invoked: Invoked = client.json(call)?;
        let exit = if invoked.faults.is_empty() { Exit::Ok } else { Exit::DeadLetters };
        match ui.is_json() {
            true => ui.json(&invoked)?,
            false => invoked.show(name, ui)?,
        }
        Ok(exit)
    }
}

impl Invoked {
    fn show(self, name: &str, ui: &mut Ui) -> Result<()> {
        let Self { version, partition, faults, outputs, records, changes, logs } = self;
        ui.note(format!("{name} version {version}, task {partition}; nothing is committed"));
        for line in &logs {
            ui.note(format!("  {} {}", line.level, printable(&line.message)));
        }
        if faults.is_empty() && outputs.is_empty() && changes.is_empty() {
            ui.note("It sends nothing and changes nothing.");
        }
        tell(&CapsuleOutcome { faults, outputs, records, ..CapsuleOutcome::default() }, ui)?;
        if changes.is_empty() {
            return Ok(());
        }
        let mut table = Columns::new(&["change", "of", "key", "value", "due"]);
        for Change { kind, name, key, value, due_ms } in changes {
            let stored = |value: Bytes| shown::stored(Some(&value.bytes()));
            table.row(&[
                kind,
                name,
                key.map_or_else(String::new, |key| shown::bytes(Some(&key.bytes()))),
                value.map_or_else(String::new, stored),
                due_ms.map_or_else(String::new, text::time),
            ]);
        }
        ui.line(table.to_string())
    }
}

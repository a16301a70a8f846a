//! `pelton rm`.

use clap::Args;
use pelton_server::functions::FunctionStatus;
use serde_json::json;
use ureq::http::Method;

use crate::client::ServerArgs;
use crate::confirm::confirm;
use crate::error::Result;
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// Remove a function from a server
///
/// Its versions go, and its positions and state too, unless they are kept for a function of this name
/// that is deployed later. Its topics stay. With --shadow only its shadow is dropped. It asks before
/// state goes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton rm hello
  pelton rm hello --keep-state
  pelton rm hello --yes
  pelton rm hello --shadow")]
pub(crate) struct Rm {
    /// The function
    name: String,
    /// Keep positions and state for a function of this name
    #[arg(long)]
    keep_state: bool,
    /// Drop its shadow only
    #[arg(long, conflicts_with = "keep_state")]
    shadow: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl Rm {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        if self.shadow {
            client.bytes(client.call(Method::DELETE, &["functions", &self.name, "shadow"]))?;
            if ui.is_json() {
                ui.json(&json!({ "function": self.name, "shadow": null }))?;
            }
            ui.note(format!("dropped the shadow of {}", self.name));
            return Ok(Exit::Ok);
        }
        if !self.yes && !self.keep_state {
            let status: FunctionStatus = client.get(&["functions", &self.name])?;
            confirm(&plan(&self.name, &status), ui)?;
        }
        let call = client.call(Method::DELETE, &["functions", &self.name]);
        client.bytes(call.query("keep_state", self.keep_state))?;
        if ui.is_json() {
            ui.json(&json!({ "function": self.name, "kept_state": self.keep_state }))?;
        }
        let state = if self.keep_state { "its state is kept" } else { "its state is gone" };
        ui.note(format!("removed {}; {state}, its topics stay", self.name));
        Ok(Exit::Ok)
    }
}

/// What would go.
fn plan(name: &str, status: &FunctionStatus) -> String {
    let stores = status.tasks.iter().flat_map(|task| &task.stores);
    let keys: u64 = stores.map(|store| store.entries).sum();
    let state = match status.tasks.is_empty() {
        true => "its state".to_owned(),
        false => format!("its state of {}", text::count(keys, "key")),
    };
    format!("removing {name}: its versions, its positions and {state} go, its topics stay")
}

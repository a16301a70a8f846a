//! `pelton version`.

use clap::Args;
use serde_json::json;

use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// Print versions
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let version = env!("CARGO_PKG_VERSION");
        let layout = pelton_batch::layout::VERSION;
        if ui.is_json() {
            ui.json(&json!({ "pelton": version, "batch_layout": layout }))?;
        } else {
            ui.line(format!("pelton {version} (batch layout {layout})"))?;
        }
        Ok(Exit::Ok)
    }
}

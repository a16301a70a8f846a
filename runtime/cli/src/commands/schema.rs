//! `pelton schema`.

use clap::Args;

use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// Print the JSON schema of pelton.toml, for editors
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton schema > pelton.schema.json    # then, as the first line of pelton.toml:
                                        # #:schema ./pelton.schema.json")]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let schema = crate::project::schema::schema();
        match ui.is_json() {
            true => ui.json(&schema)?,
            false => ui.line(format!("{schema:#}"))?,
        }
        Ok(Exit::Ok)
    }
}

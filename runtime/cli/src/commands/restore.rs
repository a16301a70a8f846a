//! `pelton restore`.

use std::path::PathBuf;

use clap::Args;
use pelton_server::backup::restore;

use crate::error::Result;
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// Restore a backup into a new data directory
///
/// Every byte of the backup is checked before anything is written. The two share nothing: the backup can
/// be restored again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton restore /var/backups/pelton-monday --data-dir pelton-data
  pelton up --data-dir pelton-data")]
pub(crate) struct Restore {
    /// The backup's folder
    #[arg(value_name = "SRC")]
    from: PathBuf,
    /// The data directory to make; a new one, or empty
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

impl Restore {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let report = restore(&self.from, &self.data_dir)?;
        if ui.is_json() {
            ui.json(&report)?;
            return Ok(Exit::Ok);
        }
        let contents = &report.contents;
        ui.line(format!(
            "{}: as of {}, commit {}, {}, {}, {}; {}, {}",
            report.directory,
            text::time(report.backup_time_ms),
            contents.commit,
            text::count(contents.topics.len() as u64, "topic"),
            text::count(contents.functions, "function"),
            text::count(contents.tokens, "token"),
            text::count(report.files, "file"),
            text::bytes(report.bytes),
        ))?;
        ui.next(format!("pelton up --data-dir {}", report.directory));
        Ok(Exit::Ok)
    }
}

//! `pelton backup`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use pelton_core::Clock as _;
use pelton_journal::{Config, Journal};
use pelton_server::SystemClock;
use pelton_server::backup::{BackupReport, backup};
use serde_json::json;
use ureq::http::Method;

use crate::client::{Call, ServerArgs};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// How long a server may take: all of a backup is read again and checked.
const PATIENCE: Duration = Duration::from_hours(24);

/// Make a backup of a server, or of a data directory, while everything goes on
///
/// The folder is one of the server's machine. On the data directory's own file system full segments are
/// linked, which takes no room and no time; elsewhere they are copied. Everything is in it: topics,
/// functions with their positions and state, groups, tokens. All of it is read again and checked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton backup /var/backups/pelton-monday
  pelton backup monday --data-dir pelton-data
  pelton restore /var/backups/pelton-monday --data-dir pelton-data")]
pub(crate) struct Backup {
    /// The folder to make it in; a new one, or empty
    #[arg(value_name = "DEST")]
    to: PathBuf,
    /// The data directory of a server that does not run
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

impl Backup {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let to = std::path::absolute(&self.to)
            .map_err(|error| CliError::file("find", &self.to, &error))?;
        let report = match &self.data_dir {
            Some(folder) => of_directory(folder, &to)?,
            None => {
                let body = json!({ "directory": to }).to_string();
                let call = Call::new(Method::POST, &["backup"]).wait(PATIENCE);
                let client = self.server.client()?;
                client.json(call.body("application/json", body.as_bytes()))?
            }
        };
        if ui.is_json() {
            ui.json(&report)?;
            return Ok(Exit::Ok);
        }
        let contents = &report.contents;
        ui.line(format!(
            "{}: commit {}, {}, {}, {}; {} checked",
            report.directory,
            contents.commit,
            text::count(contents.topics.len() as u64, "topic"),
            text::count(contents.functions, "function"),
            text::count(contents.tokens, "token"),
            text::bytes(report.bytes),
        ))?;
        ui.note(format!(
            "{} linked, {} copied ({})",
            text::count(report.files_linked.into(), "file"),
            report.files_copied,
            text::bytes(report.bytes_copied),
        ));
        ui.next(format!("pelton restore {} --data-dir DIR", report.directory));
        Ok(Exit::Ok)
    }
}

fn of_directory(folder: &Path, to: &Path) -> Result<BackupReport> {
    crate::data_dir::check_there(folder)?;
    let journal = Journal::open(folder, Config::default()).map_err(|e| CliError::coded(&e))?;
    let report = backup(&journal, folder, to, SystemClock.now_ms())?;
    journal.close().map_err(|error| CliError::coded(&error))?;
    Ok(report)
}

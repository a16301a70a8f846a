//! `pelton dev`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::client::ServerArgs;
use crate::dev::{Dev, Embedded, Project as Session, Subject};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::input::InputArgs;
use crate::project::pipeline::PipelineProject;
use crate::project::{Project, show, wasm_target};
use crate::ui::Ui;
use crate::up::{PORT, signals};

/// Where a project keeps what its server does, below its folder.
const DATA_DIR: &str = ".pelton/dev";

/// Develop a function: build, swap live and watch it with every save
///
/// Starts a server of its own, builds the project and deploys it, and does so again whenever a source
/// file is saved: the new version takes over between two calls, and state stays. A build that fails, or
/// a version that does at its first record, leaves the one before running. Everything that goes in and
/// comes out is shown, with what the function logs. Records are read from stdin as JSON lines.
///
/// Topics and state stay in .pelton/dev of the project until --fresh.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton dev
  pelton dev hello --input hello/sample.jsonl
  pelton dev --fresh
  pelton dev --server http://127.0.0.1:7070")]
pub(crate) struct DevCommand {
    /// The project's folder: a function's, or a pipeline's
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Begin with nothing: forget topics and state of earlier sessions
    #[arg(long, conflicts_with = "server")]
    fresh: bool,
    /// Where topics and state are kept; else .pelton/dev of the project
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    data_dir: Option<PathBuf>,
    /// Where its server listens; else 127.0.0.1:7070, or a free port where that one is taken
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server")]
    listen: Option<SocketAddr>,
    /// Use the server at this address instead of one of its own
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The token to call that server with
    #[arg(long, value_name = "TOKEN", env = "PELTON_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl DevCommand {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let projects = match PipelineProject::find(&folder, None)? {
            Some(pipeline) => pipeline.projects().collect(),
            None => vec![Project::open(&folder)?],
        };
        for Project { folder, manifest } in &projects {
            if manifest.inputs.is_empty() {
                let text = format!("{} reads no topic", manifest.function.name());
                return Err(CliError::bad_input("E-INPUT-NONE", text)
                    .next("add [[input]] with topic = \"...\" to pelton.toml"));
            }
            if manifest.build.command.is_none() && folder.join("Cargo.toml").is_file() {
                wasm_target::ensure(folder, ui)?;
            }
        }
        self.check_input()?;
        let signals = signals()?;
        let data_dir = self.data_dir.clone().unwrap_or_else(|| folder.join(DATA_DIR));
        let embedded = match self.server {
            Some(_) => None,
            None => {
                let fresh = self.fresh.then_some(&*folder);
                Some(Embedded::start(&data_dir, self.listen, fresh)?)
            }
        };
        let done = self.develop(&folder, &projects, embedded.as_ref(), &signals, ui);
        ui.note("ending");
        let ended = embedded.map_or(Ok(()), Embedded::end);
        done.and(ended).map(|()| Exit::Ok)
    }

    fn develop(
        &self,
        folder: &Path,
        projects: &[Project],
        embedded: Option<&Embedded>,
        signals: &std::sync::mpsc::Receiver<()>,
        ui: &mut Ui,
    ) -> Result<()> {
        let subject = Subject::read(folder)?;
        let address = match embedded {
            Some(embedded) => embedded.address(),
            None => self.server.clone().unwrap_or_default(),
        };
        // A server of its own asks for no token.
        let token = self.token.clone().filter(|_| embedded.is_none());
        let client = ServerArgs::of(address.clone(), token, subject.tenant()).client()?;
        announce(&address, embedded.map(|embedded| &*embedded.data_dir), ui)?;
        if embedded.is_some_and(|embedded| embedded.has_other_port) {
            ui.warn(format!(
                "port {PORT} is taken, so other commands need --server {address} to reach this one"
            ));
        }
        let mut results: Vec<_> = projects.iter().map(Project::wasm).collect();
        results.extend(embedded.map(|embedded| embedded.data_dir.clone()));
        let session =
            Session { folder: folder.to_owned(), subject, results, inputs: self.inputs() };
        let health = || embedded.map_or(Ok(()), Embedded::health);
        Dev::begin(session, client, ui)?.run(signals, health)
    }

    /// A file that was named must be there before anything is built.
    fn check_input(&self) -> Result<()> {
        match self.input.input.as_str() {
            "-" => Ok(()),
            path => match std::fs::metadata(path) {
                Ok(_) => Ok(()),
                Err(error) => Err(CliError::file("read", Path::new(path), &error)),
            },
        }
    }

    /// A file that was named, and stdin.
    fn inputs(&self) -> Vec<InputArgs> {
        if self.input.input == "-" {
            return vec![self.input.clone()];
        }
        let stdin = InputArgs {
            input: "-".to_owned(),
            input_format: None,
            key_column: None,
            time_column: None,
            ..self.input.clone()
        };
        vec![self.input.clone(), stdin]
    }
}

fn announce(address: &str, data_dir: Option<&Path>, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        let value = json!({ "event": "ready", "address": address, "data_dir": data_dir });
        return ui.line(value.to_string());
    }
    match data_dir {
        Some(folder) => ui.note(format!("server at {address}, data in {}", show(folder))),
        None => ui.note(format!("server at {address}")),
    }
    Ok(())
}

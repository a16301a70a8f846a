//! `pelton up`.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::Args;
use pelton_server::functions::Functions;
use pelton_server::http::{Claimed, Server, check_open};
use pelton_server::{Node, NodeConfig};
use serde_json::json;

use crate::data_dir;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::session::load_options;
use crate::ui::Ui;
use crate::up::{Settings, SettingsArgs, export, follow, prepared, signals};

/// How often it is looked at whether the journal still works.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Run a server: topics, functions and the HTTP API, in one data directory
///
/// Starts every function that was deployed before. SIGTERM and Ctrl-C let running requests and calls
/// finish and commit; a second one ends the process at once. On any address but a loopback one,
/// requests need a token: make one first with `pelton token create NAME --data-dir DIR`.
///
/// With --follow it is a replica of another server: it takes a copy of everything, then every commit,
/// and answers reads. `pelton replica promote` makes it lead.
///
/// Settings come from flags, else from the environment (PELTON_DATA_DIR, PELTON_LISTEN, ...), else from
/// the file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton up
  pelton up --data-dir /var/lib/pelton --listen 127.0.0.1:8080
  pelton up --follow http://10.0.0.1:7070 --data-dir replica --listen 127.0.0.1:7071
  pelton up --config server.toml")]
pub(crate) struct Up {
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Up {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let settings = Settings::read(&self.settings, |name| std::env::var(name).ok())?;
        let signals = signals()?;
        let http = settings.http();
        // What is refused leaves no data directory behind.
        data_dir::check(&settings.data_dir)?;
        let claimed = Claimed::take(http.address)?;
        if settings.follow.is_none() && data_dir::is_vacant(&settings.data_dir) {
            check_open(http.address, false)?;
        }
        prepared(&settings, ui)?;
        let mut config = NodeConfig::new(&settings.data_dir, load_options()?);
        settings.apply_to_node(&mut config);
        let node = Arc::new(Node::open(config)?);
        if ui.is_verbose() {
            node.telemetry().on_log(|line| {
                let level = format!("{:?}", line.level).to_lowercase();
                Ui::log(&format!("{} {level}: {}", line.task.function, line.message));
            });
        }
        let server = Server::on(claimed, Functions::new(Arc::clone(&node)), http)?;
        server.start_functions()?;
        follow(&settings, &server, ui)?;
        let exporter = export(&settings, &server)?;
        announce(&server, &settings.data_dir, ui)?;
        let ended = wait(&node, &server, &signals);
        ui.note("ending: running requests and calls finish; Ctrl-C again ends at once");
        if !server.shutdown() {
            ui.warn("some requests took too long and were cut off");
        }
        drop(exporter);
        ended?;
        node.sync()?;
        drop(node);
        ui.note("ended; everything is on disk");
        Ok(Exit::Ok)
    }
}

/// Tells where the server is: scripts read it.
fn announce(server: &Server, data_dir: &Path, ui: &mut Ui) -> Result<()> {
    let address = format!("http://{}", server.address());
    let folder = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    if ui.is_json() {
        let value = json!({ "address": address, "data_dir": folder, "pid": std::process::id() });
        return ui.line(value.to_string());
    }
    ui.line(format!("listening on {address}\ndata in {}", folder.display()))?;
    if server.replication().check_writable().is_ok() {
        ui.next("pelton deploy, in a project's folder; Ctrl-C ends the server");
    }
    Ok(())
}

/// Waits for a signal.
///
/// # Errors
/// `E-JOURNAL-POISONED` where the journal stops before; `E-REPLICA-*` where a replica cannot follow
/// any more.
fn wait(node: &Node, server: &Server, signals: &Receiver<()>) -> Result<()> {
    loop {
        match signals.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(()),
        }
        node.journal().health().map_err(|error| CliError::coded(&error))?;
        if let Some(failure) = server.replication().failure() {
            return Err(failure.into());
        }
    }
}

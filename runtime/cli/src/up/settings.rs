//! The settings of a server: defaults, a file, the environment and flags, each before the one
//! ahead of it. Everything that is wrong with any of them is told at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pelton_core::manifest::parse_duration_ms;
use pelton_server::http::HttpConfig;
use pelton_server::{NodeConfig, SyncMode};

use super::file;
use crate::client::base_of;
use crate::error::{CliError, Result};

/// Where a server listens, and where clients look for it.
pub(crate) const PORT: u16 = 7070;
/// Worker threads at most.
const WORKERS_MAX: usize = 1_024;
/// Connections at most.
const CONNECTIONS_MAX: usize = 65_536;
/// The longest time to end in.
const DRAIN_MS_MAX: i64 = 3_600_000;

/// Names of settings in a file. A flag has `-` for `_`, a variable is `PELTON_` and capitals.
pub(super) const KEYS: [&str; 9] = [
    "data_dir",
    "listen",
    "sync",
    "workers",
    "connections",
    "drain_timeout",
    "follow",
    "follow_token",
    "otlp_endpoint",
];

/// Settings as flags. They are read with the others, so that all errors come at once.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsArgs {
    /// Where everything is kept; else ./pelton-data
    #[arg(short, long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where to listen; port 0 takes a free one; else 127.0.0.1:7070
    #[arg(short, long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// When a commit counts as durable: group, each or none; else group
    #[arg(long, value_name = "MODE")]
    sync: Option<String>,
    /// Worker threads; else one for each core
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Connections at the same time; else 1000
    #[arg(long, value_name = "N")]
    connections: Option<String>,
    /// How long running requests may go on at the end; else 10s
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
    /// Follow the server at this address: a replica that takes no changes until it is promoted
    #[arg(long, value_name = "URL")]
    follow: Option<String>,
    /// The token to call that server with; better in PELTON_FOLLOW_TOKEN
    #[arg(long, value_name = "TOKEN")]
    follow_token: Option<String>,
    /// Send metrics to the OpenTelemetry collector at this address, by OTLP over HTTP, such as
    /// http://127.0.0.1:4318; else as OTEL_EXPORTER_OTLP_ENDPOINT says
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// A TOML file with these settings, such as listen = "127.0.0.1:7070"
    #[arg(short, long, value_name = "FILE", env = "PELTON_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

/// A setting as it was given, and where.
pub(super) struct Given {
    pub(super) key: &'static str,
    pub(super) place: String,
    pub(super) text: String,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    listen: SocketAddr,
    sync: SyncMode,
    workers: Option<usize>,
    connections: Option<usize>,
    drain: Option<Duration>,
    /// The server to follow.
    pub follow: Option<String>,
    /// Its token.
    pub follow_token: Option<String>,
    otlp_endpoint: Option<String>,
    /// How metrics are exported, where they are.
    pub otlp: Option<pelton_otel::Settings>,
}

impl Settings {
    fn defaults() -> Self {
        Self {
            data_dir: "pelton-data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], PORT)),
            sync: SyncMode::Group,
            workers: None,
            connections: None,
            drain: None,
            follow: None,
            follow_token: None,
            otlp_endpoint: None,
            otlp: None,
        }
    }

    /// Reads all that was given.
    ///
    /// # Errors
    /// `E-CONFIG` with everything that is wrong; `E-FILE-NOT-FOUND`.
    pub(crate) fn read(
        args: &SettingsArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let (mut given, mut problems) = match &args.config {
            None => (Vec::new(), Vec::new()),
            Some(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|error| CliError::file("read", path, &error))?;
                let (mut given, problems) = file::read(&text, &path.display().to_string());
                for given in given.iter_mut().filter(|given| given.key == "data_dir") {
                    given.text = file::beside(path, &given.text);
                }
                (given, problems)
            }
        };
        for key in KEYS {
            let name = format!("PELTON_{}", key.to_uppercase());
            let value = variable(&name).filter(|value| !value.is_empty());
            given.extend(value.map(|text| Given { key, place: name, text }));
        }
        for (key, flag) in KEYS.into_iter().zip(args.flags()) {
            let place = format!("--{}", key.replace('_', "-"));
            given.extend(flag.clone().map(|text| Given { key, place, text }));
        }
        let mut settings = Self::defaults();
        for Given { key, place, text } in given {
            if let Err(problem) = settings.set(key, &text) {
                problems.push(format!("{place}: {problem}"));
            }
        }
        match pelton_otel::Settings::read(settings.otlp_endpoint.as_deref(), &variable) {
            Ok(otlp) => settings.otlp = otlp,
            Err(more) => problems.extend(more),
        }
        if problems.is_empty() {
            return Ok(settings);
        }
        Err(CliError::bad_input("E-CONFIG", problems.join("\n"))
            .next("mend these; `pelton up --help` lists every setting as a flag"))
    }

    fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "data_dir" if text.is_empty() => return Err("name a folder".into()),
            "data_dir" => self.data_dir = text.into(),
            "listen" => self.listen = address(text)?,
            "sync" => self.sync = sync_mode(text)?,
            "workers" => self.workers = Some(number(text, WORKERS_MAX)?),
            "connections" => self.connections = Some(number(text, CONNECTIONS_MAX)?),
            "follow" => self.follow = Some(base_of(text).map_err(|error| error.text)?),
            "follow_token" => self.follow_token = Some(text.to_owned()),
            "otlp_endpoint" => self.otlp_endpoint = Some(text.to_owned()),
            _ => self.drain = Some(drain(text)?),
        }
        Ok(())
    }

    /// Changes what was set on how to run a node.
    pub(crate) fn apply_to_node(&self, node: &mut NodeConfig) {
        node.sync_mode = self.sync;
        node.workers = self.workers.unwrap_or(node.workers);
    }

    /// How to listen.
    pub(crate) fn http(&self) -> HttpConfig {
        let mut http = HttpConfig::new(self.listen);
        http.connections_max = self.connections.unwrap_or(http.connections_max);
        http.drain_timeout = self.drain.unwrap_or(http.drain_timeout);
        http
    }
}

impl SettingsArgs {
    /// In the order of [`KEYS`].
    fn flags(&self) -> [&Option<String>; 9] {
        let Self { data_dir, listen, sync, workers, connections, drain_timeout, .. } = self;
        let Self { follow, follow_token, otlp_endpoint, .. } = self;
        [
            data_dir,
            listen,
            sync,
            workers,
            connections,
            drain_timeout,
            follow,
            follow_token,
            otlp_endpoint,
        ]
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| {
        format!("{text:?} is no address to listen on: write ADDRESS:PORT, such as 127.0.0.1:{PORT}")
    })
}

fn sync_mode(text: &str) -> Result<SyncMode, String> {
    match text {
        "group" => Ok(SyncMode::Group),
        "each" => Ok(SyncMode::Each),
        "none" => Ok(SyncMode::None),
        _ => Err(format!("{text:?} is no way to sync: use group, each or none")),
    }
}

fn number(text: &str, max: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("{text:?} is not allowed: use a number from 1 to {max}"))
}

fn drain(text: &str) -> Result<Duration, String> {
    match parse_duration_ms(text)? {
        ms @ 0..=DRAIN_MS_MAX => Ok(Duration::from_millis(ms.unsigned_abs())),
        _ => Err(format!("{text:?} is too long: use at most 1h")),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

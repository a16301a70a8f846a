//! The demo's server, with its topics and functions, and what is asked of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use pelton_batch::RecordsBuilder;
use pelton_core::{TopicName, partition_for_key};
use pelton_server::functions::{DeployReport, FunctionState, FunctionStatus};
use serde::Serialize;
use serde_json::{Value, json};
use ureq::http::Method;

use super::data::Flight;
use super::functions::{
    CANCELLATIONS, DEPARTURES, FLIGHTS, FUNCTIONS, Function, HOURLY, PARTITIONS, STATISTICS,
    UNUSUAL_DAYS,
};
use super::results::Results;
use crate::client::{Client, ServerArgs};
use crate::clock::{Stopwatch, pause};
use crate::commands::deploy::COMPILE_TIME;
use crate::dev::Embedded;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::interrupt::TemporaryFolder;
use crate::session::read_topic;

/// A batch is cut at this many records.
const BATCH_RECORDS: usize = 1_000;
/// The error where a function of the demo does not go on.
const STOPPED: &str = "E-DEMO-STOPPED";
/// How often it is looked at how far a function is.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// How long a step took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Timing {
    /// What was done.
    pub step: String,
    /// Records that went in.
    pub records_in: u64,
    /// Records that came out.
    pub records_out: u64,
    /// Seconds until the last commit was durable; of a function, from its deployment on.
    pub seconds: f64,
}

/// Where a function stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Standing {
    /// The version that runs.
    pub version: u64,
    /// The offset that it reads next.
    pub offset: u64,
    /// Commits since it was started.
    pub commits: u64,
    /// Records that it has sent since.
    pub records_out: u64,
}

/// A server in this process, on loopback, with its data in a temporary folder.
pub(crate) struct Site {
    server: Embedded,
    client: Client,
    read: BTreeMap<&'static str, Vec<u64>>,
    /// Removed at the end. Behind the server, so that it is dropped last.
    _folder: TemporaryFolder,
}

impl Site {
    /// Starts it: at this port of loopback, else where `up` listens, else at a free one.
    pub(crate) fn start(port: Option<u16>) -> Result<Self> {
        let folder = TemporaryFolder::new()?;
        let address = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let server = Embedded::start(folder.path(), address, None)?;
        let client = ServerArgs::of(server.address(), None, "default").client()?;
        for (topic, partitions) in [(FLIGHTS, 1), (STATISTICS, PARTITIONS)] {
            let body = json!({ "name": topic, "partitions": partitions });
            client.post::<Value>(&["topics"], &body, Duration::ZERO)?;
        }
        Ok(Self { server, client, read: BTreeMap::new(), _folder: folder })
    }

    /// Where the console is.
    pub(crate) fn address(&self) -> String {
        self.server.address()
    }

    /// Appends flights, their times later by `shift_ms`.
    pub(crate) fn append<'a>(
        &self,
        flights: impl IntoIterator<Item = &'a Flight>,
        shift_ms: i64,
    ) -> Result<()> {
        let (topic, mut builder, mut value) = (topic(FLIGHTS)?, RecordsBuilder::new(), Vec::new());
        for flight in flights {
            value.clear();
            flight.write_json(shift_ms, &mut value);
            let key = flight.carrier.as_bytes();
            debug_assert_eq!(partition_for_key(key, 1), 0, "the topic has one partition");
            builder.push(Some(key), Some(&value), flight.event_ms() + shift_ms);
            if builder.len() >= BATCH_RECORDS {
                self.server.node().append(&topic, 0, &mut builder)?;
            }
        }
        self.server.node().append(&topic, 0, &mut builder)?;
        Ok(())
    }

    /// Waits until everything that was appended or committed is durable.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(self.server.node().sync()?)
    }

    /// Deploys a function, and waits until it has done the `records_in` records that it finds.
    pub(super) fn deploy(&self, function: &Function, records_in: u64) -> Result<Timing> {
        let upload = self.client.call(Method::PUT, &["artefacts"]);
        let upload = upload.body("application/wasm", function.wasm);
        let digest = self.client.json::<Value>(upload)?["digest"].take();
        let mut body = json!({ "manifest": function.manifest, "digest": digest, "dry_run": true });
        // Compiles it: what is timed is its work.
        self.client.post::<DeployReport>(&["functions"], &body, COMPILE_TIME)?;
        body["dry_run"] = false.into();
        let clock = Stopwatch::start();
        self.client.post::<DeployReport>(&["functions"], &body, COMPILE_TIME)?;
        let status = self.settled(function.name, records_in)?;
        let (step, records_out) = (function.name.to_owned(), status.records_out);
        Ok(Timing { step, records_in, records_out, seconds: clock.seconds() })
    }

    /// Waits until a function has done `records` since it was started, and its commits are durable.
    pub(super) fn settled(&self, name: &str, records: u64) -> Result<FunctionStatus> {
        loop {
            let status = self.status(name)?;
            if status.records_in >= records && status.lag == 0 {
                self.sync()?;
                return self.status(name);
            }
            pause(LOOK_EVERY);
        }
    }

    /// Where a function stands.
    pub(super) fn standing(&self, function: &Function) -> Result<Standing> {
        let status = self.status(function.name)?;
        let inputs = status.tasks.iter().flat_map(|task| &task.inputs);
        Ok(Standing {
            version: status.version,
            offset: inputs.map(|input| input.next).sum(),
            commits: status.commits,
            records_out: status.records_out,
        })
    }

    /// Fails where one of the functions has stopped, or the disk does not work. Whoever has paused
    /// or removed one by hand knows it.
    pub(super) fn check(&self) -> Result<()> {
        self.server.health()?;
        let stopped = FUNCTIONS.iter().map(|function| self.status(function.name));
        stopped
            .filter(|status| status.as_ref().is_err_and(|error| error.code == STOPPED))
            .try_for_each(|status| status.map(drop))
    }

    fn status(&self, name: &str) -> Result<FunctionStatus> {
        self.server.health()?;
        let status: FunctionStatus = self.client.get(&["functions", name])?;
        if status.state == FunctionState::Stopped {
            let why = status.error.as_deref().unwrap_or("for no known reason");
            let text = format!("{name} has stopped: {why}");
            return Err(CliError::new(STOPPED, Exit::Function, text)
                .next(format!("it is built in: please report this, with what `{name}` says")));
        }
        Ok(status)
    }

    /// Takes what the functions have sent since the last call into `results`.
    pub(crate) fn collect(&mut self, results: &mut Results) -> Result<()> {
        type Take = fn(&mut Results, &pelton_batch::Record<'_>) -> Result<(), String>;
        let topics: [(&'static str, Take); 5] = [
            (STATISTICS, Results::take_carrier),
            (UNUSUAL_DAYS, Results::take_anomaly),
            (HOURLY, Results::take_hour),
            (DEPARTURES, |results, _| {
                results.departed += 1;
                Ok(())
            }),
            (CANCELLATIONS, |results, _| {
                results.cancelled += 1;
                Ok(())
            }),
        ];
        for (name, take) in topics {
            let topic = topic(name)?;
            // A topic is made by the function that writes to it.
            if self.server.node().journal().topic(&topic.to_string()).is_err() {
                continue;
            }
            let from = self.read.entry(name).or_default();
            read_topic(self.server.node(), &topic, from, |record| {
                take(results, record).map_err(|error| broken(&format!("{name}: {error}")))
            })?;
        }
        Ok(())
    }

    /// Ends the server behind the commits under way, and removes the folder.
    pub(crate) fn end(self) -> Result<()> {
        self.server.end()
    }
}

fn topic(name: &str) -> Result<TopicName> {
    TopicName::parse(name).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> CliError {
    CliError::new("E-INTERNAL", Exit::Failure, format!("the demo is broken: {error}"))
}

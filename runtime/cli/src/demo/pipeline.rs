//! The demo's topics and functions on a node.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use pelton_batch::RecordsBuilder;
use pelton_core::{Declaration, FunctionId, TopicName, partition_for_key};
use pelton_server::{Deployment, DeploymentSpec, InputSpec};
use serde::Serialize;

use super::data::{Flight, HOUR_MS};
use super::results::Results;
use crate::clock::Stopwatch;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::session::{Session, wait};

/// Partitions of every topic.
const PARTITIONS: u32 = 4;
/// A batch is cut at this many records.
const BATCH_RECORDS: usize = 1_000;

/// All flights, by carrier.
const BY_CARRIER: &str = "flights-by-carrier";
/// All flights, by airport.
const BY_AIRPORT: &str = "flights-by-airport";
const STATISTICS: &str = "carrier-statistics";
const DEPARTED: &str = "departed";
const CANCELLED: &str = "cancelled";
const HOURLY: &str = "departures-by-hour";
const LATE: &str = "late";

/// A function of the demo.
struct Function {
    name: &'static str,
    wasm: &'static [u8],
    input: &'static str,
    outputs: &'static [(&'static str, &'static str)],
}

const FUNCTIONS: [Function; 3] = [
    Function {
        name: "flights-stats",
        wasm: include_bytes!("../../../../guest-examples/prebuilt/flights_stats.wasm"),
        input: BY_CARRIER,
        outputs: &[("out", STATISTICS)],
    },
    Function {
        name: "router",
        wasm: include_bytes!("../../../../guest-examples/prebuilt/router.wasm"),
        input: BY_AIRPORT,
        outputs: &[("departed", DEPARTED), ("cancelled", CANCELLED)],
    },
    // Reads what the router has sent.
    Function {
        name: "windowed-count",
        wasm: include_bytes!("../../../../guest-examples/prebuilt/windowed_count.wasm"),
        input: DEPARTED,
        outputs: &[("out", HOURLY), ("late", LATE)],
    },
];

/// How long a step took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Timing {
    /// What was done.
    pub step: &'static str,
    /// Records that went in.
    pub records_in: u64,
    /// Records that came out.
    pub records_out: u64,
    /// Seconds, from deployment to the last durable commit.
    pub seconds: f64,
}

/// The demo's topics on a node of their own, and how far their results have been read.
pub(crate) struct Pipeline {
    session: Session,
    read: BTreeMap<&'static str, Vec<u64>>,
    builders: BTreeMap<(&'static str, u32), RecordsBuilder>,
}

impl Pipeline {
    /// Topics in a journal in a temporary folder.
    pub(crate) fn new() -> Result<Self> {
        let session = Session::open(None)?;
        let topics = [BY_CARRIER, BY_AIRPORT, STATISTICS, DEPARTED, CANCELLED, HOURLY, LATE];
        for name in topics {
            session.node.ensure_topic(&topic(name)?, PARTITIONS)?;
        }
        Ok(Self { session, read: BTreeMap::new(), builders: BTreeMap::new() })
    }

    /// Appends flights to both input topics, their times later by `shift_ms`.
    pub(crate) fn append<'a>(
        &mut self,
        flights: impl IntoIterator<Item = &'a Flight>,
        shift_ms: i64,
    ) -> Result<()> {
        let mut value = Vec::new();
        for flight in flights {
            value.clear();
            flight.write_json(shift_ms, &mut value);
            let time = flight.event_ms() + shift_ms;
            for (name, key) in [(BY_CARRIER, flight.carrier), (BY_AIRPORT, flight.origin)] {
                let key = key.as_bytes();
                let partition = partition_for_key(key, PARTITIONS);
                let builder = self.builders.entry((name, partition)).or_default();
                builder.push(Some(key), Some(&value), time);
                if builder.len() >= BATCH_RECORDS {
                    self.session.node.append(&topic(name)?, partition, builder)?;
                }
            }
        }
        for ((name, partition), builder) in &mut self.builders {
            self.session.node.append(&topic(name)?, *partition, builder)?;
        }
        Ok(())
    }

    /// Loads all flights, and runs the functions over them to the end.
    pub(crate) fn run(&mut self, flights: &[Flight], bar: &ProgressBar) -> Result<Vec<Timing>> {
        let mut timings = Vec::new();
        let clock = Stopwatch::start();
        self.append(flights, 0)?;
        self.session.node.sync()?;
        let records = 2 * flights.len() as u64;
        timings.push(Timing {
            step: "load into two topics",
            records_in: records,
            records_out: records,
            seconds: clock.seconds(),
        });
        for function in &FUNCTIONS {
            bar.set_message(function.name);
            let factory = self.session.node.load(function.wasm, &function.spec(None)?)?;
            let spec = function.spec(Some(factory.declaration()))?;
            let clock = Stopwatch::start();
            let deployment = self.session.node.deploy(&spec, factory)?;
            let progress = wait(&deployment, bar)?;
            self.session.node.sync()?;
            timings.push(Timing {
                step: function.name,
                records_in: progress.records_in,
                records_out: progress.records_out,
                seconds: clock.seconds(),
            });
        }
        Ok(timings)
    }

    /// Starts the functions, to go on until they are dropped.
    pub(crate) fn start(&self) -> Result<Vec<Deployment>> {
        let mut deployments = Vec::new();
        for function in &FUNCTIONS {
            let factory = self.session.node.load(function.wasm, &function.spec(None)?)?;
            let mut spec = function.spec(Some(factory.declaration()))?;
            spec.bounded = false;
            deployments.push(self.session.node.deploy(&spec, factory)?);
        }
        Ok(deployments)
    }

    /// Takes what the functions have sent since the last call into `results`.
    pub(crate) fn collect(&mut self, results: &mut Results) -> Result<()> {
        type Take = fn(&mut Results, &pelton_batch::Record<'_>) -> Result<(), String>;
        let topics: [(&'static str, Take); 4] = [
            (STATISTICS, Results::take_carrier),
            (HOURLY, Results::take_hour),
            (DEPARTED, |results, _| {
                results.departed += 1;
                Ok(())
            }),
            (CANCELLED, |results, _| {
                results.cancelled += 1;
                Ok(())
            }),
        ];
        for (name, take) in topics {
            let from = self.read.entry(name).or_default();
            self.session.read(&topic(name)?, from, |record| {
                take(results, record).map_err(|error| broken(&format!("{name}: {error}")))
            })?;
        }
        Ok(())
    }
}

impl Function {
    /// The deployment of the function; its outputs only where its declaration is known.
    fn spec(&self, declared: Option<&Declaration>) -> Result<DeploymentSpec> {
        let function = FunctionId::parse(self.name).map_err(|error| broken(&error))?;
        let input = InputSpec::new(topic(self.input)?);
        let mut spec = DeploymentSpec::new(function, vec![input]);
        spec.bounded = true;
        let size = ("size-ms".to_owned(), HOUR_MS.to_string());
        spec.settings.entries.extend([size]);
        if let Some(declared) = declared {
            for (output, name) in self.outputs {
                if declared.outputs.iter().any(|known| known == output) {
                    spec.outputs.insert((*output).to_owned(), topic(name)?);
                }
            }
        }
        Ok(spec)
    }
}

fn topic(name: &str) -> Result<TopicName> {
    TopicName::parse(name).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> CliError {
    CliError::new("E-INTERNAL", Exit::Failure, format!("the demo is broken: {error}"))
}

//! The queries of NEXMark, as `guest-examples/nexmark` has them: events through all functions of a query,
//! one behind the other, until what the last one tells is durable.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use pelton_batch::RecordsBuilder;
use pelton_core::{FunctionId, TopicName};
use pelton_server::{DeploymentSpec, InputSpec, SyncMode};
use serde_json::json;

use super::Size;
use super::rig::{Rig, topic};
use crate::measure::{Cost, Cpu, cost, median};
use crate::table::{Amount, Line};
use crate::workload::BATCH;

/// A function: its module, the topics that it reads, the one that it sends to, and by which field.
type Stage = (&'static str, &'static [&'static str], &'static str, &'static str);

const BY_SELLER: Stage = ("by", &["auction"], "by-seller", "seller");
const BY_BIDDER: Stage = ("by", &["bid"], "by-bidder", "bidder");
const WINNERS: Stage = ("q9", &["auction", "bid"], "won", "");

const fn on_bids(module: &'static str) -> Stage {
    (module, &["bid"], "out", "")
}

const QUERIES: [(&str, &[Stage]); 11] = [
    ("q0, pass through", &[on_bids("q0")]),
    ("q1, currency", &[on_bids("q1")]),
    ("q2, selection", &[on_bids("q2")]),
    ("q3, local items", &[BY_SELLER, ("q3", &["person", "by-seller"], "out", "")]),
    (
        "q4, mean price of a category",
        &[
            WINNERS,
            ("by", &["won"], "by-category", "category"),
            ("q4", &["by-category"], "out", ""),
        ],
    ),
    ("q5, hot items", &[("q5_counts", &["bid"], "counts", ""), ("q5", &["counts"], "out", "")]),
    ("q7, highest bid", &[("q7", &["bid"], "highest", ""), ("q7", &["highest"], "out", "")]),
    ("q8, new sellers", &[BY_SELLER, ("q8", &["person", "by-seller"], "out", "")]),
    ("q9, winning bids", &[WINNERS]),
    ("q11, sessions of bidders", &[BY_BIDDER, ("q11", &["by-bidder"], "out", "")]),
    ("q12, counts of bidders", &[BY_BIDDER, ("q12", &["by-bidder"], "out", "")]),
];

/// A record of a topic.
struct Record {
    topic: &'static str,
    key: String,
    value: String,
    timestamp: i64,
}

/// In the order of their times, a thousand each second.
fn events(count: usize) -> Vec<Record> {
    let config = NexmarkConfig {
        base_time: 1_436_918_400_000,
        first_rate: 1_000,
        next_rate: 1_000,
        ..NexmarkConfig::default()
    };
    let record = |event: Event| {
        let timestamp = event.timestamp() as i64;
        let (topic, key, value) = match event {
            Event::Person(it) => {
                let value = json!({ "id": it.id, "name": it.name, "city": it.city,
                    "state": it.state, "date_time": timestamp });
                ("person", it.id, value)
            }
            Event::Auction(it) => {
                let value = json!({ "id": it.id, "seller": it.seller, "category": it.category,
                    "date_time": timestamp, "expires": it.expires });
                ("auction", it.id, value)
            }
            Event::Bid(it) => {
                let value = json!({ "auction": it.auction, "bidder": it.bidder,
                    "price": it.price, "date_time": timestamp });
                ("bid", it.auction, value)
            }
        };
        Record { topic, key: key.to_string(), value: value.to_string(), timestamp }
    };
    EventGenerator::new(config).take(count).map(record).collect()
}

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let events = events(size.pick(5_000, 200_000, 1_000_000));
    QUERIES.iter().map(|(name, stages)| line(name, stages, &events, size)).collect()
}

fn line(name: &str, stages: &[Stage], events: &[Record], size: Size) -> Result<Line> {
    let rounds = 0..size.pick(1, 3, 3);
    let costs = rounds.map(|_| Ok(query(stages, events)?.cpu_ns)).collect::<Result<Vec<_>>>()?;
    let each = median(costs);
    let what = format!("NEXMark {name}, durable, events/s per core");
    Ok(Line::alone("nexmark", what, Amount::new(1e9 / each, "events/s")))
}

/// What an event takes, through all stages. Events on topics that the query does not read are not
/// counted.
fn query(stages: &[Stage], events: &[Record]) -> Result<Cost> {
    let rig = Rig::new(SyncMode::Group, 10)?;
    let inputs = || stages.iter().flat_map(|(_, inputs, ..)| inputs.iter().copied());
    let mut count = 0;
    for name in
        ["person", "auction", "bid"].into_iter().filter(|name| inputs().any(|it| it == *name))
    {
        count += append(&rig, name, events)?;
    }
    for (_, _, output, _) in stages {
        rig.node.ensure_topic(&topic(output)?, 1)?;
    }
    let mut run = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        let spec = spec(stage, number)?;
        run.push((rig.load(&module(stage.0)?, &spec)?, spec));
    }
    let (cost, done) = cost(Cpu::Process, || -> Result<()> {
        for (factory, spec) in run {
            rig.node.deploy(&spec, factory)?.wait()?;
        }
        Ok(rig.node.sync()?)
    });
    done?;
    let told = rig.node.read(&topic("out")?, 0).count() + rig.node.read(&topic("won")?, 0).count();
    ensure!(told > 0, "{stages:?}: nothing came out");
    Ok(cost.per(count))
}

/// Appends the events of a topic as a producer would; answers how many.
fn append(rig: &Rig, name: &str, events: &[Record]) -> Result<usize> {
    let to: TopicName = topic(name)?;
    rig.node.ensure_topic(&to, 1)?;
    let events: Vec<_> = events.iter().filter(|event| event.topic == name).collect();
    let mut builder = RecordsBuilder::new();
    for batch in events.chunks(BATCH) {
        for event in batch {
            let (key, value) = (event.key.as_bytes(), event.value.as_bytes());
            builder.push(Some(key), Some(value), event.timestamp);
        }
        rig.node.append(&to, 0, &mut builder)?;
    }
    rig.node.sync()?;
    Ok(events.len())
}

fn spec((module, inputs, output, field): &Stage, number: usize) -> Result<DeploymentSpec> {
    let inputs = inputs.iter().map(|input| Ok(InputSpec::new(topic(input)?)));
    let function = FunctionId::parse(&format!("stage-{number}-{}", module.replace('_', "-")))?;
    let mut spec = DeploymentSpec::new(function, inputs.collect::<Result<_>>()?);
    spec.outputs.insert("out".to_owned(), topic(output)?);
    spec.settings.entries.insert("field".to_owned(), (*field).to_owned());
    spec.bounded = true;
    Ok(spec)
}

fn module(name: &str) -> Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/target");
    let path = root.join(format!("wasm32-unknown-unknown/release/nexmark_{name}.wasm"));
    let unbuilt = || format!("{}: `cargo xtask guests` builds it", path.display());
    std::fs::read(&path).with_context(unbuilt)
}

//! Producing over HTTP, in batches, on one connection.

use std::sync::Arc;

use anyhow::{Result, ensure};
use pelton_batch::RecordsBuilder;
use pelton_server::functions::Functions;
use pelton_server::http::{HttpConfig, Server};
use pelton_server::{LoadOptions, Node, NodeConfig};
use ureq::Agent;

use super::super::Size;
use super::super::rig::topic;
use crate::measure::{Cpu, cost, median};
use crate::table::{Amount, Line};
use crate::workload::{Owned, push, records};

/// Records of a request: about 1.2 MB.
const RECORDS: usize = 10_000;

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let requests = size.pick(2, 100, 100);
    let directory = tempfile::tempdir()?;
    let mut config = NodeConfig::new(directory.path(), LoadOptions::in_process());
    config.load.engine.pooled_instances = 0;
    let node = Arc::new(Node::open(config)?);
    node.ensure_topic(&topic("in")?, 1)?;
    let server = Server::bind(Functions::new(Arc::clone(&node)), HttpConfig::loopback(0))?;
    let url = format!("http://{}/api/v1/tenants/default/topics/in/records", server.address());
    let records = records(RECORDS, 10_000);
    let bodies = [("JSON", "application/json", json(&records)), ("batches", TYPE, batch(&records))];
    let mut lines = Vec::new();
    for (name, content_type, body) in bodies {
        let rate = rate(&url, content_type, &body, requests)?;
        let what = format!("HTTP produce until durable, 10,000 records a request, {name}");
        lines.push(Line::alone("serve", what, Amount::new(rate, "records/s")));
    }
    server.shutdown();
    Ok(lines)
}

const TYPE: &str = "application/x-pelton-batch";

/// Records a second that one client gets acknowledged; the median over a few rounds.
fn rate(url: &str, content_type: &str, body: &[u8], requests: usize) -> Result<f64> {
    let agent = Agent::new_with_defaults();
    let mut rates = Vec::new();
    for _ in 0..3 {
        let (cost, sent) = cost(Cpu::Process, || -> Result<()> {
            for _ in 0..requests {
                let answer = agent.post(url).content_type(content_type).send(body)?;
                ensure!(answer.status() == 200, "the server answered {}", answer.status());
                answer.into_body().read_to_vec()?;
            }
            Ok(())
        });
        sent?;
        rates.push((requests * RECORDS) as f64 / (cost.wall_ns / 1e9));
    }
    Ok(median(rates))
}

fn json(records: &[Owned]) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let records: Vec<_> = records
        .iter()
        .map(|record| {
            serde_json::json!({ "key": text(&record.key), "value": text(&record.value),
                "timestamp": record.timestamp })
        })
        .collect();
    serde_json::json!({ "records": records }).to_string().into_bytes()
}

fn batch(records: &[Owned]) -> Vec<u8> {
    let mut builder = RecordsBuilder::new();
    push(&mut builder, records);
    builder.finish()
}

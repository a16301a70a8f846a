//! Queries, run through `pelton run` one behind the other: what one function sends is a topic that the next
//! one reads.

use serde_json::{Value, json};

use super::command::{Place, built};
use super::events::{OUT_OF_ORDERNESS, lines};

/// A function of the examples.
pub(crate) struct Stage {
    module: &'static str,
    inputs: &'static [&'static str],
    /// The topic of what it sends.
    output: &'static str,
    config: &'static str,
}

/// `nexmark-MODULE` from these topics to that one.
pub(crate) const fn stage(
    module: &'static str,
    inputs: &'static [&'static str],
    output: &'static str,
) -> Stage {
    Stage { module, inputs, output, config: "" }
}

/// Auctions by their seller.
pub(crate) const BY_SELLER: Stage =
    Stage { config: "field = \"seller\"", ..stage("by", &["auction"], "by-seller") };
/// Bids by who bids.
pub(crate) const BY_BIDDER: Stage =
    Stage { config: "field = \"bidder\"", ..stage("by", &["bid"], "by-bidder") };
/// What was sold, by category.
pub(crate) const BY_CATEGORY: Stage =
    Stage { config: "field = \"category\"", ..stage("by", &["won"], "by-category") };

/// Topics that hold events, out of order, with the time in their values; the others hold results.
const EVENTS: [&str; 5] = ["person", "auction", "bid", "by-seller", "by-bidder"];

impl Stage {
    fn manifest(&self, batch_records: u32) -> String {
        let mut manifest = String::from("[function]\nname = \"query\"\n");
        for topic in self.inputs {
            manifest += &format!("[[input]]\ntopic = \"{topic}\"\n");
            if EVENTS.contains(topic) {
                manifest += "event_time = \"/date_time\"\n";
                manifest += &format!("out_of_orderness = \"{OUT_OF_ORDERNESS}\"\n");
            }
        }
        let (output, config) = (self.output, self.config);
        manifest += &format!("[[output]]\nname = \"out\"\ntopic = \"{output}\"\n");
        manifest + &format!("[config]\n{config}\n[limits]\nbatch_records = {batch_records}\n")
    }

    /// Adds what it makes of the records to them.
    fn run(&self, records: &mut String, batch_records: u32) -> String {
        let place = Place::new();
        place.write("pelton.toml", self.manifest(batch_records));
        let read = |line: &&str| {
            self.inputs.iter().any(|topic| line.contains(&format!("\"topic\":\"{topic}\"")))
        };
        let input: Vec<&str> = records.lines().filter(read).collect();
        place.write("input.jsonl", input.join("\n"));
        let module = built(&format!("nexmark_{}", self.module));
        let arguments = ["run", &module, "-m", "pelton.toml", "--input", "input.jsonl"];
        let ended = place.pelton(&arguments).expect(0);
        for mut record in ended.records() {
            record["topic"] = json!(self.output);
            *records += &format!("{record}\n");
        }
        ended.out
    }
}

/// What the last of the stages tells, as JSON lines.
fn out(stages: &[Stage], batch_records: u32) -> String {
    let mut records = lines();
    stages.iter().fold(String::new(), |_, stage| stage.run(&mut records, batch_records))
}

/// The values that the last of the stages tells, with their keys, in order. They are the same bytes
/// however the input is cut into batches.
pub(crate) fn told(stages: &[Stage]) -> Vec<(String, Value)> {
    let told = out(stages, 1_000);
    assert!(told == out(stages, 61), "another cut gives other bytes");
    let records = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let pair =
        |record: Value| (record["key"].as_str().unwrap().to_owned(), record["value"].clone());
    records.map(pair).collect()
}

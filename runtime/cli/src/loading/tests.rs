#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{Config, TopicConfig, Visibility};

use super::*;

const TOPIC: &str = "default/in";

fn held(inputs: u64) -> Vec<Held> {
    (0..inputs)
        .map(|number| {
            let mut records = RecordsBuilder::new();
            let value = vec![number as u8; 20_000];
            records.push(None, Some(&value), if number % 2 == 0 { UNDATED } else { 5 });
            let topic = TopicName::new(pelton_core::TenantId::default(), "in").unwrap();
            Held { topic, partition: 0, records: 1, bytes: records.finish() }
        })
        .collect()
}

fn open(disk: &SimDisk) -> Journal {
    let config = Config { segment_bytes: 1 << 20, ..Config::default() };
    let journal = Journal::open_on(Arc::new(disk.clone()), config).unwrap();
    if journal.topic(TOPIC).is_err() {
        journal.create_topic(TOPIC, TopicConfig::new(1), 0).unwrap();
    }
    journal
}

fn append(journal: &Journal, held: &[Held], finished: u64, now_ms: i64) -> Result<Appended> {
    let function = FunctionId::parse("f").unwrap();
    let loading = Loading { journal, function: &function, finished, abandons: false };
    loading.append("in.jsonl", held, now_ms)
}

/// First byte and timestamp of each record.
fn records(journal: &Journal) -> Vec<(u8, i64)> {
    let topic = journal.topic(TOPIC).unwrap();
    let partition = topic.partition(0).unwrap();
    let (mut at, mut all) = (0, Vec::new());
    while let Some(batch) = partition.read(at, Visibility::Appended).unwrap() {
        at = batch.next_offset();
        let batch = Batch::parse(&batch.bytes).unwrap();
        let records = batch.records().unwrap();
        all.extend(records.iter().map(|r| (r.value().unwrap()[0], r.timestamp())));
    }
    all
}

fn expected(count: u64, now_ms: i64) -> Vec<(u8, i64)> {
    (0..count).map(|n| (n as u8, if n % 2 == 0 { now_ms } else { 5 })).collect()
}

#[test]
fn after_a_full_disk_the_same_input_goes_on_where_it_was() {
    let disk = SimDisk::default();
    let held = held(200);
    let journal = open(&disk);
    disk.set_faults(Faults { capacity_bytes: Some(2 << 20), ..Faults::default() });
    let error = append(&journal, &held, 0, 100).unwrap_err();
    assert_eq!(error.code, "E-JOURNAL-FULL");
    let there = records(&journal).len();
    assert!((1..200).contains(&there), "{there} were appended");
    drop(journal);

    disk.set_faults(Faults::default());
    let journal = open(&disk);
    let appended = append(&journal, &held, 0, 999).unwrap();
    assert_eq!(appended.before[&(TOPIC.to_owned(), 0)], there as u64);
    assert_eq!(records(&journal), expected(200, 100), "with the time of the first run");
    // Nothing is missing now; only once it is run to its end is the same input a new one.
    assert_eq!(append(&journal, &held, 0, 999).unwrap().load, 1);
    assert_eq!(records(&journal).len(), 200);
    assert_eq!(append(&journal, &held, 1, 999).unwrap().load, 2);
    assert_eq!(records(&journal).len(), 400);
}

#[test]
fn another_input_is_refused_while_one_is_unfinished_unless_that_is_given_up() {
    let disk = SimDisk::default();
    let journal = open(&disk);
    disk.set_faults(Faults { capacity_bytes: Some(2 << 20), ..Faults::default() });
    append(&journal, &held(200), 0, 100).unwrap_err();
    let there = records(&journal).len();
    drop(journal);
    disk.set_faults(Faults::default());
    let journal = open(&disk);

    let error = append(&journal, &held(3), 0, 200).unwrap_err();
    assert_eq!(error.code, "E-INPUT-UNFINISHED");
    assert!(error.text.contains(&format!("{there} of 200 records of in.jsonl")), "{}", error.text);
    assert_eq!(records(&journal).len(), there);
    let function = FunctionId::parse("f").unwrap();
    let loading = Loading { journal: &journal, function: &function, finished: 0, abandons: true };
    assert_eq!(loading.append("b", &held(3), 200).unwrap().load, 2);
    assert_eq!(records(&journal)[there..], expected(3, 200));
}

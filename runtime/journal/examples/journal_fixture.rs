//! Writes the data directory that `tests/journal/fixture.rs` opens: one of each thing that a
//! journal of the current format can hold. Run it once for every new format.

use std::io::Write;

use pelton_batch::RecordsBuilder;
use pelton_journal::{Commit, Config, Journal, Producer, Retention, SyncDriver, TopicConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: journal_fixture DIRECTORY")?;
    let config =
        Config { sync_driver: SyncDriver::Manual, segment_bytes: 4096, ..Config::default() };
    let journal = Journal::open(&dir, config)?;
    let input = journal.create_topic("tenant-b/in", TopicConfig::new(2), 1)?;
    let day = Retention { time_ms: Some(86_400_000), bytes: Some(1 << 30), until_consumed_by: 0 };
    let output = journal.create_topic("default/out", TopicConfig::new(1).with_retention(day), 2)?;
    journal.create_topic("default/deleted", TopicConfig::new(1), 3)?;
    journal.delete_topic("default/deleted", 4)?;
    for i in 1..=10u8 {
        let bytes = vec![i; 100 * usize::from(i)];
        let mut commit = Commit::new(1_000);
        commit.batch(input.partition(0)?, 3, 1_000 + i64::from(i), [&bytes[..]]);
        journal.append(&mut commit)?;
        journal.sync_step()?;
    }
    let task = journal.register_task("tenant-b/f#0", 2_000)?;
    let mut commit = Commit::new(2_001);
    commit.task(&task, None, [&b"in the "[..], b"snapshot"]);
    let producer = Producer { task: task.id(), watermark: 777 };
    commit.batch_by(Some(producer), output.partition(0)?, 1, 5, [&b"a result"[..]]);
    let seq = journal.append(&mut commit)?;
    let mut writer = journal.write_snapshot(&task, seq)?;
    writer.write_all(b"the state")?;
    writer.publish(2_002)?;
    let mut commit = Commit::new(2_003);
    commit.task(&task, None, [&b"behind the snapshot"[..]]);
    commit.entry("deployments/tenant-b/f", Some(b"version 1"));
    commit.entry("deployments/tenant-b/g", None);
    journal.append(&mut commit)?;
    let mut commit = Commit::new(2_004);
    commit.entry("empty", Some(b""));
    journal.append(&mut commit)?;
    journal.put_artefact(b"a component")?;
    journal.append(&mut Commit::new(2_005))?;
    compact(&journal)?;
    journal.close()?;
    Ok(())
}

/// A compacted topic: of six records four are left, two of them tombstones.
fn compact(journal: &Journal) -> Result<(), Box<dyn std::error::Error>> {
    let topic = journal.create_topic("tenant-b/table", TopicConfig::compacted(1), 3_000)?;
    for (value, time_ms) in [(Some(&b"old"[..]), 3_001), (Some(b"new"), 3_002), (None, 3_003)] {
        let mut records = RecordsBuilder::new();
        records.push(Some(b"k"), value, time_ms).push(Some(&time_ms.to_le_bytes()), value, 1);
        let bytes = records.finish();
        let mut commit = Commit::new(time_ms);
        commit.batch(topic.partition(0)?, 2, time_ms, [&bytes[..]]);
        journal.append(&mut commit)?;
    }
    journal.sync_step()?;
    journal.clean(3_004)?;
    Ok(())
}

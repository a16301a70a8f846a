//! What is forgotten, what must not be, and who is asked.

use pelton_journal::sim::SimDisk;
use pelton_journal::{Commit, Config, Journal, Pin, Retention, TopicConfig};

use crate::support::{
    all, config, open, open_with, partition, put, put_at, reopen, start, start_with,
};

fn topic(journal: &Journal, name: &str, retention: Retention) {
    journal.create_topic(name, TopicConfig::new(1).with_retention(retention), 0).unwrap();
}

#[test]
fn records_older_than_the_retention_go_and_do_not_come_back() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    topic(&journal, "t/in", Retention { time_ms: Some(100), ..Retention::default() });
    let to = partition(&journal, "t/in");
    for i in 0..50 {
        put_at(&journal, &to, &[i as u8; 1000], i * 10).unwrap();
    }
    let report = journal.clean(500).unwrap();
    assert_eq!((report.records_released, to.offsets()), (40, 40..50));
    assert!(report.segments_removed >= 2);
    assert_eq!(journal.clean(500).unwrap(), Default::default());
    let journal = reopen(&disk, journal).unwrap();
    let to = partition(&journal, "t/in");
    assert_eq!(to.offsets(), 40..50);
    assert_eq!(
        to.read(39, pelton_journal::Visibility::Appended).unwrap_err().code(),
        "E-OFFSET-RANGE"
    );
    assert_eq!(all(&to)[0], vec![40; 1000]);
}

#[test]
fn retention_by_bytes_keeps_at_least_that_much() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    topic(&journal, "t/in", Retention { bytes: Some(2_500), ..Retention::default() });
    let to = partition(&journal, "t/in");
    for i in 0..50u8 {
        put(&journal, &to, &[i; 1000]).unwrap();
    }
    journal.clean(0).unwrap();
    assert_eq!((to.offsets(), to.bytes()), (47..50, 3_000));
}

#[test]
fn internal_topics_wait_for_all_of_their_consumers() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    topic(&journal, "t/in", Retention { until_consumed_by: 2, ..Retention::default() });
    let to = partition(&journal, "t/in");
    for i in 0..20u8 {
        put(&journal, &to, &[i; 1000]).unwrap();
    }
    let start = || {
        journal.clean(0).unwrap();
        to.offsets().start
    };
    assert_eq!(start(), 0);
    to.hold("a", 15);
    assert_eq!(start(), 0, "the second one is not known yet");
    to.hold("b", 7);
    assert_eq!(start(), 7);
    to.hold("b", 18);
    assert_eq!(start(), 15);
    to.release("a");
    assert_eq!(start(), 15);
}

#[test]
fn offsets_ids_topics_tasks_and_entries_outlive_their_segments() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    topic(&journal, "t/in", Retention { bytes: Some(0), ..Retention::default() });
    topic(&journal, "t/quiet", Retention::default());
    topic(&journal, "t/deleted", Retention::default());
    journal.delete_topic("t/deleted", 0).unwrap();
    let task = journal.register_task("t/f#0", 0).unwrap();
    let mut commit = Commit::new(0);
    commit.entry("deployments/f", Some(b"v1"));
    journal.append(&mut commit).unwrap();
    let to = partition(&journal, "t/in");
    for round in 0..20u64 {
        for i in 0..30u8 {
            put(&journal, &to, &[i; 1000]).unwrap();
        }
        journal.clean(0).unwrap();
        // What is carried may begin a segment of its own.
        assert!(journal.segment_count().unwrap() <= 2, "round {round}");
    }
    let names: Vec<_> = disk.paths().into_iter().filter(|path| path.ends_with(".seg")).collect();
    assert!(names.len() <= 2, "{names:?}");
    let journal = reopen(&disk, journal).unwrap();
    let to = partition(&journal, "t/in");
    assert_eq!(to.offsets().end, 600, "the next offset is known without any record");
    put(&journal, &to, b"x").unwrap();
    assert_eq!(to.offsets().end, 601);
    assert_eq!(journal.task("t/f#0").unwrap().id(), task.id());
    assert_eq!(journal.entry("deployments/f").unwrap(), "v1");
    let new = journal.create_topic("t/new", TopicConfig::new(1), 0).unwrap();
    assert_eq!(new.id().0, 3, "the id of the deleted topic is not given again");
    assert!(journal.topic("t/quiet").is_ok() && journal.topic("t/deleted").is_err());
}

#[test]
fn pins_name_the_topics_and_tasks_that_need_the_oldest_segment() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let task = journal.register_task("t/f#0", 0).unwrap();
    assert_eq!(journal.pins().unwrap(), []);
    let mut commit = Commit::new(0);
    commit.task(&task, None, [&[1; 100][..]]);
    let seq = journal.append(&mut commit).unwrap();
    for i in 0..20u8 {
        put(&journal, &to, &[i; 4000]).unwrap();
    }
    let key = "t/f#0".to_owned();
    let records = Pin::Records { topic: "t/in".to_owned(), partition: 0, batches: 3 };
    assert_eq!(journal.pins().unwrap(), [records, Pin::Task { key: key.clone(), commits: 1 }]);
    let retention = Retention { bytes: Some(0), ..Retention::default() };
    journal.set_retention("t/in", retention, 0).unwrap();
    assert_eq!(journal.clean(0).unwrap().segments_removed, 0);
    assert_eq!(journal.pins().unwrap(), [Pin::Task { key, commits: 1 }]);
    journal.write_snapshot(&task, seq).unwrap().publish(0).unwrap();
    assert!(journal.clean(0).unwrap().segments_removed > 3);
}

#[test]
fn a_quiet_topic_is_carried_forward_with_its_offsets() {
    let disk = SimDisk::new();
    let config = Config { carry_bytes_max: 2_000, ..config() };
    let (journal, quiet) = start_with(&disk, config.clone());
    topic(&journal, "t/busy", Retention { bytes: Some(0), ..Retention::default() });
    let busy = partition(&journal, "t/busy");
    put(&journal, &quiet, &[1; 700]).unwrap();
    for round in 0..30u8 {
        put(&journal, &busy, &[round; 4000]).unwrap();
        if round % 10 == 3 {
            put(&journal, &quiet, &[2; 100]).unwrap();
        }
        journal.clean(0).unwrap();
    }
    let expected = [vec![1; 700], vec![2; 100], vec![2; 100], vec![2; 100]];
    assert_eq!(all(&quiet), expected);
    assert!(journal.segment_count().unwrap() <= 2);
    disk.kill();
    drop(journal);
    let journal = open_with(&disk, config).unwrap();
    let quiet = partition(&journal, "t/in");
    assert_eq!((all(&quiet), quiet.offsets()), (expected.to_vec(), 0..4));
}

#[test]
fn a_crash_between_removals_leaves_no_hole() {
    for seed in 0..100 {
        let disk = SimDisk::new();
        let journal = open(&disk).unwrap();
        topic(&journal, "t/in", Retention { bytes: Some(3_000), ..Retention::default() });
        let to = partition(&journal, "t/in");
        for i in 0..60u8 {
            put(&journal, &to, &[i; 1000]).unwrap();
        }
        journal.clean(0).unwrap();
        for i in 60..80u8 {
            put(&journal, &to, &[i; 1000]).unwrap();
        }
        journal.clean(0).unwrap();
        disk.power_cut(seed);
        drop(journal);
        let journal = open(&disk).unwrap();
        assert_eq!(partition(&journal, "t/in").offsets(), 77..80, "seed {seed}");
    }
}

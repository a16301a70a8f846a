//! Every limit, at it and one past it.

use pelton_journal::sim::SimDisk;
use pelton_journal::{Commit, Config, Error, Limits, TopicConfig};

use crate::support::{config, open, open_with, partition, put, start, start_with};

fn refused<T>(result: Result<T, Error>) -> (u64, u64) {
    match result.map(drop).unwrap_err() {
        Error::Limit { limit, actual, .. } => (limit, actual),
        other => panic!("{other}"),
    }
}

#[test]
fn h67_partitions_of_a_topic() {
    let journal = open(&SimDisk::new()).unwrap();
    journal.create_topic("t/at", TopicConfig::new(256), 0).unwrap();
    assert_eq!(refused(journal.create_topic("t/past", TopicConfig::new(257), 0)), (256, 257));
    assert!(journal.create_topic("t/none", TopicConfig::new(0), 0).is_err());
    let topic = journal.topic("t/at").unwrap();
    assert!(topic.partition(255).is_ok());
    assert_eq!(topic.partition(256).unwrap_err().code(), "E-PARTITION-UNKNOWN");
}

#[test]
fn h67_topics_of_a_tenant() {
    let journal = open(&SimDisk::new()).unwrap();
    for i in 0..4_096 {
        journal.create_topic(&format!("t/{i}"), TopicConfig::new(1), 0).unwrap();
    }
    assert_eq!(refused(journal.create_topic("t/past", TopicConfig::new(1), 0)), (4_096, 4_097));
    journal.create_topic("neighbour/first", TopicConfig::new(1), 0).unwrap();
    journal.create_topic("t.similar/first", TopicConfig::new(1), 0).unwrap();
    journal.delete_topic("t/7", 0).unwrap();
    journal.create_topic("t/past", TopicConfig::new(1), 0).unwrap();
}

#[test]
fn h67_bytes_of_a_commit() {
    let limits = Limits { frame_bytes_max: 1_000, ..Limits::default() };
    let (journal, to) = start_with(&SimDisk::new(), Config { limits, ..config() });
    let heads = 48 + 72;
    put(&journal, &to, &vec![1; 1_000 - heads]).unwrap();
    assert_eq!(refused(put(&journal, &to, &vec![1; 1_000 - heads + 1])), (1_000, 1_008));
    put(&journal, &to, b"goes on").unwrap();
    assert_eq!(to.offsets(), 0..2);
}

#[test]
fn h67_a_commit_fits_a_segment_whatever_the_limit_says() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let most = (16 << 10) - 64 - 48 - 72;
    put(&journal, &to, &vec![1; most]).unwrap();
    assert_eq!(refused(put(&journal, &to, &vec![1; most + 1])).0, (16 << 10) - 64);
    journal.close().unwrap();
    let journal = open_with(&disk, config()).unwrap();
    assert_eq!(partition(&journal, "t/in").offsets(), 0..1);
}

#[test]
fn h67_parts_of_a_commit() {
    let limits = Limits { parts_max: 3, ..Limits::default() };
    let (journal, to) = start_with(&SimDisk::new(), Config { limits, ..config() });
    let mut commit = Commit::new(0);
    for _ in 0..3 {
        commit.batch(&to, 1, 0, [&b"x"[..]]);
    }
    journal.append(&mut commit).unwrap();
    let mut commit = Commit::new(0);
    for _ in 0..4 {
        commit.batch(&to, 1, 0, [&b"x"[..]]);
    }
    assert_eq!(refused(journal.append(&mut commit)), (3, 4));
    let mut empty = Commit::new(0);
    empty.batch(&to, 0, 0, [&b""[..]]);
    assert_eq!(refused(journal.append(&mut empty)), (0, 1));
    assert_eq!(to.offsets(), 0..3);
}

#[test]
fn the_same_commit_may_be_appended_again() {
    let (journal, to) = start(&SimDisk::new());
    let mut commit = Commit::new(0);
    let part = commit.batch(&to, 2, 0, [&b"twice"[..]]);
    journal.append(&mut commit).unwrap();
    journal.append(&mut commit).unwrap();
    assert_eq!(commit.base_offset(part), 2);
    assert_eq!(crate::support::all(&to), [b"twice".to_vec(), b"twice".to_vec()]);
}

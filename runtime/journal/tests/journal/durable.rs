use pelton_journal::sim::SimDisk;
use pelton_journal::{Config, SyncDriver, SyncMode};

use crate::support::{all, config, open, open_with, partition, put, start, start_with};

#[test]
fn group_returns_at_once_and_the_watermark_follows_the_sync() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let before = journal.durable();
    let seq = put(&journal, &to, b"a").unwrap();
    assert_eq!((journal.durable(), journal.appended()), (before, seq));
    assert!(journal.sync_step().unwrap());
    assert_eq!(journal.durable(), seq);
    assert!(!journal.sync_step().unwrap(), "nothing is left to do");
}

#[test]
fn each_returns_only_what_a_power_cut_leaves() {
    for seed in 0..20 {
        let disk = SimDisk::new();
        let (journal, to) = start_with(&disk, Config { sync_mode: SyncMode::Each, ..config() });
        for i in 0..40u8 {
            let seq = put(&journal, &to, &[i; 600]).unwrap();
            assert_eq!(journal.durable(), seq);
        }
        disk.power_cut(seed);
        drop(journal);
        assert_eq!(all(&partition(&open(&disk).unwrap(), "t/in")).len(), 40);
    }
}

#[test]
fn none_never_syncs_for_a_commit_and_survives_a_kill() {
    let disk = SimDisk::new();
    let none = Config { sync_mode: SyncMode::None, ..config() };
    let (journal, to) = start_with(&disk, none.clone());
    let before = disk.syncs();
    for i in 0..10u8 {
        let seq = put(&journal, &to, &[i]).unwrap();
        assert_eq!(journal.durable(), seq);
        journal.sync_step().unwrap();
    }
    assert_eq!(disk.syncs(), before);
    disk.kill();
    drop(journal);
    let journal = open_with(&disk, none).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")).len(), 10);
}

#[test]
fn none_loses_a_suffix_at_most_when_the_power_goes() {
    for seed in 0..200 {
        let disk = SimDisk::new();
        let (journal, to) = start_with(&disk, Config { sync_mode: SyncMode::None, ..config() });
        for i in 0..60u8 {
            put(&journal, &to, &[i; 600]).unwrap();
            if i % 7 == 0 {
                journal.sync_step().unwrap();
            }
        }
        disk.power_cut(seed);
        drop(journal);
        let journal = open(&disk).unwrap();
        let Ok(topic) = journal.topic("t/in") else {
            continue;
        };
        let left = all(&topic.partitions()[0]);
        assert!(left.iter().enumerate().all(|(i, bytes)| bytes[0] as usize == i));
    }
}

#[test]
fn the_sync_thread_moves_the_watermark_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    for sync_mode in [SyncMode::Group, SyncMode::Each, SyncMode::None] {
        let config = Config {
            sync_mode,
            sync_driver: SyncDriver::Thread,
            segment_bytes: 64 << 10,
            ..Config::default()
        };
        let journal = pelton_journal::Journal::open(dir.path(), config).unwrap();
        if journal.topic("t/in").is_err() {
            let one = pelton_journal::TopicConfig::new(1);
            journal.create_topic("t/in", one, 0).unwrap();
        }
        let to = partition(&journal, "t/in");
        let mut last = 0;
        for _ in 0..100 {
            last = put(&journal, &to, &[1; 3000]).unwrap();
        }
        journal.wait_durable(last).unwrap();
        assert!(journal.durable() >= last);
        journal.close().unwrap();
    }
}

#[test]
fn a_shut_down_journal_takes_nothing_more_and_has_lost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = pelton_journal::Journal::open(dir.path(), Config::default()).unwrap();
    let one = pelton_journal::TopicConfig::new(1);
    let to = journal.create_topic("t/in", one, 0).unwrap().partitions()[0].clone();
    let seq = put(&journal, &to, b"last").unwrap();
    journal.shutdown().unwrap();
    assert_eq!(journal.durable(), seq);
    let error = put(&journal, &to, b"late").unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
    assert_eq!(all(&to).len(), 1, "reads go on");
    drop(journal);
    let journal = pelton_journal::Journal::open(dir.path(), Config::default()).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")), [b"last".to_vec()]);
}

//! Where the log ends after a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_journal::sim::SimDisk;
use pelton_journal::{Action, Config, Hooks, Point, SyncMode};

use crate::support::{all, config, open, partition, put, reopen, start, start_with};

const FIRST: &str = "segments/00000001.seg";

#[test]
fn torn_tail_is_cut_at_every_byte_length() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, b"kept").unwrap();
    let before = disk.bytes(FIRST).unwrap();
    put(&journal, &to, b"torn, or whole: twenty-nine").unwrap();
    let after = disk.bytes(FIRST).unwrap();
    let begin = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
    let end = after.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert!(end - begin > 100);
    drop(journal);
    for len in 0..=end - begin {
        let disk = disk.fork();
        disk.damage(FIRST, begin + len, |bytes| bytes.fill(0));
        let journal = open(&disk).unwrap();
        let to = partition(&journal, "t/in");
        let expected = if len == end - begin { 2 } else { 1 };
        assert_eq!(all(&to).len(), expected, "cut at {len}");
        put(&journal, &to, b"next").unwrap();
        let journal = reopen(&disk, journal).unwrap();
        let left = all(&partition(&journal, "t/in"));
        assert_eq!((left.len(), &left[expected][..]), (expected + 1, &b"next"[..]));
    }
}

#[test]
fn a_crash_in_the_middle_of_a_write_leaves_whole_commits() {
    for len in [0, 1, 47, 48, 103, 104, 105, 150] {
        let disk = SimDisk::new();
        let armed = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&armed);
        let hooks = Hooks::new(move |point| {
            match point == Point::AppendBefore && hook.load(Ordering::SeqCst) {
                true => Action::Torn(len),
                false => Action::Continue,
            }
        });
        let (journal, to) = start_with(&disk, Config { hooks, ..config() });
        put(&journal, &to, b"whole").unwrap();
        armed.store(true, Ordering::SeqCst);
        assert_eq!(put(&journal, &to, &[9; 60]).unwrap_err().code(), "E-JOURNAL-POISONED");
        let journal = reopen(&disk, journal).unwrap();
        assert_eq!(all(&partition(&journal, "t/in")), [b"whole".to_vec()]);
    }
}

#[test]
fn stale_frames_behind_a_cut_never_come_back() {
    // Three undurable frames of equal length; the first is lost. Once a new frame of that
    // length fills the gap, the other two must not follow it.
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let before = disk.bytes(FIRST).unwrap();
    for text in [b"old 1", b"old 2", b"old 3"] {
        put(&journal, &to, text).unwrap();
    }
    let after = disk.bytes(FIRST).unwrap();
    let begin = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
    disk.damage(FIRST, begin, |bytes| bytes[..16].fill(0));
    let journal = reopen(&disk, journal).unwrap();
    put(&journal, &partition(&journal, "t/in"), b"new 1").unwrap();
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")), [b"new 1".to_vec()]);
}

#[test]
fn stale_frames_do_not_follow_even_where_zeroing_was_lost() {
    // The same, with the old frames put back by hand: the chain of checksums keeps them out.
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let before = disk.bytes(FIRST).unwrap();
    for text in [b"old 1", b"old 2"] {
        put(&journal, &to, text).unwrap();
    }
    let old = disk.bytes(FIRST).unwrap();
    let begin = before.iter().zip(&old).position(|(a, b)| a != b).unwrap();
    let frame_len = 48 + 72 + 8;
    disk.damage(FIRST, begin, |bytes| bytes.fill(0));
    let journal = reopen(&disk, journal).unwrap();
    put(&journal, &partition(&journal, "t/in"), b"new 1").unwrap();
    let second = begin + frame_len;
    disk.damage(FIRST, second, |bytes| {
        bytes[..frame_len].copy_from_slice(&old[second..second + frame_len]);
    });
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")), [b"new 1".to_vec()]);
}

#[test]
fn a_cut_reaches_over_segments() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    for i in 0..20u8 {
        put(&journal, &to, &[i; 2000]).unwrap();
    }
    assert!(journal.segment_count().unwrap() >= 3);
    drop(journal);
    disk.kill();
    // The first segment's last frame is lost, and with it everything after.
    let bytes = disk.bytes(FIRST).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    disk.damage(FIRST, last, |bytes| bytes[0] ^= 1);
    let journal = open(&disk).unwrap();
    let left = all(&partition(&journal, "t/in")).len();
    assert!((5..8).contains(&left), "{left}");
    assert_eq!(journal.segment_count().unwrap(), 1);
    put(&journal, &partition(&journal, "t/in"), b"next").unwrap();
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")).len(), left + 1);
}

#[test]
fn recovered_commits_are_durable_from_then_on() {
    // A killed process left commits in the page cache; they were served after opening, so a
    // power cut after that must not take them.
    for seed in 0..20 {
        let disk = SimDisk::new();
        let (journal, to) = start_with(&disk, Config { sync_mode: SyncMode::None, ..config() });
        for i in 0..30u8 {
            put(&journal, &to, &[i; 900]).unwrap();
        }
        let journal = reopen(&disk, journal).unwrap();
        assert_eq!(all(&partition(&journal, "t/in")).len(), 30);
        disk.power_cut(seed);
        drop(journal);
        assert_eq!(all(&partition(&open(&disk).unwrap(), "t/in")).len(), 30);
    }
}

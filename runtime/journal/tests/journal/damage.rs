//! Damage to what had been durable is found and named, never skipped.

use pelton_journal::sim::SimDisk;
use pelton_journal::{Error, Journal, Visibility};

use crate::support::{all, open, partition, put, reopen, start};

const FIRST: &str = "segments/00000001.seg";

/// Twenty-four commits over several segments, closed cleanly.
fn sealed() -> SimDisk {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    for i in 0..24u8 {
        put(&journal, &to, &[i + 1; 2000]).unwrap();
        journal.sync_step().unwrap();
    }
    journal.close().unwrap();
    disk
}

/// Where a run of twenty `byte`s begins in a file.
fn find(disk: &SimDisk, path: &str, byte: u8) -> usize {
    let bytes = disk.bytes(path).unwrap();
    bytes.windows(20).position(|window| window.iter().all(|b| *b == byte)).unwrap()
}

fn corrupt(result: Result<Journal, Error>) -> (String, u64, String) {
    match result.map(drop).unwrap_err() {
        Error::Corrupt { path, seq, problem, .. } => (path, seq, problem),
        other => panic!("{other}"),
    }
}

#[test]
fn f23_flipped_bit_in_a_sealed_segment_is_detected_on_read() {
    let disk = sealed();
    let at = find(&disk, FIRST, 3);
    disk.damage(FIRST, at, |bytes| bytes[9] ^= 4);
    let journal = open(&disk).unwrap();
    let to = partition(&journal, "t/in");
    let error = to.read(2, Visibility::Appended).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { path, seq: 4, .. } if path == FIRST), "{error}");
    assert!(to.read(1, Visibility::Appended).is_ok() && to.read(3, Visibility::Appended).is_ok());
    journal.health().unwrap();
}

#[test]
fn f23_flipped_bit_in_a_sealed_segment_without_index_is_refused_at_open() {
    let disk = sealed();
    let at = find(&disk, FIRST, 3);
    disk.damage(FIRST, at, |bytes| bytes[9] ^= 4);
    disk.damage("segments/00000001.idx", 0, |bytes| bytes[0] ^= 1);
    let (path, seq, _) = corrupt(open(&disk));
    assert!(path.ends_with(FIRST) && seq == 4);
}

#[test]
fn f23_flipped_bit_in_a_durable_frame_of_the_active_segment_is_refused() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, &[1; 100]).unwrap();
    journal.sync_step().unwrap();
    put(&journal, &to, &[2; 100]).unwrap();
    drop(journal);
    disk.kill();
    let before = disk.bytes(FIRST).unwrap();
    for offset in [0, 50, 99] {
        let disk = disk.fork();
        let at = find(&disk, FIRST, 1) + offset;
        disk.damage(FIRST, at, |bytes| bytes[0] ^= 0x10);
        let (path, seq, problem) = corrupt(open(&disk));
        assert!(path.ends_with(FIRST) && seq == 2, "{problem}");
        assert!(problem.contains("durable"), "{problem}");
        let after = disk.bytes(FIRST).unwrap();
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert_eq!(changed, 1, "a refused journal is not touched");
    }
}

#[test]
fn flipped_bit_in_an_undurable_frame_is_cut() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, &[1; 100]).unwrap();
    put(&journal, &to, &[2; 100]).unwrap();
    drop(journal);
    disk.kill();
    let at = find(&disk, FIRST, 1);
    disk.damage(FIRST, at, |bytes| bytes[0] ^= 0x10);
    assert!(all(&partition(&open(&disk).unwrap(), "t/in")).is_empty());
}

#[test]
fn damage_to_the_last_commit_after_a_clean_close_is_refused() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, &[1; 100]).unwrap();
    journal.close().unwrap();
    let at = find(&disk, FIRST, 1);
    disk.damage(FIRST, at, |bytes| bytes[0] ^= 0x10);
    let (_, seq, problem) = corrupt(open(&disk));
    assert_eq!(seq, 2);
    assert!(problem.contains("closed at commit 2"), "{problem}");
}

#[test]
fn f25_missing_or_damaged_indexes_are_rebuilt() {
    let disk = sealed();
    let whole = all(&partition(&open(&disk.fork()).unwrap(), "t/in"));
    assert_eq!(whole.len(), 24);
    let indexes: Vec<_> = disk.paths().into_iter().filter(|path| path.ends_with(".idx")).collect();
    assert!(indexes.len() >= 3);
    for index in &indexes {
        let len = disk.bytes(index).unwrap().len();
        for at in (0..len).step_by(13) {
            let disk = disk.fork();
            disk.damage(index, at, |bytes| bytes[0] ^= 0x20);
            assert_eq!(all(&partition(&open(&disk).unwrap(), "t/in")), whole);
        }
        let disk = disk.fork();
        pelton_journal::storage::Storage::remove(&disk, index).unwrap();
        let journal = open(&disk).unwrap();
        assert_eq!(all(&partition(&journal, "t/in")), whole);
        journal.close().unwrap();
        assert!(disk.bytes(index).is_some(), "{index} was written again");
    }
}

#[test]
fn f25_missing_segments_are_named() {
    let disk = sealed();
    let segments: Vec<_> = disk.paths().into_iter().filter(|path| path.ends_with(".seg")).collect();
    for (i, segment) in segments.iter().enumerate() {
        let disk = disk.fork();
        pelton_journal::storage::Storage::remove(&disk, segment).unwrap();
        let (path, _, problem) = corrupt(open(&disk));
        // The oldest one may have gone by retention; then it shows in what it leaves behind.
        assert!(path.contains(segment) || i == 0, "{path} {problem}");
        assert!(problem.contains("missing"), "{problem}");
    }
}

#[test]
fn f24_a_duplicated_block_is_not_taken_for_the_next_frame() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let start_of = |disk: &SimDisk| {
        let bytes = disk.bytes(FIRST).unwrap();
        (bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1).next_multiple_of(8)
    };
    let first = start_of(&disk);
    put(&journal, &to, &[1; 104]).unwrap();
    let second = start_of(&disk);
    drop(journal);
    disk.kill();
    disk.damage(FIRST, 0, |bytes| bytes.copy_within(first..second, second));
    let journal = open(&disk).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")), [vec![1; 104]]);
}

#[test]
fn a_record_that_looks_like_a_frame_proves_nothing() {
    // A frame of another journal (another salt) inside of a torn commit's records.
    let foreign = SimDisk::new();
    let (journal, to) = start(&foreign);
    put(&journal, &to, b"x").unwrap();
    journal.sync_step().unwrap();
    for _ in 0..4 {
        put(&journal, &to, b"y").unwrap();
    }
    drop(journal);
    let mut bait = foreign.bytes(FIRST).unwrap()[64..1024].to_vec();
    // The simulated salt is always the same: shift it as another salt would.
    bait.chunks_mut(4).filter(|word| word.starts_with(b"PLF2")).for_each(|word| word[3] = b'2');
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), crate::support::config()).unwrap();
    journal.create_topic("t/in", pelton_journal::TopicConfig::new(1), 0).unwrap();
    put(&journal, &partition(&journal, "t/in"), &bait).unwrap();
    drop(journal);
    let path = dir.path().join(FIRST);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let journal = Journal::open(dir.path(), crate::support::config()).unwrap();
    assert!(all(&partition(&journal, "t/in")).is_empty());
}

#[test]
fn reopening_after_damage_elsewhere_keeps_refusing() {
    let disk = sealed();
    disk.damage(FIRST, 20, |bytes| bytes[0] ^= 1);
    for _ in 0..3 {
        corrupt(open(&disk));
    }
    disk.damage(FIRST, 20, |bytes| bytes[0] ^= 1);
    let journal = open(&disk).unwrap();
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")).len(), 24);
}

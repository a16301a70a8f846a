//! Files of freed segments are used again, and what they held never comes back.

use std::path::Path;

use pelton_journal::sim::SimDisk;
use pelton_journal::{Config, Journal, Retention, TopicConfig, Visibility};

use crate::support::{all, config, open, partition, put, reopen};

fn short_lived(journal: &Journal) {
    let retention = Retention { bytes: Some(0), ..Retention::default() };
    let topic = TopicConfig::new(1).with_retention(retention);
    journal.create_topic("t/in", topic, 0).unwrap();
    journal.create_topic("t/kept", TopicConfig::new(1), 0).unwrap();
    journal.sync_step().unwrap();
}

/// The path of the youngest segment.
fn active(disk: &SimDisk) -> String {
    disk.paths().into_iter().rfind(|path| path.ends_with(".seg")).unwrap()
}

/// A journal that writes over old frames of 1,000 bytes each.
fn recycled(disk: &SimDisk) -> Journal {
    let journal = open(disk).unwrap();
    short_lived(&journal);
    let to = partition(&journal, "t/in");
    for i in 0..200u32 {
        put(&journal, &to, &[i as u8; 1_000 - 120]).unwrap();
        journal.sync_step().unwrap();
        if i % 30 == 29 {
            journal.clean(0).unwrap();
        }
    }
    let path = active(disk);
    let bytes = disk.bytes(&path).unwrap();
    let stale = bytes.chunks(8).filter(|word| word.starts_with(b"PLF2")).count();
    assert!(stale >= 14, "the file is full of frames, {stale}");
    journal
}

#[test]
fn f22_a_torn_tail_over_old_frames_is_cut_at_every_byte_length() {
    let disk = SimDisk::new();
    let journal = recycled(&disk);
    let kept = partition(&journal, "t/kept");
    put(&journal, &kept, b"kept").unwrap();
    let path = active(&disk);
    let before = disk.bytes(&path).unwrap();
    // As long as the old frames are, so that one may lie right behind it.
    let torn = vec![7; 1_000 - 120];
    put(&journal, &kept, &torn).unwrap();
    assert_eq!(active(&disk), path);
    let after = disk.bytes(&path).unwrap();
    let differs = |(a, b): (&u8, &u8)| a != b;
    let begin = before.iter().zip(&after).position(differs).unwrap() & !7;
    let end = before.iter().zip(&after).rposition(differs).unwrap() + 1;
    assert!((900..=1_000).contains(&(end - begin)));
    drop(journal);
    for len in (0..=end - begin).filter(|len| *len < 130 || *len % 7 == 0 || *len == end - begin) {
        let disk = disk.fork();
        disk.damage(&path, begin + len, |bytes| bytes.copy_from_slice(&before[begin + len..]));
        let journal = open(&disk).unwrap();
        let kept = partition(&journal, "t/kept");
        let is_whole = after[begin..] == disk.bytes(&path).unwrap()[begin..];
        let mut expected = vec![b"kept".to_vec()];
        if len == end - begin || is_whole {
            expected.push(torn.clone());
        }
        assert_eq!(all(&kept), expected, "cut at {len}");
        put(&journal, &kept, b"next").unwrap();
        expected.push(b"next".to_vec());
        let journal = reopen(&disk, journal).unwrap();
        assert_eq!(all(&partition(&journal, "t/kept")), expected);
    }
}

#[test]
fn a_power_cut_over_old_frames_leaves_a_prefix() {
    for seed in 0..60 {
        let disk = SimDisk::new();
        let journal = recycled(&disk);
        let kept = partition(&journal, "t/kept");
        for i in 0..40u8 {
            put(&journal, &kept, &[i; 1_000 - 120]).unwrap();
            if u64::from(i) == seed % 37 {
                journal.sync_step().unwrap();
            }
        }
        disk.power_cut(seed);
        drop(journal);
        let journal = open(&disk).unwrap();
        let left = all(&partition(&journal, "t/kept"));
        assert!(left.len() as u64 > seed % 37, "{} of seed {seed}", left.len());
        let expected = (0..left.len()).map(|i| vec![i as u8; 1_000 - 120]);
        assert!(left.into_iter().eq(expected));
    }
}

#[test]
fn a_recycled_header_that_was_not_written_yet_is_not_the_old_one() {
    let disk = SimDisk::new();
    let journal = recycled(&disk);
    journal.sync_step().unwrap();
    let kept = partition(&journal, "t/kept");
    let number = |path: &str| path["segments/".len()..].trim_end_matches(".seg").to_owned();
    let first = number(&active(&disk));
    let spares: Vec<_> = disk.paths().into_iter().filter(|path| path.ends_with(".tmp")).collect();
    let spares: Vec<_> = spares.iter().map(|path| disk.bytes(path).unwrap()).collect();
    while number(&active(&disk)) == first {
        put(&journal, &kept, &[1; 1_000 - 120]).unwrap();
    }
    let path = active(&disk);
    let held = all(&kept).len();
    drop(journal);
    // The rename has lasted, nothing of what was written into the file has.
    for spare in spares.iter().filter(|bytes| bytes.starts_with(b"PLTNSEG1")) {
        let disk = disk.fork();
        disk.damage(&path, 0, |bytes| bytes.copy_from_slice(spare));
        let journal = open(&disk).unwrap();
        let left = all(&partition(&journal, "t/kept"));
        assert!(left.len() == held - 1 && left.iter().all(|bytes| bytes[..] == [1; 880]));
        put(&journal, &partition(&journal, "t/kept"), b"next").unwrap();
        let journal = reopen(&disk, journal).unwrap();
        assert_eq!(all(&partition(&journal, "t/kept")).len(), held);
    }
}

/// How many spares are files of freed segments.
fn recycled_spares(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory.join("segments")).unwrap();
    let spares = files.map(|file| file.unwrap().path());
    let spares = spares.filter(|path| path.extension().is_some_and(|end| end == "tmp"));
    spares.filter(|path| std::fs::read(path).unwrap().starts_with(b"PLTNSEG1")).count()
}

/// Writes and cleans until all that is there by now would long be used again.
fn churn(journal: &Journal) {
    let to = partition(journal, "t/in");
    for i in 0..150u8 {
        put(journal, &to, &[i; 1_000]).unwrap();
        journal.sync_step().unwrap();
        if i % 20 == 19 {
            journal.clean(0).unwrap();
        }
    }
}

#[test]
fn files_are_used_again_but_not_under_a_reader_or_a_backup() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = Journal::open(dir.path(), config()).unwrap();
    short_lived(&journal);
    churn(&journal);
    assert!(recycled_spares(dir.path()) >= 1);

    let to = partition(&journal, "t/in");
    // A record of each segment, so that each one would be used again if it could.
    let held: Vec<_> = (0..100u8)
        .map(|i| {
            put(&journal, &to, &[i; 1_000]).unwrap();
            journal.sync_step().unwrap();
            to.read(to.offsets().end - 1, Visibility::Durable).unwrap().unwrap().bytes
        })
        .collect();
    let path = target.path().join("copy");
    churn(&journal);
    churn(&journal);
    for (i, bytes) in held.into_iter().enumerate() {
        assert_eq!(bytes, vec![i as u8; 1_000], "a reader's bytes stay");
    }
    // So many that no spare is left: the files that the backup links would be used next.
    for i in 0..100u8 {
        put(&journal, &to, &[i; 1_000]).unwrap();
    }
    let expected = all(&to);
    journal.backup(&path).unwrap();
    churn(&journal);
    churn(&journal);
    let copy = Journal::open(&path, config()).unwrap();
    assert_eq!(all(&partition(&copy, "t/in")), expected, "a backup's files stay");
}

#[test]
fn files_of_another_size_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), config()).unwrap();
    short_lived(&journal);
    churn(&journal);
    journal.close().unwrap();
    let config = Config { segment_bytes: 32 << 10, ..config() };
    let journal = Journal::open(dir.path(), config).unwrap();
    churn(&journal);
    churn(&journal);
    let files = std::fs::read_dir(dir.path().join("segments")).unwrap();
    let sizes = files.map(|file| file.unwrap()).filter(|file| {
        let name = file.file_name().into_string().unwrap();
        name.ends_with(".seg") || name.ends_with(".tmp")
    });
    assert!(sizes.map(|file| file.metadata().unwrap().len()).all(|len| len == 32 << 10));
}

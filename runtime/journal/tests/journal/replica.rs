//! A copy that follows: byte for byte the same, whatever crashes on either side.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use pelton_batch::RecordsBuilder;
use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{
    Action, Commit, Compaction, Config, Error, Frames, Hooks, Journal, Retention, Role, SyncDriver,
    Task, TopicConfig, Visibility, verify_on,
};

use crate::support::{all, config, open, open_with, partition, put};

/// A dice with a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A leader with a topic of each kind and a task, and a disk with an empty copy of it.
fn pair() -> (SimDisk, Journal, SimDisk) {
    let disk = SimDisk::new();
    let leader = open(&disk).unwrap();
    let retention = Retention { bytes: Some(20_000), ..Retention::default() };
    let log = TopicConfig { retention, ..TopicConfig::new(1) };
    leader.create_topic("t/in", log, 0).unwrap();
    let compaction = Compaction { delete_retention_ms: 10, ..Compaction::default() };
    let table = TopicConfig { cleanup: pelton_journal::Cleanup::Compact(compaction), ..log };
    leader
        .create_topic("t/table", TopicConfig { retention: Retention::default(), ..table }, 0)
        .unwrap();
    leader.register_task("t/f#0", 0).unwrap();
    let target = SimDisk::new();
    leader.backup_on(&target).unwrap();
    target.kill();
    (disk, leader, target)
}

fn follower(disk: &SimDisk) -> Journal {
    let journal = open(disk).unwrap();
    journal.follow("http://leader").unwrap();
    journal
}

/// All durable frames of the leader behind the follower's end, in one piece.
fn frames(leader: &Journal, follower: &Journal, bytes_max: usize) -> Result<Bytes, Error> {
    let (seq, chain) = follower.log_end().unwrap();
    leader.check_prefix(follower.epoch(), seq, chain)?;
    let mut reader = leader.frames(seq + 1)?;
    Ok(reader.read(bytes_max)?.concat().into())
}

/// Gets the snapshots that frames name, or gives them up.
fn fetch_snapshots(leader: &SimDisk, follower: &Journal, frames: &Frames) -> usize {
    let mut skipped = 0;
    for need in frames.snapshots() {
        if follower.has_snapshot(need) {
            continue;
        }
        match leader.bytes(&format!("snapshots/{}", need.name())) {
            Some(bytes) => follower.put_snapshot(need, &bytes).unwrap(),
            None => {
                follower.skip_snapshot(need).unwrap();
                skipped += 1;
            }
        }
    }
    skipped
}

fn catch_up(from: &SimDisk, leader: &Journal, follower: &Journal) {
    leader.sync_step().unwrap();
    loop {
        let bytes = frames(leader, follower, 8_000).unwrap();
        if bytes.is_empty() {
            break;
        }
        let frames = follower.parse_frames(&bytes).unwrap();
        assert_eq!(frames.rest(), 0);
        fetch_snapshots(from, follower, &frames);
        follower.append_frames(&frames).unwrap();
    }
    follower.sync_step().unwrap();
}

fn records(task: &Task) -> Vec<(u64, Bytes)> {
    task.commits().map(|commit| commit.unwrap()).map(|commit| (commit.seq, commit.bytes)).collect()
}

/// State as a function would find it: its snapshot, and the commits behind that.
fn state(journal: &Journal) -> u64 {
    let Some(task) = journal.task("t/f#0") else { return 0 };
    let snapshot = journal.snapshot(&task).unwrap();
    let from =
        snapshot.map_or(0, |snapshot| u64::from_le_bytes(snapshot.bytes[..8].try_into().unwrap()));
    from + records(&task).len() as u64
}

#[track_caller]
fn same(leader: &Journal, follower: &Journal) {
    assert_eq!(leader.log_end().unwrap(), follower.log_end().unwrap());
    let names = |of: &Journal| of.topics().iter().map(|t| t.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(leader), names(follower));
    for name in names(leader) {
        let (one, other) = (partition(leader, &name), partition(follower, &name));
        assert_eq!(one.offsets(), other.offsets(), "{name}");
        assert_eq!(all(&one), all(&other), "{name}");
    }
    assert_eq!(leader.entries(""), follower.entries(""));
    assert_eq!(state(leader), state(follower));
}

/// One thing that a leader does.
fn act(leader: &Journal, dice: &mut Dice, now_ms: i64) {
    let task = leader.task("t/f#0").unwrap();
    match dice.below(20) {
        0 => drop(leader.clean(now_ms)),
        1 => {
            let mut writer = leader.write_snapshot(&task, leader.appended()).unwrap();
            writer.write_all(&state(leader).to_le_bytes()).unwrap();
            writer.write_all(&vec![7; dice.below(3_000) as usize]).unwrap();
            writer.publish(now_ms).unwrap();
        }
        2 => {
            let name = format!("t/x{}", dice.below(3));
            if leader.delete_topic(&name, now_ms).is_err() {
                leader.create_topic(&name, TopicConfig::new(1), now_ms).unwrap();
                put(leader, &partition(leader, &name), b"new").unwrap();
            }
        }
        3..8 => {
            let mut builder = RecordsBuilder::new();
            for _ in 0..=dice.below(4) {
                let key = [dice.below(6) as u8];
                let value = vec![1; dice.below(300) as usize];
                let value = (dice.below(5) > 0).then_some(&value[..]);
                builder.push(Some(&key), value, now_ms);
            }
            let rows = builder.len() as u32;
            let bytes = builder.finish().to_vec();
            let mut commit = Commit::new(now_ms);
            commit.batch(&partition(leader, "t/table"), rows, now_ms, [&bytes[..]]);
            leader.append(&mut commit).unwrap();
        }
        _ => {
            let (one, two) = (vec![3; dice.below(1_500) as usize + 1], [9; 10]);
            let number = dice.below(1_000).to_le_bytes();
            let mut commit = Commit::new(now_ms);
            let to = partition(leader, "t/in");
            commit.batch(&to, 2, now_ms, [&one[..]]);
            commit.batch(&to, 1, now_ms, [&two[..]]);
            commit.task(&task, None, [&number[..]]);
            commit.entry(&format!("e{}", dice.below(4)), Some(&number));
            leader.append(&mut commit).unwrap();
        }
    }
    if dice.below(3) == 0 {
        leader.sync_step().unwrap();
    }
}

#[test]
fn a_replica_is_a_first_part_of_its_leader_whatever_crashes() {
    let (mut skipped, mut power_cuts, mut promoted) = (0, 0, 0);
    for seed in 1..40u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (disk, mut leader, target) = pair();
        let mut copy = follower(&target);
        let mut now_ms = 0;
        for step in 0..150 {
            now_ms += 5;
            match dice.below(12) {
                0 => {
                    disk.power_cut(seed + step);
                    drop(leader);
                    leader = open(&disk).unwrap();
                }
                1 => {
                    match dice.below(2) {
                        0 => target.kill(),
                        _ => {
                            target.power_cut(seed ^ step);
                            power_cuts += 1;
                        }
                    }
                    drop(copy);
                    copy = open(&target).unwrap();
                    assert_eq!(copy.role(), Role::Replica { leader: "http://leader".into() });
                }
                2 => drop(copy.clean(now_ms).unwrap()),
                3 => drop(copy.sync_step().unwrap()),
                4..6 => {
                    // A connection that breaks anywhere.
                    let bytes = match frames(&leader, &copy, 4_000) {
                        Ok(bytes) => bytes,
                        Err(error) => panic!("seed {seed}: {error}"),
                    };
                    let cut = dice.below(bytes.len() as u64 + 1) as usize;
                    let some = copy.parse_frames(&bytes.slice(..cut)).unwrap();
                    skipped += fetch_snapshots(&disk, &copy, &some);
                    let last = copy.append_frames(&some).unwrap();
                    assert!(last <= leader.durable(), "only what is durable is given away");
                }
                _ => act(&leader, &mut dice, now_ms),
            }
            if step % 50 == 49 {
                catch_up(&disk, &leader, &copy);
                same(&leader, &copy);
            }
        }
        catch_up(&disk, &leader, &copy);
        same(&leader, &copy);
        target.power_cut(seed);
        drop(copy);
        verify_on(&target).unwrap();
        let copy = open(&target).unwrap();
        same(&leader, &copy);
        // It goes on as a leader, and what it removes and carries is right after it was opened.
        assert_eq!(copy.promote(now_ms).unwrap(), 2);
        for _ in 0..60 {
            now_ms += 5;
            act(&copy, &mut dice, now_ms);
        }
        copy.clean(now_ms).unwrap();
        copy.sync_step().unwrap();
        let (end, before) = (copy.log_end().unwrap(), state(&copy));
        let before = (before, all(&partition(&copy, "t/in")), all(&partition(&copy, "t/table")));
        target.power_cut(seed);
        drop(copy);
        let copy = open(&target).unwrap();
        assert_eq!(copy.log_end().unwrap(), end);
        let after =
            (state(&copy), all(&partition(&copy, "t/in")), all(&partition(&copy, "t/table")));
        assert!(before == after, "seed {seed}");
        promoted += 1;
    }
    assert!(skipped > 0 && power_cuts > 50 && promoted == 39, "{skipped} {power_cuts}");
}

#[test]
fn what_is_no_next_frame_is_refused_and_nothing_is_changed() {
    let (disk, leader, target) = pair();
    let copy = follower(&target);
    for _ in 0..3 {
        put(&leader, &partition(&leader, "t/in"), &[1; 104]).unwrap();
    }
    leader.sync_step().unwrap();
    let bytes = frames(&leader, &copy, 1 << 20).unwrap();
    let end = copy.log_end().unwrap();
    // A frame that was cut off is waited for.
    for cut in 0..bytes.len() / 3 {
        assert!(copy.parse_frames(&bytes.slice(..cut)).unwrap().is_empty(), "{cut}");
    }
    for at in 0..bytes.len() / 3 {
        for bit in [0, 7] {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << bit;
            match copy.parse_frames(&damaged.into()) {
                // A length that points behind the end is a frame that is not there yet.
                Ok(frames) => assert!(frames.is_empty() && (4..8).contains(&at), "{at}"),
                Err(error) => assert_eq!(error.code(), "E-REPLICA-FRAME", "{at}"),
            }
        }
    }
    let late = leader.frames(end.0 + 2).unwrap().read(1 << 20).unwrap().concat();
    assert_eq!(copy.parse_frames(&late.into()).err().unwrap().code(), "E-REPLICA-FRAME");
    assert_eq!(copy.log_end().unwrap(), end);
    let frames = copy.parse_frames(&bytes).unwrap();
    assert_eq!((frames.len(), frames.rest()), (3, 0));
    copy.append_frames(&frames).unwrap();
    // Twice is once.
    assert_eq!(copy.append_frames(&frames).err().unwrap().code(), "E-REPLICA-FRAME");
    same(&leader, &copy);
    drop(disk);
}

#[test]
fn another_journal_is_not_followed() {
    let (_, leader, target) = pair();
    let copy = follower(&target);
    let directory = tempfile::tempdir().unwrap();
    let other = Journal::open(directory.path(), config()).unwrap();
    assert_ne!(other.identity(), leader.identity());
    assert_eq!(copy.identity(), leader.identity());
    for _ in 0..20 {
        other.create_topic("t/other", TopicConfig::new(1), 0).ok();
        put(&other, &partition(&other, "t/other"), b"x").unwrap();
    }
    other.sync_step().unwrap();
    let (seq, _) = copy.log_end().unwrap();
    let bytes = other.frames(seq + 1).unwrap().read(1 << 20).unwrap().concat();
    assert_eq!(copy.parse_frames(&bytes.into()).err().unwrap().code(), "E-REPLICA-FRAME");
}

#[test]
fn a_replica_takes_no_commits_of_its_own_and_a_leader_no_frames() {
    let (_, leader, target) = pair();
    put(&leader, &partition(&leader, "t/in"), b"x").unwrap();
    leader.sync_step().unwrap();
    let copy = follower(&target);
    let refused = |error: Error| {
        assert_eq!(error.code(), "E-REPLICA-READ-ONLY");
        assert!(error.to_string().contains("http://leader"), "{error}");
    };
    refused(put(&copy, &partition(&copy, "t/in"), b"x").unwrap_err());
    refused(copy.create_topic("t/new", TopicConfig::new(1), 0).unwrap_err());
    refused(copy.register_task("t/new", 0).unwrap_err());
    let bytes = frames(&leader, &copy, 1 << 20).unwrap();
    let frames = copy.parse_frames(&bytes).unwrap();
    copy.promote(5).unwrap();
    assert_eq!(copy.append_frames(&frames).unwrap_err().code(), "E-REPLICA-NONE");
    put(&copy, &partition(&copy, "t/in"), b"its own").unwrap();
}

#[test]
fn a_fenced_journal_takes_nothing_also_after_it_was_opened_again() {
    let (disk, leader, target) = pair();
    let copy = follower(&target);
    catch_up(&disk, &leader, &copy);
    let shared = leader.appended();
    assert_eq!(copy.promote(7).unwrap(), 2);
    assert_eq!((copy.epoch(), copy.epochs()[1].first_seq), (2, shared + 1));
    // Nobody has told it yet.
    put(&leader, &partition(&leader, "t/in"), b"too late").unwrap();
    leader.sync_step().unwrap();
    let (seq, chain) = copy.log_end().unwrap();
    assert_eq!(
        leader.check_prefix(copy.epoch(), seq, chain).unwrap_err().code(),
        "E-REPLICA-EPOCH"
    );
    leader.fence(2, "http://copy").unwrap();
    for _ in 0..2 {
        let error = put(&leader, &partition(&leader, "t/in"), b"x").unwrap_err();
        assert_eq!(error.code(), "E-REPLICA-FENCED");
        assert!(error.to_string().contains("http://copy"), "{error}");
        assert_eq!(leader.promote(0).unwrap_err().code(), "E-REPLICA-FENCED");
        disk.power_cut(3);
        let again = open(&disk).unwrap();
        assert!(matches!(again.role(), Role::Fenced { epoch: 2, .. }));
        assert_eq!(again.clean(i64::MAX).unwrap(), pelton_journal::CleanReport::default());
        assert!(put(&again, &partition(&again, "t/in"), b"x").is_err());
    }
    // Its one commit more is named, and keeps it from following.
    let old = open(&disk.fork()).unwrap();
    let (seq, chain) = old.log_end().unwrap();
    let error = copy.check_prefix(old.epoch(), seq, chain).unwrap_err();
    assert!(matches!(error, Error::Diverged { first, last } if first == shared + 1 && last == seq));
    // Without one it may follow.
    let before = disk.fork();
    drop(old);
    let clean = open(&before).unwrap();
    assert!(all(&partition(&clean, "t/in")).contains(&b"too late".to_vec()));
}

#[test]
fn an_old_leader_without_a_commit_more_follows_the_new_one() {
    let (disk, leader, target) = pair();
    let copy = follower(&target);
    put(&leader, &partition(&leader, "t/in"), b"shared").unwrap();
    catch_up(&disk, &leader, &copy);
    copy.promote(7).unwrap();
    leader.fence(2, "http://copy").unwrap();
    disk.kill();
    drop(leader);
    let old = open(&disk).unwrap();
    put(&copy, &partition(&copy, "t/in"), b"of the new one").unwrap();
    old.follow("http://copy").unwrap();
    catch_up(&target, &copy, &old);
    same(&copy, &old);
    assert_eq!(old.epoch(), 2);
}

#[test]
fn a_crash_anywhere_in_a_promotion_leaves_a_replica_or_a_leader() {
    let mut seen = [0, 0];
    for operations in 0.. {
        let (_, leader, target) = pair();
        let copy = follower(&target);
        let end = leader.log_end().unwrap();
        let operations_left = Some(operations);
        target.set_faults(Faults { operations_left, ..Faults::default() });
        let result = copy.promote(9);
        target.set_faults(Faults::default());
        target.power_cut(operations + 1);
        drop(copy);
        let copy = open(&target).unwrap();
        match copy.role() {
            Role::Leader => {
                assert_eq!((copy.epoch(), copy.log_end().unwrap().0), (2, end.0 + 1));
                put(&copy, &partition(&copy, "t/in"), b"goes on").unwrap();
                seen[1] += 1;
            }
            Role::Replica { .. } => {
                assert!(result.is_err());
                assert_eq!((copy.epoch(), copy.log_end().unwrap()), (1, end));
                seen[0] += 1;
            }
            other @ Role::Fenced { .. } => panic!("{other:?}"),
        }
        if result.is_ok() {
            break;
        }
    }
    assert!(seen[0] > 0 && seen[1] > 1, "{seen:?}");
}

#[test]
fn commits_that_retention_removed_are_named_and_a_new_copy_is_whole() {
    let (_, leader, target) = pair();
    let copy = follower(&target);
    let to = partition(&leader, "t/in");
    for _ in 0..80 {
        put(&leader, &to, &[5; 1_000]).unwrap();
    }
    leader.sync_step().unwrap();
    leader.clean(0).unwrap();
    let error = frames(&leader, &copy, 1 << 20).unwrap_err();
    assert_eq!(error.code(), "E-REPLICA-BEHIND");
    let directory = tempfile::tempdir().unwrap();
    for crash in [false, true] {
        let mut copying = pelton_journal::Copying::begin(directory.path()).unwrap();
        let full = leader.full_copy().unwrap();
        for file in &full.files {
            copying.file(&file.path, file.size).unwrap();
            for bytes in file.bytes.chunks(1_000) {
                copying.write(bytes).unwrap();
            }
        }
        if crash {
            break;
        }
        assert_eq!(copying.finish(full.seq, "http://leader").unwrap().seq, full.seq);
    }
    // The second one was not finished: the first one is in force.
    let config = Config { segment_bytes: 16 << 10, ..Config::default() };
    let copy = Journal::open(directory.path(), config).unwrap();
    same(&leader, &copy);
    assert!(matches!(copy.role(), Role::Replica { .. }));
}

#[test]
fn a_copy_with_paths_of_its_own_or_damage_is_refused() {
    let (_, leader, _) = pair();
    put(&leader, &partition(&leader, "t/in"), &[5; 104]).unwrap();
    leader.sync_step().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let begin = || pelton_journal::Copying::begin(directory.path()).unwrap();
    for path in ["../x", "/etc/x", "segments/../../x", "LOCK", "ROLE", "segments/", "artefacts/x"] {
        assert_eq!(begin().file(path, 1).unwrap_err().code(), "E-JOURNAL-MALFORMED", "{path}");
    }
    let full = leader.full_copy().unwrap();
    let last = full.files.iter().map(|file| file.bytes.len()).max().unwrap() - 1;
    for at in [0, 9, 100, last] {
        let mut copying = begin();
        for file in &full.files {
            copying.file(&file.path, file.size).unwrap();
            let mut bytes = file.bytes.to_vec();
            if file.path.ends_with(".seg") {
                bytes[at.min(file.bytes.len() - 1)] ^= 4;
            }
            copying.write(&bytes).unwrap();
        }
        assert!(copying.finish(full.seq, "http://leader").is_err(), "{at}");
        assert!(!directory.path().join("FORMAT").exists());
    }
}

#[test]
fn a_full_disk_holds_a_replica_up_and_harms_nothing() {
    let (disk, leader, target) = pair();
    let copy = follower(&target);
    for _ in 0..40 {
        put(&leader, &partition(&leader, "t/in"), &[5; 1_000]).unwrap();
    }
    leader.sync_step().unwrap();
    let full = Faults { capacity_bytes: Some(0), ..Faults::default() };
    target.set_faults(full);
    let bytes = frames(&leader, &copy, 1 << 20).unwrap();
    let received = copy.parse_frames(&bytes).unwrap();
    let error = copy.append_frames(&received).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(copy.log_end().unwrap().0 < leader.appended());
    let read = partition(&copy, "t/in").read(0, Visibility::Appended);
    assert!(read.is_ok(), "reads go on");
    target.set_faults(Faults::default());
    catch_up(&disk, &leader, &copy);
    same(&leader, &copy);
}

#[test]
fn a_torn_write_of_a_frame_is_cut_and_fetched_again() {
    let (disk, leader, target) = pair();
    put(&leader, &partition(&leader, "t/in"), &[5; 1_000]).unwrap();
    leader.sync_step().unwrap();
    for torn in [0, 8, 100, 1_000] {
        let fork = target.fork();
        let hooks = Hooks::new(move |point| match point {
            pelton_journal::Point::AppendBefore => Action::Torn(torn),
            _ => Action::Continue,
        });
        let copy = open_with(&fork, Config { hooks, ..config() }).unwrap();
        copy.follow("http://leader").unwrap();
        let bytes = frames(&leader, &copy, 1 << 20).unwrap();
        let received = copy.parse_frames(&bytes).unwrap();
        assert_eq!(copy.append_frames(&received).unwrap_err().code(), "E-JOURNAL-POISONED");
        fork.kill();
        drop(copy);
        let copy = open(&fork).unwrap();
        catch_up(&disk, &leader, &copy);
        same(&leader, &copy);
    }
}

#[test]
fn a_replica_follows_while_threads_sync_clean_and_snapshot_on_both_sides() {
    let (disk, leader, target) = pair();
    disk.kill();
    drop(leader);
    let threaded = || Config { sync_driver: SyncDriver::Thread, ..config() };
    let leader = open_with(&disk, threaded()).unwrap();
    let copy = open_with(&target, threaded()).unwrap();
    copy.follow("http://leader").unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice(77);
            for now_ms in 0..1_000 {
                // It forgets at once: one that is far behind would need a new copy.
                while copy.appended() < leader.appended() {
                    std::thread::yield_now();
                }
                act(&leader, &mut dice, now_ms);
            }
            leader.wait_durable(leader.appended()).unwrap();
            is_done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                copy.clean(0).unwrap();
                std::thread::yield_now();
            }
        });
        loop {
            let is_last = is_done.load(Ordering::Acquire);
            let bytes = frames(&leader, &copy, 20_000).unwrap();
            if is_last && bytes.is_empty() {
                break;
            }
            let received = copy.parse_frames(&bytes).unwrap();
            fetch_snapshots(&disk, &copy, &received);
            copy.append_frames(&received).unwrap();
        }
    });
    same(&leader, &copy);
    copy.clean(0).unwrap();
    let (one, other) = (leader.segment_count().unwrap(), copy.segment_count().unwrap());
    assert!(other <= one + 2, "the replica frees what the leader frees: {other}, {one}");
}

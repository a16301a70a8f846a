//! The journal against a plain model, with the power cut anywhere: while appending, syncing,
//! sealing, cleaning, publishing a snapshot, opening.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{
    Action, Commit, Config, Error, Hooks, Journal, POINTS, Partition, Point, Retention, Task,
    TopicConfig, Visibility,
};
use proptest::prelude::*;

use crate::support::{config, open_with};

const KEPT: u64 = 6_000;

#[derive(Debug, Clone)]
enum Op {
    Commit {
        batches: Vec<(usize, usize)>,
        is_task: bool,
        is_entry: bool,
    },
    Sync,
    Clean,
    Snapshot,
    Backup,
    Kill,
    PowerCut(u64),
    /// The power goes in the middle of something soon.
    DieAfter(u64),
    Full(bool),
    /// The process stops at this fail point, the so-manieth time.
    StopAt(usize, u32, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let batches = prop::collection::vec((0..2usize, 1..3_000usize), 0..3);
    prop_oneof![
        12 => (batches, any::<bool>(), any::<bool>())
            .prop_map(|(batches, is_task, is_entry)| Op::Commit { batches, is_task, is_entry }),
        4 => Just(Op::Sync),
        2 => Just(Op::Clean),
        2 => Just(Op::Snapshot),
        1 => Just(Op::Backup),
        1 => Just(Op::Kill),
        2 => any::<u64>().prop_map(Op::PowerCut),
        2 => (0..12u64).prop_map(Op::DieAfter),
        1 => any::<bool>().prop_map(Op::Full),
        2 => (0..POINTS.len(), 0..3u32, 0..400usize)
            .prop_map(|(point, after, len)| Op::StopAt(point, after, len)),
    ]
}

/// A commit of the test's own, by what it wrote.
#[derive(Default)]
struct Written {
    batches: Vec<(usize, Vec<u8>)>,
    task: bool,
    entry: bool,
}

#[derive(Default)]
struct Model {
    commits: BTreeMap<u64, Written>,
    /// The highest watermark seen.
    durable: u64,
}

impl Model {
    fn batches(&self, partition: usize) -> impl Iterator<Item = &Vec<u8>> {
        let all = self.commits.values().flat_map(|commit| &commit.batches);
        all.filter(move |(of, _)| *of == partition).map(|(_, bytes)| bytes)
    }

    fn task_commits(&self, up_to: u64) -> Vec<u64> {
        let some = self.commits.range(..=up_to);
        some.filter(|(_, commit)| commit.task).map(|(seq, _)| *seq).collect()
    }

    fn check(&self, journal: &Journal) {
        for number in 0..2 {
            self.check_partition(number, &partition(journal, number));
        }
        let task = task(journal);
        let snapshot = journal.snapshot(&task).unwrap();
        let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        if let Some(snapshot) = snapshot {
            assert!(snapshot.seq <= journal.appended());
            let expected = format!("{:?}", self.task_commits(snapshot.seq));
            assert_eq!(snapshot.bytes, expected);
        }
        let tail: Vec<u64> = task.commits().map(|commit| commit.unwrap().seq).collect();
        let all = self.task_commits(u64::MAX);
        assert_eq!(tail, all.into_iter().filter(|seq| *seq > from).collect::<Vec<_>>());
        let entry = self.commits.iter().rev().find(|(_, commit)| commit.entry);
        let entry = entry.map(|(seq, _)| seq.to_string());
        assert_eq!(
            journal.entry("last").map(|value| value.to_vec()),
            entry.map(String::into_bytes)
        );
    }

    fn check_partition(&self, number: usize, partition: &Partition) {
        let expected: Vec<&Vec<u8>> = self.batches(number).collect();
        let held = partition.offsets();
        assert_eq!(held.end, expected.len() as u64, "nothing lost, nothing twice");
        let kept: usize = expected[held.start as usize..].iter().map(|bytes| bytes.len()).sum();
        let all: usize = expected.iter().map(|bytes| bytes.len()).sum();
        assert!(kept as u64 >= KEPT.min(all as u64), "retention took too much");
        for offset in held {
            let batch = partition.read(offset, Visibility::Appended).unwrap().unwrap();
            assert_eq!(&batch.bytes[..], &expected[offset as usize][..]);
        }
    }
}

type Armed = Arc<Mutex<Option<(Point, u32, usize)>>>;

/// Hooks that stop (or tear) at the point that is armed.
fn hooks(armed: &Armed) -> Hooks {
    let armed = Arc::clone(armed);
    Hooks::new(move |point| match &mut *armed.lock().unwrap() {
        Some((at, 0, len)) if *at == point => Action::Torn(*len),
        Some((at, left, _)) if *at == point => {
            *left -= 1;
            Action::Continue
        }
        _ => Action::Continue,
    })
}

struct World {
    disk: SimDisk,
    config: Config,
    armed: Armed,
    journal: Option<Journal>,
    model: Model,
}

fn partition(journal: &Journal, number: usize) -> Partition {
    journal.topic("t/in").unwrap().partitions()[number].clone()
}

fn task(journal: &Journal) -> Task {
    journal.task("t/f#0").unwrap()
}

impl World {
    fn new(config: Config) -> World {
        let disk = SimDisk::new();
        let armed = Armed::default();
        let config = Config { hooks: hooks(&armed), ..config };
        let journal = open_with(&disk, config.clone()).unwrap();
        let retention = Retention { bytes: Some(KEPT), ..Retention::default() };
        journal.create_topic("t/in", TopicConfig::new(2).with_retention(retention), 0).unwrap();
        journal.register_task("t/f#0", 0).unwrap();
        journal.sync_step().unwrap();
        World { disk, config, armed, journal: Some(journal), model: Model::default() }
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    /// Does one thing; answers whether the journal goes on.
    fn step(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Commit { batches, is_task, is_entry } => self.commit(batches, *is_task, *is_entry),
            Op::Sync => self.journal().sync_step().map(drop),
            Op::Clean => self.journal().clean(0).map(drop),
            Op::Snapshot => {
                let (journal, seq) = (self.journal(), self.journal().appended());
                let mut writer = journal.write_snapshot(&task(journal), seq)?;
                write!(writer, "{:?}", self.model.task_commits(seq)).unwrap();
                writer.publish(0).map(drop)
            }
            Op::Backup => {
                let target = SimDisk::new();
                let report = self.journal().backup_on(&target)?;
                let copy = open_with(&target, crate::support::config()).unwrap();
                assert_eq!(copy.appended(), report.seq);
                self.model.check(&copy);
                Ok(())
            }
            Op::Kill => {
                self.disk.kill();
                self.reopen();
                Ok(())
            }
            Op::PowerCut(seed) => {
                self.power_cut(*seed);
                Ok(())
            }
            Op::DieAfter(operations) => {
                self.disk
                    .set_faults(Faults { operations_left: Some(*operations), ..Faults::default() });
                Ok(())
            }
            Op::StopAt(point, after, len) => {
                *self.armed.lock().unwrap() = Some((POINTS[*point], *after, *len));
                Ok(())
            }
            Op::Full(is_full) => {
                let capacity_bytes = is_full.then_some(0);
                self.disk.set_faults(Faults { capacity_bytes, ..Faults::default() });
                Ok(())
            }
        }
    }

    fn commit(
        &mut self,
        batches: &[(usize, usize)],
        is_task: bool,
        is_entry: bool,
    ) -> Result<(), Error> {
        let seq = self.journal().appended() + 1;
        let filled = batches.iter().map(|(to, len)| (*to, vec![seq as u8; *len]));
        let written = Written { batches: filled.collect(), task: is_task, entry: is_entry };
        let targets = [0, 1].map(|number| partition(self.journal(), number));
        let mut commit = Commit::new(seq as i64);
        for (to, bytes) in &written.batches {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            commit.batch(&targets[*to], 1, 0, [first, second]);
        }
        if is_task {
            commit.task(&task(self.journal()), None, [&b"record"[..]]);
        }
        if is_entry {
            commit.entry("last", Some(seq.to_string().as_bytes()));
        }
        let result = self.journal().append(&mut commit);
        // After a crash in the middle it may be there, or not, but never in parts.
        if !matches!(result, Err(Error::Full { .. })) {
            self.model.commits.insert(seq, written);
        }
        result.map(|answered| assert_eq!(answered, seq))
    }

    fn power_cut(&mut self, seed: u64) {
        self.disk.power_cut(seed);
        self.reopen();
    }

    /// Opens again, however often the power goes meanwhile.
    fn reopen(&mut self) {
        *self.armed.lock().unwrap() = None;
        self.journal = None;
        let mut seed = 0;
        let journal = loop {
            match open_with(&self.disk, self.config.clone()) {
                Ok(journal) => break journal,
                Err(Error::Io { .. }) => {
                    seed += 77;
                    self.disk.power_cut(seed);
                    self.disk.set_faults(Faults::default());
                }
                Err(error) => panic!("{error}"),
            }
        };
        let appended = journal.appended();
        assert!(appended >= self.model.durable, "a durable commit is lost");
        assert_eq!(appended, journal.durable());
        self.model.commits.retain(|seq, _| *seq <= appended);
        self.model.check(&journal);
        self.journal = Some(journal);
    }

    fn run(&mut self, ops: &[Op]) {
        for (at, op) in ops.iter().enumerate() {
            match self.step(op) {
                Ok(()) | Err(Error::Full { .. }) => {}
                Err(Error::Poisoned { .. } | Error::Io { .. }) => {
                    self.disk.set_faults(Faults::default());
                    self.power_cut(at as u64 + 1);
                }
                Err(error) => panic!("{error}"),
            }
            self.model.durable = self.model.durable.max(self.journal().durable());
        }
        self.model.check(self.journal());
        self.disk.set_faults(Faults::default());
        self.power_cut(1);
    }
}

proptest! {
    #[test]
    fn any_history_with_any_crashes_equals_the_model(
        ops in prop::collection::vec(op(), 1..120),
        carry_bytes_max in prop_oneof![Just(0), Just(4_000u64)],
    ) {
        World::new(Config { carry_bytes_max, ..config() }).run(&ops);
    }
}

/// A disk with everything on it: sealed and open segments, indexes, a snapshot.
fn written() -> (SimDisk, Vec<Vec<u8>>) {
    let disk = SimDisk::new();
    let journal = open_with(&disk, config()).unwrap();
    journal.create_topic("t/in", TopicConfig::new(1), 0).unwrap();
    let task = journal.register_task("t/f#0", 0).unwrap();
    let to = partition(&journal, 0);
    let records: Vec<Vec<u8>> = (0..40u8).map(|i| vec![i; 1_000]).collect();
    for bytes in &records {
        let mut commit = Commit::new(0);
        commit.batch(&to, 1, 0, [&bytes[..]]);
        commit.task(&task, None, [&b"record"[..]]);
        journal.append(&mut commit).unwrap();
        journal.sync_step().unwrap();
    }
    let mut writer = journal.write_snapshot(&task, 20).unwrap();
    writer.write_all(b"state").unwrap();
    writer.publish(0).unwrap();
    disk.kill();
    (disk, records)
}

proptest! {
    #[test]
    fn damaged_files_are_refused_or_harmless_and_never_read_as_something_else(
        damage in prop::collection::vec(any::<(u32, u32, u8, u8)>(), 1..6),
    ) {
        let (disk, records) = written();
        let paths = disk.paths();
        for (path, at, byte, len) in damage {
            let path = &paths[path as usize % paths.len()];
            let size = disk.bytes(path).unwrap().len();
            if size > 0 {
                let at = at as usize % size;
                disk.damage(path, at, |bytes| {
                    let len = (usize::from(len) / 4 + 1).min(bytes.len());
                    bytes[..len].fill(byte);
                });
            }
        }
        let Ok(journal) = open_with(&disk, config()) else { return Ok(()) };
        let Ok(topic) = journal.topic("t/in") else { return Ok(()) };
        let to = &topic.partitions()[0];
        for offset in to.offsets() {
            if let Ok(Some(batch)) = to.read(offset, Visibility::Appended) {
                assert_eq!(&batch.bytes[..], &records[batch.base_offset as usize][..]);
            }
        }
        if let Some(task) = journal.task("t/f#0")
            && let Ok(Some(snapshot)) = journal.snapshot(&task)
        {
            assert_eq!(snapshot.bytes, "state");
        }
        let mut commit = Commit::new(0);
        commit.batch(to, 1, 0, [&b"goes on"[..]]);
        journal.append(&mut commit).unwrap();
        journal.sync_step().unwrap();
        journal.clean(0).unwrap();
    }
}

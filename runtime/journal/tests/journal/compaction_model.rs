//! Compaction against a plain map, with the power cut anywhere.

use std::collections::{BTreeMap, HashMap};

use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{
    Cleanup, Compaction, Config, Error, Journal, Partition, TopicConfig, Visibility,
};
use proptest::prelude::*;

use crate::records::{Row, produce, records};
use crate::support::{config, open_with};

const DELETE_RETENTION_MS: u64 = 50;

#[derive(Debug, Clone)]
enum Op {
    /// Key, length of the value (none: a tombstone), timestamp.
    Produce(Vec<(u8, Option<u16>, i8)>),
    Sync,
    /// Some ms later.
    Clean(u8),
    Kill,
    PowerCut(u64),
    DieAfter(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let value = prop_oneof![3 => (0..600u16).prop_map(Some), 1 => Just(None)];
    // Few keys that are written often, and more of them than fit the least memory (56).
    let key = prop_oneof![0..10u8, 0..200u8];
    let rows = prop::collection::vec((key, value, any::<i8>()), 1..16);
    prop_oneof![
        12 => rows.prop_map(Op::Produce),
        4 => Just(Op::Sync),
        3 => (0..40u8).prop_map(Op::Clean),
        1 => Just(Op::Kill),
        1 => any::<u64>().prop_map(Op::PowerCut),
        1 => (0..16u64).prop_map(Op::DieAfter),
    ]
}

/// Every record ever taken: by offset, with the time of its commit.
type History = BTreeMap<u64, (Row, i64)>;

struct World {
    disk: SimDisk,
    config: Config,
    journal: Option<Journal>,
    history: History,
    now_ms: i64,
    durable_end: u64,
}

impl World {
    fn new(config: Config, dirty_percent_min: u8) -> World {
        let disk = SimDisk::new();
        let journal = open_with(&disk, config.clone()).unwrap();
        let compaction = Compaction { delete_retention_ms: DELETE_RETENTION_MS, dirty_percent_min };
        let topic = TopicConfig::new(1).with_cleanup(Cleanup::Compact(compaction));
        journal.create_topic("t/c", topic, 0).unwrap();
        journal.sync_step().unwrap();
        let (history, journal) = (History::new(), Some(journal));
        World { disk, config, journal, history, now_ms: 0, durable_end: 0 }
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn partition(&self) -> Partition {
        self.journal().topic("t/c").unwrap().partitions()[0].clone()
    }

    fn step(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Produce(rows) => {
                let base = self.history.len() as u64;
                let rows: Vec<Row> = rows
                    .iter()
                    .map(|(key, len, time)| {
                        let value = len.map(|len| vec![base as u8; usize::from(len)]);
                        (vec![*key], value, i64::from(*time))
                    })
                    .collect();
                for (row, at) in rows.iter().zip(base..) {
                    self.history.insert(at, (row.clone(), self.now_ms));
                }
                let answered = produce(self.journal(), &self.partition(), &rows, self.now_ms)?;
                assert_eq!(answered, base, "no compaction changes an offset");
            }
            Op::Sync => drop(self.journal().sync_step()?),
            Op::Clean(later) => {
                self.now_ms += i64::from(*later);
                self.journal().clean(self.now_ms)?;
            }
            Op::Kill => {
                self.disk.kill();
                self.reopen();
            }
            Op::PowerCut(seed) => {
                self.disk.power_cut(*seed);
                self.reopen();
            }
            Op::DieAfter(operations) => {
                let operations_left = Some(*operations);
                self.disk.set_faults(Faults { operations_left, ..Faults::default() });
            }
        }
        Ok(())
    }

    fn reopen(&mut self) {
        self.journal = None;
        let mut seed = 0;
        self.journal = loop {
            match open_with(&self.disk, self.config.clone()) {
                Ok(journal) => break Some(journal),
                Err(Error::Io { .. }) => {
                    seed += 77;
                    self.disk.power_cut(seed);
                    self.disk.set_faults(Faults::default());
                }
                Err(error) => panic!("{error}"),
            }
        };
        let end = self.partition().offsets().end;
        assert!(end >= self.durable_end, "a durable record is lost");
        self.history.split_off(&end);
        self.check();
    }

    fn check(&self) {
        let partition = self.partition();
        let end = partition.end(Visibility::Appended);
        assert_eq!(end, self.history.len() as u64);
        let found = records(&partition, Visibility::Appended);
        for (offset, row) in &found {
            assert_eq!(*row, self.history[offset].0, "record {offset} is another one");
        }
        let mut latest: HashMap<&[u8], u64> = HashMap::new();
        for (offset, (row, _)) in &self.history {
            latest.insert(&row.0, *offset);
        }
        for offset in latest.into_values() {
            let (row, time_ms) = &self.history[&offset];
            let age = self.now_ms - time_ms;
            let may_go = row.1.is_none() && age > DELETE_RETENTION_MS as i64;
            assert!(may_go || found.contains_key(&offset), "the latest, {offset}, is gone");
        }
        self.check_deletions(&found);
    }

    /// A key whose tombstone is gone has no older value: nothing comes back.
    fn check_deletions(&self, found: &BTreeMap<u64, Row>) {
        for (offset, row) in found {
            let mut later = self.history.range(offset + 1..).filter(|(_, (of, _))| of.0 == row.0);
            let was_deleted = later.clone().any(|(_, (of, _))| of.1.is_none());
            if was_deleted && row.1.is_some() {
                assert!(later.any(|(at, _)| found.contains_key(at)), "{offset} came back");
            }
        }
    }

    fn run(&mut self, ops: &[Op]) {
        for (at, op) in ops.iter().enumerate() {
            match self.step(op) {
                Ok(()) => {}
                Err(Error::Poisoned { .. } | Error::Io { .. }) => {
                    self.disk.set_faults(Faults::default());
                    self.disk.power_cut(at as u64 + 1);
                    self.reopen();
                }
                Err(error) => panic!("{error}"),
            }
            self.durable_end = self.durable_end.max(self.partition().end(Visibility::Durable));
        }
        self.check();
        self.disk.set_faults(Faults::default());
        self.disk.power_cut(1);
        self.reopen();
        self.check_space();
    }

    /// After enough passes exactly what has to be is there, in as few segments as it takes.
    fn check_space(&mut self) {
        self.now_ms += DELETE_RETENTION_MS as i64 + 1;
        for _ in 0..3 {
            self.journal().clean(self.now_ms).unwrap();
            self.journal().sync_step().unwrap();
        }
        self.check();
        let found = records(&self.partition(), Visibility::Durable);
        let mut latest: HashMap<&[u8], (u64, bool)> = HashMap::new();
        for (offset, (row, _)) in &self.history {
            latest.insert(&row.0, (*offset, row.1.is_some()));
        }
        let live = latest.values().filter(|(_, has_value)| *has_value).count();
        assert_eq!(found.len(), live, "nothing else is left");
        // Sealed segments hold at least as much that is live as what is dead, or next to nothing.
        let count = self.journal().segment_count().unwrap() as u64;
        let most = 2 * self.partition().bytes() / self.config.segment_bytes + 3;
        assert!(count <= most, "{count} segments, of at most {most}");
    }
}

proptest! {
    #[test]
    fn the_latest_record_of_each_key_outlives_any_cleaning_and_any_crash(
        ops in prop::collection::vec(op(), 1..120),
        compaction_bytes_max in prop_oneof![Just(0), Just(64u64 << 10)],
        carry_bytes_max in prop_oneof![Just(0), Just(4_000u64)],
    ) {
        let config = Config { compaction_bytes_max, carry_bytes_max, ..config() };
        World::new(config, 0).run(&ops);
    }
}

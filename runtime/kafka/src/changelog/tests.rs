//! The changelog against a model: what is read back is what was written.

use std::collections::BTreeMap;

use bytes::Bytes;
use pelton_batch::{Batch, OpKind, Operation, OperationsBuilder};
use pelton_core::{Layout, StoreDeclaration, StoreKind, TaskMeta, TaskRecord};

use super::{Change, Index, Restore, class, encode_meta};

type Model = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

/// A compacted topic partition.
#[derive(Default)]
struct Topic(BTreeMap<Vec<u8>, Vec<u8>>);

impl Topic {
    fn write(&mut self, changes: Vec<Change>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }

    fn read(&self) -> (pelton_core::Recovered, Index) {
        let mut restore = Restore::default();
        for (key, value) in &self.0 {
            restore.push(key, Some(value));
        }
        restore.push(&[class::META], Some(&encode_meta(3, &TaskMeta::default()).unwrap()));
        restore.finish().unwrap()
    }
}

fn operation<'a>(kind: OpKind, target: u16, key: &'a [u8], value: &'a [u8]) -> Operation<'a> {
    let value = matches!(kind, OpKind::Put | OpKind::Append).then_some(value);
    Operation {
        row: 0,
        kind,
        cause: 0,
        target,
        key: Some(key),
        value,
        timestamp: None,
        partition: None,
        ttl: 0,
        schema: 0,
    }
}

fn apply(model: &mut Model, operation: &Operation<'_>) {
    let key = operation.key.unwrap().to_vec();
    let value = operation.value.unwrap_or_default().to_vec();
    let slot = (operation.target, key.clone());
    match operation.kind {
        OpKind::Put => drop(model.insert(slot, value)),
        OpKind::Append => model.entry(slot).or_default().extend(value),
        OpKind::Delete => drop(model.remove(&slot)),
        OpKind::DeletePrefix => {
            model.retain(|(target, at), _| *target != operation.target || !at.starts_with(&key));
        }
        other => unreachable!("{other:?}"),
    }
}

fn record(changes: Vec<u8>, layout: Option<Layout>) -> TaskRecord {
    TaskRecord { meta: TaskMeta { layout, ..TaskMeta::default() }, changes: changes.into() }
}

fn replayed(tail: &[TaskRecord]) -> Model {
    let mut model = Model::new();
    for record in tail.iter().filter(|record| !record.changes.is_empty()) {
        let operations = Batch::parse(&record.changes).unwrap().operations().unwrap();
        operations.iter().for_each(|operation| apply(&mut model, &operation));
    }
    model
}

/// xorshift64*: the same numbers for the same seed, everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }
}

#[test]
fn what_is_read_back_is_what_was_written_whatever_is_aborted_between() {
    for seed in 1..=200 {
        let mut numbers = Numbers(seed);
        let (mut topic, mut index, mut model) = (Topic::default(), Index::default(), Model::new());
        for round in 0..30 {
            let mut builder = OperationsBuilder::new();
            let mut after = model.clone();
            for step in 0..numbers.below(8) {
                let kinds = [
                    OpKind::Put,
                    OpKind::Append,
                    OpKind::Append,
                    OpKind::Delete,
                    OpKind::DeletePrefix,
                ];
                let kind = kinds[numbers.below(5) as usize];
                let length = numbers.below(4) as usize;
                let key: Vec<u8> = (0..length).map(|_| numbers.below(2) as u8).collect();
                let value = format!("{round}.{step} ").into_bytes();
                let operation = operation(kind, numbers.below(2) as u16, &key, &value);
                apply(&mut after, &operation);
                builder.push(&operation);
            }
            let changes = index.apply(&record(builder.finish(), None)).unwrap();
            if numbers.below(4) == 0 {
                index.roll_back();
            } else {
                index.accept();
                topic.write(changes);
                model = after;
            }
            let (recovered, read) = topic.read();
            assert_eq!(replayed(&recovered.tail), model, "seed {seed}, round {round}");
            assert_eq!(recovered.sequence, 3);
            if numbers.below(3) == 0 {
                index = read;
            }
        }
    }
}

#[test]
fn a_value_that_is_appended_to_costs_what_is_appended() {
    let mut index = Index::default();
    let mut builder = OperationsBuilder::new();
    for round in 0..100 {
        builder.push(&operation(OpKind::Append, 0, b"key", &[0; 1_000]));
        let changes = index.apply(&record(builder.finish(), None)).unwrap();
        let bytes: usize = changes.iter().map(|(_, value)| value.as_ref().unwrap().len()).sum();
        assert!(bytes < 1_100, "round {round} wrote {bytes} bytes");
        index.accept();
    }
    builder.push(&operation(OpKind::Put, 0, b"key", b"short"));
    let changes = index.apply(&record(builder.finish(), None)).unwrap();
    assert_eq!(changes.iter().filter(|(_, value)| value.is_none()).count(), 99);
}

#[test]
fn stores_keep_their_contents_when_a_deployment_numbers_them_otherwise() {
    let (mut topic, mut index) = (Topic::default(), Index::default());
    let deployments = [vec!["a", "b"], vec!["b", "c"], vec!["c", "a", "b"]];
    for (number, names) in deployments.iter().enumerate() {
        let mut builder = OperationsBuilder::new();
        for (target, name) in names.iter().enumerate() {
            let value = format!("{name} of {number}");
            let (target, value) = (target as u16, value.as_bytes());
            builder.push(&operation(OpKind::Put, target, name.as_bytes(), value));
        }
        topic.write(index.apply(&record(builder.finish(), layout(names))).unwrap());
        index.accept();
        let read = topic.read();
        let known = read.0.tail[0].meta.layout.clone().unwrap();
        for ((target, key), value) in replayed(&read.0.tail) {
            let name = &known.stores[usize::from(target)].name;
            assert_eq!(name.as_bytes(), key, "{}", String::from_utf8_lossy(&value));
        }
        index = read.1;
    }
    let known = topic.read().0.tail[0].meta.layout.clone().unwrap();
    assert_eq!(known.stores.iter().map(|s| &s.name[..]).collect::<Vec<_>>(), ["a", "b", "c"]);
    // The store that the second deployment did not name still has what the first one put.
    let mut second = Topic::default();
    let mut index = Index::default();
    for names in [["a", "b"], ["b", "c"]] {
        let mut builder = OperationsBuilder::new();
        builder.push(&operation(OpKind::Put, 0, names[0].as_bytes(), b"1"));
        let written = record(builder.finish(), layout(&names));
        second.write(index.apply(&written).unwrap());
        index.accept();
    }
    assert_eq!(replayed(&second.read().0.tail).len(), 2);
}

fn layout(names: &[&str]) -> Option<Layout> {
    let store =
        |name: &&str| StoreDeclaration { name: (*name).into(), kind: StoreKind::Kv, schema: 1 };
    Some(Layout { stores: names.iter().map(store).collect(), timers: vec![] })
}

#[test]
fn records_that_cannot_be_read_are_errors_that_say_why() {
    let read = |key: &[u8], value: &[u8]| {
        let mut restore = Restore::default();
        restore.push(key, Some(value));
        restore.push(&[class::META], Some(&encode_meta(1, &TaskMeta::default()).unwrap()));
        restore.finish().map(|_| ()).unwrap_err()
    };
    let key = [class::STATE, 0, 0, 1, b'k', 0, 0, 0, 0];
    assert!(read(&key, &[9, 2, 0]).contains("layout 9"));
    assert!(read(&key, &[1, 200, 0]).contains("unknown kind"));
    assert!(read(&key, &[1, 2]).contains("cut short"));
    assert!(read(&key, &[1, 2, 1, 0]).contains("cut short"));
    assert!(read(&[9, 0, 0, 0, 0, 0, 0, 0], &[1, 2, 0]).contains("unknown kind"));
    assert!(read(&[2, 0], &[1, 2, 0]).contains("cut short"));
    let mut headless = Restore::default();
    headless.push(&key, Some(&[1, 2, 0]));
    assert!(headless.finish().map(|_| ()).unwrap_err().contains("no meta record"));
    let changes = Bytes::from_static(b"no batch");
    let broken = TaskRecord { meta: TaskMeta::default(), changes };
    assert!(Index::default().apply(&broken).unwrap_err().contains("cannot take changes"));
}

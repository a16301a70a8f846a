//! Reading and committing.

use std::future::poll_fn;
use std::task::Poll;

use pelton_batch::RecordsBuilder;
use pelton_core::{Domain, Start, TopicName};

use super::tools::{
    at, at_end, block_on, commit, committed_numbers, numbers, output, owner, push_numbers, read,
    reader, rows, stateless, topic,
};
use super::{Side, World};

fn write_numbers(world: &mut dyn World, topic: &TopicName, range: std::ops::Range<u64>) {
    let mut builder = RecordsBuilder::new();
    push_numbers(&mut builder, &range.collect::<Vec<_>>());
    world.write(topic, 0, &mut builder);
}

pub(super) fn records_come_back(world: &mut dyn World) {
    let topic = topic(world, Side::Output, 3);
    let (mut sink, task) = owner(world);
    assert_eq!(sink.partitions(&topic).expect("partitions"), Some(3));
    let big = vec![7; 200_000];
    let out = output(&topic, 2, |builder| {
        builder.push(Some(b"key"), Some(b"value"), 1_234);
        builder.header("a", Some(b"1")).header("a", None).header("", Some(b""));
        builder.push(Some(b""), Some(b""), 1);
        builder.push(None, Some(b"no key"), 1_700_000_000_000);
        builder.push(Some(b"tombstone"), None, 2);
        builder.push(None, None, 3);
        builder.push(Some(b"big"), Some(&big), 4);
        // Times that not every log can say by itself.
        builder.push(Some(b"epoch"), Some(b"zero"), 0);
        builder.push(Some(b"before"), Some(b"it"), -62_135_596_800_000);
        builder.header("a", Some(b"1"));
    });
    let outputs = [out];
    let taken = commit(&mut *sink, &task, &stateless(&[]), &outputs).expect("commit");
    let again = commit(&mut *sink, &task, &stateless(&[]), &outputs).expect("commit");
    assert!(taken < again, "sequences rise: {taken:?}, {again:?}");
    let mut source = reader(world, Side::Output, &topic, 2, Start::Earliest);
    let found = read(&mut *source, 0, 16);
    let fetch = pelton_core::Fetch {
        batch: outputs[0].batch.clone(),
        rows: 8,
        offsets: pelton_core::Offsets::From(0),
        next: 8,
        producer: None,
    };
    let without_offset = |row: &super::tools::Row| {
        (row.key.clone(), row.value.clone(), row.timestamp, row.headers.clone())
    };
    let sent: Vec<_> = rows(&fetch).iter().map(without_offset).collect();
    let got: Vec<_> = found.iter().map(without_offset).collect();
    assert_eq!(got[..8], sent);
    assert_eq!(got[8..], sent);
    assert!(found.windows(2).all(|pair| pair[0].offset < pair[1].offset), "offsets rise");
    assert!(at_end(&mut *source));
    let mut empty = reader(world, Side::Output, &topic, 0, Start::Earliest);
    assert!(at_end(&mut *empty));
}

pub(super) fn starts(world: &mut dyn World) {
    let topic = topic(world, Side::Input, 1);
    write_numbers(world, &topic, 0..5);
    write_numbers(world, &topic, 5..10);
    let mut source = reader(world, Side::Input, &topic, 0, Start::Earliest);
    let all = read(&mut *source, 0, 10);
    assert!(at_end(&mut *source));
    for row in [0, 3, 5, 9] {
        // In the middle of a batch, too.
        let start = Start::Offset(all[row].offset);
        let mut source = reader(world, Side::Input, &topic, 0, start);
        assert_eq!(source.position(0).expect("position"), all[row].offset);
        assert_eq!(read(&mut *source, 0, 10 - row), all[row..]);
        let start = Start::Time(all[row].timestamp);
        let mut source = reader(world, Side::Input, &topic, 0, start);
        // A batch is found by its highest timestamp: what stands before in it may come too.
        let first = read(&mut *source, 0, 1)[0].clone();
        assert!(first.offset <= all[row].offset, "{first:?}");
    }
    let mut source = reader(world, Side::Input, &topic, 0, Start::Latest);
    assert!(at_end(&mut *source));
    write_numbers(world, &topic, 10..11);
    assert_eq!(read(&mut *source, 0, 1)[0].number(), 10);
}

pub(super) fn seeks(world: &mut dyn World) {
    let topic = topic(world, Side::Input, 1);
    write_numbers(world, &topic, 0..8);
    let mut source = reader(world, Side::Input, &topic, 0, Start::Earliest);
    let all = read(&mut *source, 0, 8);
    for row in [2, 7, 0, 5] {
        source.seek(0, all[row].offset).expect("seek");
        assert_eq!(source.position(0).expect("position"), all[row].offset);
        assert_eq!(read(&mut *source, 0, 8 - row), all[row..]);
    }
    let error = source.seek(0, 1_000).expect_err("beyond the end");
    assert!(!error.retryable, "{error}");
    source.seek(0, all[6].offset).expect("seek");
    assert_eq!(read(&mut *source, 0, 2), all[6..], "a seek that fails harms nothing");
}

pub(super) fn unknown_partitions(world: &mut dyn World) {
    let topic = topic(world, Side::Input, 2);
    let nowhere = TopicName::parse(&world.unique("nowhere")).expect("a name");
    for (topic, partition) in [(&topic, 2), (&nowhere, 0)] {
        let at = at(world, Side::Input, topic, partition);
        let error = world.source(Side::Input).assign(&[(at, Start::Earliest)]).expect_err("none");
        assert_eq!(error.domain, Domain::User, "{error}");
        assert!(error.to_string().contains(topic.name()), "{error}");
    }
    let (mut sink, task) = owner(world);
    assert_eq!(sink.partitions(&nowhere).expect("partitions"), None);
    let outputs = [numbers(&nowhere, 0, &[1])];
    let error = commit(&mut *sink, &task, &stateless(&[]), &outputs).expect_err("no topic");
    assert!(error.to_string().contains(nowhere.name()), "{error}");
}

pub(super) fn pauses(world: &mut dyn World) {
    let topics = [topic(world, Side::Input, 1), topic(world, Side::Input, 1)];
    write_numbers(world, &topics[0], 0..3);
    write_numbers(world, &topics[1], 10..13);
    let inputs = topics.each_ref().map(|topic| at(world, Side::Input, topic, 0));
    let mut source = world.source(Side::Input);
    source.assign(&inputs.map(|input| (input, Start::Earliest))).expect("assign");
    source.pause(0, true);
    let numbers =
        |rows: Vec<super::tools::Row>| rows.iter().map(|r| r.number()).collect::<Vec<_>>();
    assert_eq!(numbers(read(&mut *source, 1, 3)), [10, 11, 12]);
    assert!(source.fetch(0).expect("fetch").is_none());
    source.pause(0, false);
    assert_eq!(numbers(read(&mut *source, 0, 3)), [0, 1, 2]);
}

pub(super) fn wakes(world: &mut dyn World) {
    let topic = topic(world, Side::Input, 1);
    let mut source = reader(world, Side::Input, &topic, 0, Start::Earliest);
    for number in 0..3 {
        let mut written = false;
        let fetch = block_on(poll_fn(|context| {
            loop {
                if let Some(fetch) = source.fetch(0).expect("fetch") {
                    return Poll::Ready(fetch);
                }
                if source.poll_ready(context).is_ready() {
                    continue;
                }
                // Asleep: from here on only the source's own wake-up leads out.
                if !std::mem::replace(&mut written, true) {
                    write_numbers(world, &topic, number..number + 1);
                }
                return Poll::Pending;
            }
        }));
        assert_eq!(rows(&fetch)[0].number(), number);
    }
}

pub(super) fn several_outputs(world: &mut dyn World) {
    let one = topic(world, Side::Output, 2);
    let other = topic(world, Side::Output, 1);
    let (mut sink, task) = owner(world);
    for round in 0..5 {
        let outputs = [
            numbers(&one, 0, &[round]),
            numbers(&one, 1, &[10 + round]),
            numbers(&other, 0, &[20 + round, 30 + round]),
        ];
        commit(&mut *sink, &task, &stateless(&[]), &outputs).expect("commit");
    }
    assert_eq!(committed_numbers(world, &one, 0, 5), [0, 1, 2, 3, 4]);
    assert_eq!(committed_numbers(world, &one, 1, 5), [10, 11, 12, 13, 14]);
    let found = committed_numbers(world, &other, 0, 10);
    assert_eq!(found, [20, 30, 21, 31, 22, 32, 23, 33, 24, 34]);
}

pub(super) fn refused(world: &mut dyn World) {
    let topic = topic(world, Side::Output, 1);
    let nowhere = TopicName::parse(&world.unique("nowhere")).expect("a name");
    let (mut sink, task) = owner(world);
    commit(&mut *sink, &task, &stateless(&[]), &[numbers(&topic, 0, &[1])]).expect("commit");
    // The first output is fine, the second has no topic.
    let outputs = [numbers(&topic, 0, &[2]), numbers(&nowhere, 0, &[2])];
    commit(&mut *sink, &task, &stateless(&[]), &outputs).expect_err("no topic");
    block_on(sink.load(&task)).expect("load");
    commit(&mut *sink, &task, &stateless(&[]), &[numbers(&topic, 0, &[3])]).expect("commit");
    assert_eq!(committed_numbers(world, &topic, 0, 2), [1, 3]);
}

//! Being taken over, starting again, and failing between.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use pelton_batch::{OpKind, Operation, RecordsBuilder};
use pelton_core::{
    Layout, Recovered, Sink, Start, StoreDeclaration, StoreKind, TaskId, TaskRecord, TimeDomain,
    TimerDeclaration, TopicPartition, window::Window,
};
use pelton_state::{StateLayout, TaskState};

use super::tools::{
    at, block_on, commit, committed_numbers, function, meta, numbers, owner, push_numbers, read,
    reader, rows, stateless, task, topic,
};
use super::{Side, World};

fn layout(stores: &[&str]) -> Layout {
    let store = |name: &&str| StoreDeclaration {
        name: (*name).into(),
        kind: StoreKind::Ordered,
        schema: 1,
    };
    let timers = vec![TimerDeclaration { name: "due".into(), domain: TimeDomain::Event }];
    Layout { stores: stores.iter().map(store).collect(), timers }
}

fn state_layout(layout: &Layout) -> StateLayout {
    let Layout { stores, timers } = layout.clone();
    StateLayout { stores, timers, ..StateLayout::default() }
}

/// The state of a task as the engine restores it.
fn restored(recovered: Recovered, layout: &Layout) -> TaskState {
    let mut state = match recovered.snapshot {
        Some(mut snapshot) => {
            TaskState::restore(state_layout(layout), &mut snapshot).expect("a snapshot")
        }
        None => TaskState::new(state_layout(layout)),
    };
    for record in &recovered.tail {
        if let Some(layout) = &record.meta.layout {
            state.relayout(state_layout(layout));
        }
        if !record.changes.is_empty() {
            state.replay(&record.changes).expect("changes");
        }
    }
    state.relayout(state_layout(layout));
    state
}

/// Everything that state can do, somewhere in the rounds.
fn change(state: &mut TaskState, round: u64) {
    let key = format!("key {}", round % 7);
    let operation = |kind, target, timestamp| Operation {
        row: 0,
        kind,
        cause: 0,
        target,
        key: Some(key.as_bytes()),
        value: Some(b"value"),
        timestamp,
        partition: None,
        ttl: 0,
        schema: 1,
    };
    state.begin();
    let mut apply = |kind, target, timestamp, expires| {
        state.apply(&operation(kind, target, timestamp), expires).expect("an operation");
    };
    match round % 6 {
        0 => apply(OpKind::Put, 0, None, Some(10_000 + round as i64)),
        1 => apply(OpKind::Append, 1, None, None),
        2 => apply(OpKind::SetTimer, 0, Some(500 + round as i64), None),
        3 => apply(OpKind::Append, 1, None, None),
        4 if round.is_multiple_of(4) => apply(OpKind::Delete, 0, None, None),
        4 => apply(OpKind::CancelTimer, 0, None, None),
        _ if round.is_multiple_of(5) => apply(OpKind::DeletePrefix, 1, None, None),
        _ => apply(OpKind::Put, 1, None, None),
    }
    let window = Window { start: (round / 8) as i64 * 10, end: (round / 8) as i64 * 10 + 10 };
    state.append_pane(window, Some(key.as_bytes()), b"record", 1).expect("a pane");
    if round % 8 == 7 {
        state.mark_fired(window, Some(key.as_bytes()), true);
    }
    if round % 24 == 23 {
        state.drop_window(window);
    }
    state.accept();
}

pub(super) fn fenced(world: &mut dyn World) {
    let topic = topic(world, Side::Output, 1);
    let function = function(world);
    let task = task(&function, 0);
    let mut first = world.sink(&function, 1);
    block_on(first.load(&task)).expect("load");
    let send = |sink: &mut dyn Sink, number| {
        commit(sink, &task, &stateless(&[]), &[numbers(&topic, 0, &[number])])
    };
    send(&mut *first, 1).expect("the owner commits");
    let mut second = world.sink(&function, 1);
    block_on(second.load(&task)).expect("load");
    let error = send(&mut *first, 2).expect_err("it was taken over");
    assert!(!error.retryable, "{error}");
    send(&mut *second, 3).expect("the new owner commits");
    send(&mut *first, 4).expect_err("trying again does not help");
    send(&mut *second, 5).expect("nor does it harm the new owner");
    assert_eq!(committed_numbers(world, &topic, 0, 3), [1, 3, 5]);
}

pub(super) fn restores(world: &mut dyn World) {
    let inputs = [topic(world, Side::Input, 1), topic(world, Side::Input, 1)];
    let inputs = inputs.each_ref().map(|topic| at(world, Side::Input, topic, 0));
    let function = function(world);
    let task = task(&function, 0);
    let layout = layout(&["a", "b"]);
    let mut state = TaskState::new(state_layout(&layout));
    let mut sink = world.sink(&function, 1);
    let recovered = block_on(sink.load(&task)).expect("load");
    assert!(recovered.snapshot.is_none() && recovered.tail.is_empty());
    assert_eq!(recovered.sequence, 0);
    let mut last = 0;
    for round in 0..60 {
        if round % 20 == 0 && round > 0 {
            sink = world.sink(&function, 1);
            let recovered = block_on(sink.load(&task)).expect("load");
            assert_eq!(recovered.sequence, last);
            check(&recovered, &inputs, round);
            let found = restored(recovered, &layout);
            assert_eq!(found.digest(), state.digest(), "round {round}");
        }
        change(&mut state, round);
        let mut meta = meta(&[(&inputs[0], round + 1), (&inputs[1], 100)]);
        meta.layout = (round % 20 == 0).then(|| layout.clone());
        meta.saved = (round == 5).then(|| b"saved".to_vec());
        let record = TaskRecord { meta, changes: Bytes::from(state.take_changes()) };
        last = commit(&mut *sink, &task, &record, &[]).expect("commit").sequence;
    }
    let mut sink = world.sink(&function, 1);
    let recovered = block_on(sink.load(&task)).expect("load");
    check(&recovered, &inputs, 60);
    assert_eq!(restored(recovered, &layout).digest(), state.digest());
}

fn check(recovered: &Recovered, inputs: &[TopicPartition; 2], round: u64) {
    let last = recovered.tail.last().expect("a record");
    let positions: Vec<_> = last.meta.positions.iter().map(|at| (&at.input, at.next)).collect();
    assert_eq!(positions, [(&inputs[0], round), (&inputs[1], 100)]);
    assert_eq!((last.meta.deployment, last.meta.time_ms, last.meta.watermark), (1, 1_000, 3));
    assert_eq!(last.meta.progress.len(), 2);
    let saved = recovered.tail.iter().rev().find_map(|record| record.meta.saved.as_deref());
    assert_eq!(saved, Some(&b"saved"[..]));
}

pub(super) fn snapshots(world: &mut dyn World) {
    let function = function(world);
    let task = task(&function, 0);
    let layout = layout(&["a", "b"]);
    let mut state = TaskState::new(state_layout(&layout));
    let mut sink = world.sink(&function, 1);
    block_on(sink.load(&task)).expect("load");
    for round in 0..40 {
        change(&mut state, round);
        let mut meta = meta(&[]);
        meta.layout = (round == 0).then(|| layout.clone());
        let record = TaskRecord { meta, changes: Bytes::from(state.take_changes()) };
        let taken = commit(&mut *sink, &task, &record, &[]).expect("commit");
        if round % 10 == 9 {
            let frozen = state.freeze();
            let writer = Box::new(move |out: &mut dyn std::io::Write| frozen.write_to(out));
            block_on(sink.snapshot(&task, taken.sequence, writer)).expect("snapshot");
            while !state.fold(1_000) {}
        }
    }
    let mut sink = world.sink(&function, 1);
    let recovered = block_on(sink.load(&task)).expect("load");
    assert_eq!(restored(recovered, &layout).digest(), state.digest());
}

pub(super) fn relaid(world: &mut dyn World) {
    let function = function(world);
    let task = task(&function, 0);
    let layouts = [&["a", "b"][..], &["b", "c", "a"][..], &["c", "a", "b"][..]].map(layout);
    let mut state = TaskState::new(state_layout(&layouts[0]));
    for (number, layout) in layouts.iter().enumerate() {
        let mut sink = world.sink(&function, 1);
        let recovered = block_on(sink.load(&task)).expect("load");
        state.relayout(state_layout(layout));
        assert_eq!(restored(recovered, layout).digest(), state.digest(), "deployment {number}");
        for round in 0..12 {
            change(&mut state, 100 * number as u64 + round);
            let mut meta = meta(&[]);
            meta.layout = (round == 0).then(|| layout.clone());
            let record = TaskRecord { meta, changes: Bytes::from(state.take_changes()) };
            commit(&mut *sink, &task, &record, &[]).expect("commit");
        }
    }
    let mut sink = world.sink(&function, 1);
    let recovered = block_on(sink.load(&task)).expect("load");
    assert_eq!(restored(recovered, &layouts[2]).digest(), state.digest());
}

/// Copies an input to an output and dies at every turn: before a commit, behind one, or taken over
/// by another owner. What is read back decides where the next life goes on.
pub(super) fn exactly_once(world: &mut dyn World) {
    const RECORDS: u64 = 100;
    let input = topic(world, Side::Input, 1);
    let output = topic(world, Side::Output, 1);
    let mut builder = RecordsBuilder::new();
    for first in (0..RECORDS).step_by(10) {
        push_numbers(&mut builder, &(first..first + 10).collect::<Vec<_>>());
        world.write(&input, 0, &mut builder);
    }
    // What was written may be readable a moment later only; from here on it is.
    let mut all = reader(world, Side::Input, &input, 0, Start::Earliest);
    read(&mut *all, 0, RECORDS as usize);
    let from = at(world, Side::Input, &input, 0);
    let (mut sink, task) = owner(world);
    let mut life = 0;
    loop {
        let recovered = block_on(sink.load(&task)).expect("load");
        let next = recovered.tail.last().map(|record| record.meta.positions[0].next);
        let mut source = world.source(Side::Input);
        let start = next.map_or(Start::Earliest, Start::Offset);
        source.assign(&[(from.clone(), start)]).expect("assign");
        let batches = life % 4;
        let ended = copy(&mut *source, &mut *sink, &task, &from, &output, batches);
        if ended {
            break;
        }
        life += 1;
        if life % 2 == 0 {
            sink = world.sink(&task.function, 1);
        }
    }
    assert!(life > 5, "only {life} lives");
    let expected: Vec<_> = (0..RECORDS).collect();
    assert_eq!(committed_numbers(world, &output, 0, RECORDS as usize), expected);
}

/// Copies so many batches, or up to the end; the next is read and not committed.
fn copy(
    source: &mut dyn pelton_core::Source,
    sink: &mut dyn Sink,
    task: &TaskId,
    from: &TopicPartition,
    to: &pelton_core::TopicName,
    batches: u64,
) -> bool {
    for number in 0..=batches {
        let fetch = block_on(poll_fn(|context| {
            loop {
                if let Some(fetch) = source.fetch(0).expect("fetch") {
                    return Poll::Ready(Some(fetch));
                }
                if source.position(0).expect("position") >= source.end(0).expect("end") {
                    return Poll::Ready(None);
                }
                if source.poll_ready(context).is_pending() {
                    return Poll::Pending;
                }
            }
        }));
        let Some(fetch) = fetch else { return true };
        // No more than seven records at once, so that cuts fall inside of batches.
        let rows = rows(&fetch);
        let taken = rows.len().min(7);
        let next = rows.get(taken).map_or(fetch.next, |row| row.offset);
        if number < batches {
            let found: Vec<_> = rows[..taken].iter().map(super::tools::Row::number).collect();
            let record = stateless(&[(from, next)]);
            commit(sink, task, &record, &[numbers(to, 0, &found)]).expect("commit");
            source.seek(0, next).expect("seek");
        }
    }
    false
}

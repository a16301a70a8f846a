//! A shadow beside a task: the same code does the same, other code differs exactly where it does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use pelton_core::window::Assigner;
use pelton_core::{Fault, FaultKind};
use pelton_engine::{
    Cause, Difference, DifferenceKind, FEED_COMMITS_MAX, Fed, Feed, GuestPool, Replacement, Shadow,
    Step, Tally, Task,
};
use proptest::prelude::*;
use support::functions::*;
use support::{Native, Row, World, declare, native, row};

fn replacement(world: &World, function: &Native, inputs: &[(&str, i64)]) -> Replacement {
    let mut config = world.config(function, inputs);
    config.deployment = 2;
    Replacement { config: Arc::new(config), pool: GuestPool::new(Arc::new(function.clone())) }
}

/// What is in the feed now; `None` where nothing is.
fn next(feed: &Feed) -> Option<Fed> {
    match pin!(feed.next()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(fed) => Some(fed),
        Poll::Pending => None,
    }
}

/// Follows what is in the feed.
fn follow(shadow: &mut Shadow, feed: &Feed) -> (Tally, Vec<Difference>) {
    let (mut tally, mut told) = (Tally::default(), Vec::new());
    while let Some(Fed::Beat(beat)) = next(feed) {
        let (counted, differences) = pollster::block_on(shadow.follow(*beat)).unwrap();
        tally.add(&counted);
        told.extend(differences);
    }
    (tally, told)
}

fn drain(task: &mut Task) {
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
}

/// Runs `old` over `rows`, from the row `begin` on with `new` as its shadow.
fn compare(
    old: &Native,
    new: &Native,
    rows: &[Row],
    begin: usize,
    sizes: &[usize],
    batch: u64,
) -> (Tally, Vec<Difference>, [Vec<Row>; 3]) {
    let world = World::new();
    let mut config = world.config(old, &[("in", 5)]);
    config.limits.set("batch_records", batch).unwrap();
    config.bounded = false;
    config.retry.attempts_max = 1_000;
    let mut task = world.start(old, config);
    let begin = begin.min(rows.len());
    let (mut tally, mut told) = (Tally::default(), Vec::new());
    world.append("in", &rows[..begin], sizes);
    run(&world, &mut task);
    let (seed, feed) = task.shadow(&replacement(&world, new, &[("in", 5)])).unwrap();
    let mut shadow = seed.grow();
    for chunk in rows[begin..].chunks(sizes[0].max(1) * 3) {
        world.append("in", chunk, sizes);
        run(&world, &mut task);
        if chunk.len() % 2 == 0 {
            let (counted, differences) = follow(&mut shadow, &feed);
            tally.add(&counted);
            told.extend(differences);
        }
    }
    let (counted, differences) = follow(&mut shadow, &feed);
    tally.add(&counted);
    told.extend(differences);
    (tally, told, ["out", "late", "dead"].map(|name| world.rows(name)))
}

fn run(world: &World, task: &mut Task) {
    loop {
        match pollster::block_on(task.step()).unwrap() {
            Step::Worked => {}
            Step::Wait { until_ms } => world.clock.set(until_ms),
            Step::Idle { .. } | Step::Finished => return,
        }
    }
}

fn functions() -> Vec<(&'static str, Native)> {
    let tumbling = Assigner::Tumbling { size_ms: 50 };
    let hopping = Assigner::Hopping { size_ms: 50, advance_ms: 20 };
    vec![
        ("even", even()),
        ("sums", sums()),
        ("sessions", sessions(30)),
        ("distinct", distinct(40)),
        ("tumbling", window_sums(tumbling, 0)),
        ("tumbling with grace", window_sums(tumbling, 25)),
        ("hopping", window_sums(hopping, 0)),
        ("contents", window_contents(tumbling, 0)),
        ("contents with grace", window_contents(hopping, 25)),
        ("host sessions", window_histories(Assigner::Session { gap_ms: 25 }, 30)),
        ("contents of sessions", window_contents(Assigner::Session { gap_ms: 25 }, 0)),
    ]
}

/// Keys, values and timestamps that run forward, out of order by up to 30 ms.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let step = (0..4_usize, 0..20_i64, 0..8_i64, 0..30_i64);
    proptest::collection::vec(step, 1..120).prop_map(|steps| {
        let mut now = 1_000;
        let row = |(key, value, forward, back): (usize, i64, i64, i64)| {
            now += forward;
            (Some(format!("k{key}")), Some(value.to_string()), now - back)
        };
        steps.into_iter().map(row).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_same_code_shows_no_difference_and_changes_no_byte(
        rows in rows(),
        begin in 0..120_usize,
        sizes in proptest::collection::vec(1..20_usize, 1..5),
        batch in 1..40_u64,
        seed in any::<u64>(),
    ) {
        for (name, function) in functions() {
            // The task stumbles, the shadow does not; then the other way round.
            for (old, new) in [
                (shaky(&function, seed), function.clone()),
                (function.clone(), shaky_alone(&function, seed)),
            ] {
                let (tally, told, out) = compare(&old, &new, &rows, begin, &sizes, batch);
                prop_assert_eq!(&told, &[], "{}", name);
                prop_assert_eq!(tally.equal(), tally.compared);
                prop_assert_eq!(tally.state, 0, "{}", name);
                prop_assert!(tally.compared >= (rows.len() - begin.min(rows.len())) as u64);
                let calm = World::new();
                let mut config = calm.config(&function, &[("in", 5)]);
                config.bounded = false;
                calm.append("in", &rows, &[1_000]);
                let mut task = calm.start(&function, config);
                run(&calm, &mut task);
                let expected = ["out", "late", "dead"].map(|name| calm.rows(name));
                prop_assert_eq!(out, expected);
            }
        }
    }
}

/// Traps at batches now and then, never at one record.
fn shaky_alone(function: &Native, seed: u64) -> Native {
    let body = Arc::clone(&function.body);
    let calls = AtomicUsize::new(0);
    native(function.declaration.clone(), move |batch, environment, out| {
        let call = calls.fetch_add(1, Ordering::Relaxed) as u64;
        body(batch, environment, out)?;
        let units = match batch.groups() {
            Ok(groups) if batch.kind() != pelton_batch::Kind::Accumulate => groups.len(),
            _ => batch.rows(),
        };
        match pelton_engine::random(seed, call, 0) % 8 {
            0 if units > 1 => Err(Fault::new(FaultKind::Trap, "on purpose")),
            _ => Ok(()),
        }
    })
}

/// As [`sums`], but wrong for one key, and failing at a value.
fn wrong_sums() -> Native {
    let right = sums();
    let body = Arc::clone(&right.body);
    native(right.declaration, move |batch, environment, out| {
        let records = batch.records().unwrap();
        if records.iter().any(|record| record.value() == Some(b"13")) {
            return Err(Fault::new(FaultKind::Trap, "unlucky"));
        }
        if records.iter().all(|record| record.key() != Some(b"odd")) {
            return body(batch, environment, out);
        }
        for record in records.iter() {
            emit(out, record.row(), record.key(), "wrong");
        }
        Ok(())
    })
}

#[test]
fn other_code_differs_exactly_where_it_does() {
    let rows = [
        row("a", "1", 1),
        row("odd", "2", 2),
        row("a", "13", 3),
        row("a", "4", 4),
        row("b", "5", 5),
    ];
    let (tally, told, out) = compare(&sums(), &wrong_sums(), &rows, 1, &[1], 10);
    // The record 13 is missing from the shadow's sum of `a` from then on.
    let found: Vec<_> =
        told.iter().map(|difference| (offset(difference), difference.kind)).collect();
    let different = DifferenceKind::Different;
    assert_eq!(found, [(1, different), (2, DifferenceKind::Fault), (3, different)]);
    let expected =
        Tally { compared: 4, different: 2, only_old: 0, only_new: 0, faults: 1, state: 0 };
    assert_eq!((tally, tally.equal()), (expected, 1));
    assert_eq!(told[0].old.emitted[0].value.as_deref(), Some(&b"2"[..]));
    assert_eq!(told[0].new.emitted[0].value.as_deref(), Some(&b"wrong"[..]));
    assert_eq!(told[1].new.fault.as_deref(), Some("unlucky (E-GUEST-TRAP)"));
    assert_eq!(told[2].new.emitted[0].value.as_deref(), Some(&b"5"[..]));
    assert_eq!(out[0].len(), 5, "the task itself is not touched");
    assert!(out[2].is_empty());
}

fn offset(difference: &Difference) -> u64 {
    match &difference.cause {
        Cause::Record { offset, .. } => *offset,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_filter_that_lets_less_and_more_through_is_told_by_record() {
    let all = native(declare(&["out"]), |batch, _, out| {
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    });
    let rows: Vec<Row> = (0..10).map(|n| row("a", &n.to_string(), n)).collect();
    let (tally, told, _) = compare(&even(), &all, &rows, 0, &[10], 100);
    assert_eq!((tally.only_new, tally.only_old, tally.equal()), (5, 0, 5));
    assert_eq!(told.iter().map(offset).collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
    let (tally, ..) = compare(&all, &even(), &rows, 0, &[10], 100);
    assert_eq!((tally.only_new, tally.only_old, tally.equal()), (0, 5, 5));
}

#[test]
fn windows_and_timers_are_paired_where_they_fire_at_other_times() {
    let tumbling = Assigner::Tumbling { size_ms: 10 };
    let rows: Vec<Row> = (0..40).map(|n| row("a", "1", n)).collect();
    // The same windows, other results.
    let contents = window_contents(tumbling, 0);
    let body = Arc::clone(&contents.body);
    let doubled = native(contents.declaration.clone(), move |batch, environment, out| {
        body(batch, environment, out)?;
        let count = batch.groups().unwrap().len();
        (0..count).for_each(|group| emit(out, group, None, "again"));
        Ok(())
    });
    let (tally, told, _) = compare(&contents, &doubled, &rows, 0, &[7], 100);
    assert_eq!((tally.different, tally.only_new, tally.only_old), (3, 0, 0));
    assert!(matches!(told[0].cause, Cause::Window { start: 0, end: 10, adding: false, .. }));
    // Timers of another gap: each fires on one side only.
    let rows = [row("a", "1", 0), row("b", "1", 50), row("c", "1", 100), row("d", "1", 150)];
    let (tally, told, _) = compare(&sessions(10), &sessions(20), &rows, 0, &[2], 100);
    assert_eq!((tally.different, tally.only_old, tally.only_new), (0, 3, 3), "{told:?}");
    assert!(told.iter().all(|difference| matches!(difference.cause, Cause::Timer { .. })));
}

#[test]
fn state_of_another_schema_version_is_migrated_in_the_copy_alone() {
    let old = versioned_sums(&Versioned::new(0, &[]));
    let new = versioned_sums(&Versioned::new(1, &[0]));
    let world = World::new();
    let mut config = world.config(&old, &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&old, config);
    world.append("in", &[row("a", "1", 1), row("b", "2", 1)], &[1]);
    drain(&mut task);
    let (seed, feed) = task.shadow(&replacement(&world, &new, &[("in", 0)])).unwrap();
    let mut shadow = seed.grow();
    let digest = task.state().digest();
    world.append("in", &[row("a", "4", 2)], &[1]);
    drain(&mut task);
    let (tally, told) = follow(&mut shadow, &feed);
    assert_eq!((tally.compared, &told[..]), (1, &[][..]));
    assert_eq!(task.unmigrated(), 0, "the task's own state stays as it is");
    assert_ne!(task.state().digest(), digest);
    // One that cannot migrate it is stopped; the task goes on.
    let unable = versioned_sums(&Versioned::new(2, &[]));
    let (seed, feed) = task.shadow(&replacement(&world, &unable, &[("in", 0)])).unwrap();
    let mut shadow = seed.grow();
    world.append("in", &[row("a", "1", 3)], &[1]);
    drain(&mut task);
    let Some(Fed::Beat(beat)) = next(&feed) else { panic!("nothing was told") };
    let error = pollster::block_on(shadow.follow(*beat)).unwrap_err();
    assert_eq!(error.code, "E-STATE-MIGRATE");
    assert_eq!(world.rows("out").len(), 4);
}

#[test]
fn a_shadow_that_falls_behind_is_lost_and_the_task_counts_what_it_skipped() {
    let world = World::new();
    let mut config = world.config(&even(), &[("in", 0)]);
    config.bounded = false;
    config.limits.set("batch_records", 1).unwrap();
    let mut task = world.start(&even(), config);
    let (seed, feed) = task.shadow(&replacement(&world, &even(), &[("in", 0)])).unwrap();
    let mut shadow = seed.grow();
    let rows: Vec<Row> = (0..FEED_COMMITS_MAX as i64).map(|n| row("a", "2", n)).collect();
    world.append("in", &rows, &[100]);
    while task.lag().unwrap() > 0 {
        pollster::block_on(task.step()).unwrap();
    }
    assert_eq!((feed.waiting(), feed.skipped()), (FEED_COMMITS_MAX, 0), "at the limit");
    world.append("in", &[row("a", "2", 9_999), row("a", "3", 9_999)], &[2]);
    drain(&mut task);
    assert_eq!((feed.waiting(), feed.skipped()), (FEED_COMMITS_MAX, 2), "one past it");
    let (tally, told) = follow(&mut shadow, &feed);
    assert_eq!((tally.compared, told.len()), (FEED_COMMITS_MAX as u64, 0));
    assert!(matches!(next(&feed), Some(Fed::Lost)));
    // Anew from the state as it is now.
    let (seed, feed) = task.shadow(&replacement(&world, &even(), &[("in", 0)])).unwrap();
    let mut shadow = seed.grow();
    world.append("in", &[row("a", "2", 10_000)], &[1]);
    drain(&mut task);
    assert_eq!(follow(&mut shadow, &feed).0.compared, 1);
    drop(task);
    assert!(matches!(next(&feed), Some(Fed::Ended)));
}

#[test]
fn a_task_keeps_nothing_of_its_calls_before_and_after_it_has_a_shadow() {
    let world = World::new();
    let mut config = world.config(&sums(), &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&sums(), config);
    world.append("in", &[row("a", "1", 1)], &[1]);
    drain(&mut task);
    assert!(!task.has_shadow());
    let (seed, feed) = task.shadow(&replacement(&world, &sums(), &[("in", 0)])).unwrap();
    assert!(task.has_shadow());
    world.append("in", &[row("a", "1", 2)], &[1]);
    drain(&mut task);
    // The commit, and that it rests.
    assert_eq!(feed.waiting(), 2);
    // Copied late: the copy is of the moment at which the shadow began.
    let mut shadow = seed.grow();
    assert_eq!(follow(&mut shadow, &feed).0.equal(), 1);
    feed.close();
    world.append("in", &[row("a", "1", 3)], &[1]);
    drain(&mut task);
    assert!(!task.has_shadow());
    assert!(matches!(next(&feed), Some(Fed::Ended)));
    assert!(task.state().is_folded(), "what was copied is folded back");
}

#[test]
fn other_inputs_and_windows_that_cannot_be_read_are_refused() {
    let world = World::new();
    let tumbling = Assigner::Tumbling { size_ms: 10 };
    let mut config = world.config(&window_sums(tumbling, 0), &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&window_sums(tumbling, 0), config);
    world.append("in", &[row("a", "1", 1)], &[1]);
    drain(&mut task);
    let refused = |task: &mut Task, function: &Native, inputs: &[(&str, i64)]| {
        task.shadow(&replacement(&world, function, inputs)).map(drop).unwrap_err().code
    };
    assert_eq!(refused(&mut task, &even(), &[("in", 0), ("in2", 0)]), "E-SWAP-INPUTS");
    let contents = window_contents(tumbling, 0);
    assert_eq!(refused(&mut task, &contents, &[("in", 0)]), "E-SWAP-WINDOW");
}

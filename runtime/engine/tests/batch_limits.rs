//! Batch limits of inputs, waiting for more, and times to live of stores: what they do, and that no
//! result depends on the first two.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use pelton_core::Clock;
use pelton_core::manifest::BatchLimits;
use pelton_core::window::Assigner;
use pelton_engine::{Step, Task, TaskConfig};
use proptest::prelude::*;
use support::functions::*;
use support::{Native, Row, World, native, row};

fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|at| row(&format!("k{}", at % 3), &at.to_string(), at as i64 * 7)).collect()
}

/// `function`, which notes how many records each of its calls has.
fn noted(function: &Native) -> (Native, Arc<Mutex<Vec<usize>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (body, seen) = (function.body.clone(), calls.clone());
    let noted = native(function.declaration.clone(), move |batch, environment, out| {
        seen.lock().unwrap().push(batch.rows());
        body(batch, environment, out)
    });
    (noted, calls)
}

fn calls(batch: BatchLimits, rows: &[Row]) -> Vec<usize> {
    let world = World::new();
    world.append("in", rows, &[rows.len()]);
    let (function, calls) = noted(&even());
    let mut config = world.config(&function, &[("in", 0)]);
    config.inputs[0].batch = batch;
    world.finish(&mut world.start(&function, config)).unwrap();
    calls.lock().unwrap().clone()
}

#[test]
fn a_call_has_no_more_of_an_input_than_its_limits() {
    let records = |records| BatchLimits { records: Some(records), ..BatchLimits::default() };
    assert_eq!(calls(records(10), &rows(10)), [10]);
    assert_eq!(calls(records(10), &rows(11)), [10, 1]);
    assert_eq!(calls(records(1), &rows(3)), [1, 1, 1]);
    let bytes = |bytes| BatchLimits { bytes: Some(bytes), ..BatchLimits::default() };
    let large: Vec<Row> = (0..4).map(|at| row("k", &"2".repeat(1_000), at)).collect();
    assert_eq!(calls(bytes(1 << 20), &large), [4]);
    assert_eq!(calls(bytes(2_500), &large), [2, 2]);
    assert_eq!(calls(bytes(1), &large), [1, 1, 1, 1], "one record always fits");
}

#[test]
fn the_limit_of_one_of_several_inputs_keeps_their_order() {
    for limit in [1, 2, 5] {
        let world = World::new();
        let numbers = |from: i64| (0..20).map(move |at| row("k", "2", from + at * 10));
        world.append("in", &numbers(0).collect::<Vec<_>>(), &[20]);
        world.append("in2", &numbers(5).collect::<Vec<_>>(), &[20]);
        let (function, calls) = noted(&even());
        let mut config = world.config(&function, &[("in", 0), ("in2", 0)]);
        config.inputs[1].batch.records = Some(limit);
        world.finish(&mut world.start(&function, config)).unwrap();
        let times: Vec<i64> = world.rows("out").iter().map(|row| row.2).collect();
        assert_eq!(times, (0..40).map(|at| at * 5).collect::<Vec<_>>());
        let most = *calls.lock().unwrap().iter().max().unwrap();
        assert_eq!(most, 2 * limit as usize + 1);
    }
}

fn waiting(world: &World, function: &Native) -> TaskConfig {
    TaskConfig { bounded: false, ..world.config(function, &[("in", 0)]) }
}

/// Steps until there is nothing to do, and answers until when.
fn rest(task: &mut Task) -> Option<i64> {
    loop {
        match pollster::block_on(task.step()).unwrap() {
            Step::Worked => {}
            Step::Idle { wake_at_ms } => return wake_at_ms,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn records_wait_for_others_as_long_as_their_input_says() {
    let world = World::new();
    let (function, calls) = noted(&even());
    let mut config = waiting(&world, &function);
    config.inputs[0].batch =
        BatchLimits { records: Some(3), max_wait_ms: 500, ..BatchLimits::default() };
    let mut task = world.start(&function, config);
    let began = world.clock.now_ms();
    rest(&mut task);
    world.append("in", &rows(1), &[1]);
    assert_eq!(rest(&mut task), Some(began + 500));
    world.clock.set(began + 400);
    world.append("in", &rows(1), &[1]);
    assert_eq!(rest(&mut task), Some(began + 500), "the oldest of them counts");
    assert!(calls.lock().unwrap().is_empty());
    world.clock.set(began + 500);
    rest(&mut task);
    assert_eq!(*calls.lock().unwrap(), [2]);
    // As many as fit a call wait for nothing.
    world.append("in", &rows(3), &[3]);
    rest(&mut task);
    assert_eq!(*calls.lock().unwrap(), [2, 3]);
}

#[test]
fn a_commit_interval_lets_records_wait_behind_a_commit() {
    let world = World::new();
    let (function, calls) = noted(&even());
    let config = TaskConfig { commit_interval_ms: 100, ..waiting(&world, &function) };
    let mut task = world.start(&function, config);
    let began = world.clock.now_ms();
    world.append("in", &rows(1), &[1]);
    rest(&mut task);
    assert_eq!(*calls.lock().unwrap(), [1], "the first one waits for nothing");
    world.append("in", &rows(1), &[1]);
    assert_eq!(rest(&mut task), Some(began + 100));
    world.append("in", &rows(1), &[1]);
    world.clock.set(began + 99);
    assert_eq!(rest(&mut task), Some(began + 100));
    world.clock.set(began + 100);
    rest(&mut task);
    assert_eq!(*calls.lock().unwrap(), [1, 2]);
}

#[test]
fn what_is_put_without_a_time_to_live_gets_that_of_its_store() {
    // The values of `sums` are put without one. What `a` holds goes once the third record has come.
    let records =
        [row("a", "2", 0), row("b", "2", 900), row("b", "2", 2_000), row("a", "2", 2_001)];
    for (ttl, last) in [(0, ["4", "4"]), (1_000, ["4", "2"]), (5_000, ["4", "4"])] {
        for size in [1, 2, 4] {
            let world = World::new();
            world.append("in", &records, &[size]);
            let function = sums();
            let config = world.config(&function, &[("in", 0)]);
            let config = TaskConfig { store_ttls: vec![ttl], ..config };
            world.finish(&mut world.start(&function, config)).unwrap();
            let values = world.rows("out").into_iter().map(|row| row.1.unwrap());
            let values: Vec<String> = values.skip(2).collect();
            assert_eq!(values, last, "{ttl} {size}");
        }
    }
}

/// How calls are made up in a run.
#[derive(Debug, Clone)]
struct Cuts {
    sizes: Vec<usize>,
    batch: BatchLimits,
    interval_ms: i64,
    /// Time between two steps, ms.
    pace_ms: i64,
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let sizes = proptest::collection::vec(1..20_usize, 1..5);
    let records = proptest::option::of(1..30_u32);
    let bytes = proptest::option::of(1..3_000_u64);
    (sizes, records, bytes, 0..300_i64, 0..300_i64, 1..100_i64).prop_map(
        |(sizes, records, bytes, max_wait_ms, interval_ms, pace_ms)| {
            let batch = BatchLimits { records, bytes, max_wait_ms };
            Cuts { sizes, batch, interval_ms, pace_ms }
        },
    )
}

fn outputs(function: &Native, rows: &[Row], ttl: i64, cuts: Option<&Cuts>) -> [Vec<Row>; 3] {
    let world = World::new();
    let mut config = waiting(&world, function);
    config.idle_timeout_ms = i64::MAX;
    config.store_ttls = vec![ttl; config.declaration.stores.len()];
    let cuts = cuts.cloned().unwrap_or(Cuts {
        sizes: vec![1],
        batch: BatchLimits::default(),
        interval_ms: 0,
        pace_ms: 1,
    });
    config.inputs[0].batch = cuts.batch;
    config.commit_interval_ms = cuts.interval_ms;
    let mut task = world.start(function, config);
    let (mut rest, mut sizes) = (rows, cuts.sizes.iter().cycle());
    loop {
        let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        if !now.is_empty() {
            world.append("in", now, &[now.len()]);
        }
        rest = later;
        let step = pollster::block_on(task.step()).unwrap();
        world.clock.set(world.clock.now_ms() + cuts.pace_ms);
        let waits =
            matches!(step, Step::Idle { wake_at_ms } if wake_at_ms.is_none_or(|at| at == i64::MAX));
        if waits && rest.is_empty() {
            return ["out", "late", "dead"].map(|name| world.rows(name));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn limits_and_waits_change_no_result(
        steps in proptest::collection::vec((0..4_usize, 0..20_i64, 0..8_i64), 1..100),
        cuts in cuts(),
        ttl in 0..200_i64,
    ) {
        let mut now = 1_000;
        let rows: Vec<Row> = steps.into_iter().map(|(key, value, forward)| {
            now += forward;
            row(&format!("k{key}"), &value.to_string(), now)
        }).collect();
        let tumbling = Assigner::Tumbling { size_ms: 50 };
        for function in [
            even(), sums(), sessions(30), distinct(40), poisoned(&sums()),
            window_sums(tumbling, 0), window_contents(tumbling, 0),
        ] {
            let calm = outputs(&function, &rows, ttl, None);
            prop_assert_eq!(&outputs(&function, &rows, ttl, Some(&cuts)), &calm);
        }
    }
}

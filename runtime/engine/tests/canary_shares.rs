//! A canary: a share of the keys goes through another version, and nobody else notices.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pelton_core::window::Assigner;
use pelton_core::{Fault, FaultKind, StoreDeclaration, StoreKind};
use pelton_engine::{
    CANARY_PARTS, CanaryBoard, CanaryFactory, GuestPool, Parts, Settings, Side, Step, Task, side_of,
};
use proptest::prelude::*;
use support::functions::*;
use support::{Native, Row, World, kv, native, row};

fn factory(old: &Native, new: &Native, parts: u32, board: &Arc<CanaryBoard>) -> CanaryFactory {
    let (old, new) = (Arc::new(old.clone()), Arc::new(new.clone()));
    CanaryFactory::new(old, new, Settings::default(), parts, Arc::clone(board)).unwrap()
}

/// Runs `old` over `rows` with `new` as its canary.
fn run(
    old: &Native,
    new: &Native,
    parts: u32,
    board: &Arc<CanaryBoard>,
    rows: &[Row],
    sizes: &[usize],
    batch: u64,
) -> [Vec<Row>; 3] {
    let world = World::new();
    world.append("in", rows, sizes);
    let mut config = world.config(old, &[("in", 5)]);
    config.limits.set("batch_records", batch).unwrap();
    config.retry.attempts_max = 1_000;
    let parts = Parts {
        config,
        source: world.log.source(),
        sink: world.log.sink(),
        pool: GuestPool::new(Arc::new(factory(old, new, parts, board))),
        clock: world.clock.clone(),
        telemetry: Arc::new(pelton_engine::NoTelemetry),
        peers: None,
    };
    let mut task = pollster::block_on(Task::start(parts)).unwrap();
    world.finish(&mut task).unwrap();
    ["out", "late", "dead"].map(|name| world.rows(name))
}

fn calm(function: &Native, rows: &[Row]) -> [Vec<Row>; 3] {
    let world = World::new();
    world.append("in", rows, &[1_000]);
    world.run(function, &[("in", 5)]);
    ["out", "late", "dead"].map(|name| world.rows(name))
}

fn functions() -> Vec<(&'static str, Native)> {
    let tumbling = Assigner::Tumbling { size_ms: 50 };
    let hopping = Assigner::Hopping { size_ms: 50, advance_ms: 20 };
    let session = Assigner::Session { gap_ms: 25 };
    vec![
        ("even", even()),
        ("sums", sums()),
        ("sessions", sessions(30)),
        ("tumbling", window_sums(tumbling, 0)),
        ("tumbling with grace", window_sums(tumbling, 25)),
        ("hopping", window_sums(hopping, 0)),
        ("contents", window_contents(tumbling, 0)),
        ("contents with grace", window_contents(hopping, 25)),
        ("host sessions", window_histories(session, 25)),
        ("contents of sessions", window_contents(session, 0)),
        ("early", early(&window_histories(tumbling, 25), 3, false)),
        ("by count", early(&window_histories(Assigner::Global, 0), 4, true)),
        ("windows that refuse records", refusing(&window_sums(tumbling, 25))),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let step = (0..9_usize, 0..20_i64, 0..8_i64, 0..30_i64);
    proptest::collection::vec(step, 1..120).prop_map(|steps| {
        let mut now = 1_000;
        let row = |(key, value, forward, back): (usize, i64, i64, i64)| {
            now += forward;
            (Some(format!("k{key}")), Some(value.to_string()), now - back)
        };
        steps.into_iter().map(row).collect()
    })
}

/// Fails in every way that a call can, now and then.
fn faulty(function: &Native, seed: u64) -> Native {
    let body = Arc::clone(&function.body);
    let calls = AtomicU64::new(0);
    native(function.declaration.clone(), move |batch, environment, out| {
        let dice = pelton_engine::random(seed, calls.fetch_add(1, Ordering::Relaxed), 0) % 8;
        body(batch, environment, out)?;
        let (kind, retryable) = match dice {
            0 => (FaultKind::Trap, false),
            1 => (FaultKind::Deadline, false),
            2 => (FaultKind::Failure, true),
            3 => {
                out.forward(u32::MAX, 0);
                return Ok(());
            }
            4 => {
                out.forward(0, 99);
                return Ok(());
            }
            _ => return Ok(()),
        };
        Err(Fault { retryable, ..Fault::new(kind, "on purpose") })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_same_code_and_any_faults_of_the_new_one_change_no_byte(
        rows in rows(),
        sizes in proptest::collection::vec(1..20_usize, 1..5),
        batch in 1..40_u64,
        parts in 0..=CANARY_PARTS,
        faults_max in 0..20_u64,
        seed in any::<u64>(),
    ) {
        for (name, function) in functions() {
            let expected = calm(&function, &rows);
            for new in [function.clone(), faulty(&function, seed)] {
                let board = Arc::new(CanaryBoard::new(faults_max));
                let old = shaky(&function, seed);
                let found = run(&old, &new, parts, &board, &rows, &sizes, batch);
                prop_assert_eq!(&found, &expected, "{}", name);
                prop_assert!(board.counts().faults <= faults_max + 1);
                prop_assert_eq!(board.is_over(), board.counts().faults > faults_max);
            }
        }
    }
}

fn new_side(key: &str, parts: u32) -> bool {
    side_of(key.as_bytes(), parts) == Side::New
}

#[test]
fn keys_of_the_share_go_through_the_new_version_in_their_order() {
    let marked = {
        let plain = sums();
        let body = Arc::clone(&plain.body);
        native(plain.declaration, move |batch, environment, out| {
            body(batch, environment, out)?;
            for record in batch.records().unwrap().iter() {
                emit(out, record.row(), record.key(), "new");
            }
            Ok(())
        })
    };
    let rows: Vec<Row> = (0..2_000).map(|n| row(&format!("k{}", n % 97), "1", n)).collect();
    let board = Arc::new(CanaryBoard::new(0));
    let [out, _, dead] = run(&sums(), &marked, 3_000, &board, &rows, &[300], 1_000);
    assert!(dead.is_empty());
    for key in (0..97).map(|key| format!("k{key}")) {
        let found: Vec<_> = out.iter().filter(|row| row.0.as_ref() == Some(&key)).collect();
        let sums = found.iter().filter(|row| row.1.as_deref() != Some("new"));
        let sums: Vec<usize> = sums.map(|row| row.1.as_ref().unwrap().parse().unwrap()).collect();
        assert!(sums.iter().copied().eq(1..=sums.len()), "{key}: {sums:?}");
        let marks = found.len() - sums.len();
        assert_eq!(marks, if new_side(&key, 3_000) { sums.len() } else { 0 }, "{key}");
    }
    let counts = board.counts();
    assert_eq!(counts.new.units + counts.control.units + counts.old_units, 2_000);
    assert!(counts.new.units > 300 && counts.control.units > 300, "{counts:?}");
    assert_eq!((counts.faults, counts.last_fault), (0, None));
}

#[test]
fn records_without_a_key_are_shared_out_by_their_offset_whatever_the_batches() {
    let none = native(even().declaration, |_, _, _| Ok(()));
    let rows: Vec<Row> = (0..500).map(|n| (None, Some("2".to_owned()), n)).collect();
    let through = |batch: u64| {
        let board = Arc::new(CanaryBoard::new(0));
        let [out, ..] = run(&even(), &none, 2_000, &board, &rows, &[500], batch);
        out.into_iter().map(|row| row.2).collect::<Vec<_>>()
    };
    let found = through(1_000);
    assert!((350..450).contains(&found.len()), "{}", found.len());
    assert_eq!(through(7), found);
}

#[test]
fn other_state_windows_and_outputs_are_refused() {
    let refused = |old: &Native, new: &Native| {
        let (old, new) = (Arc::new(old.clone()), Arc::new(new.clone()));
        let board = Arc::default();
        let error = CanaryFactory::new(old, new, Settings::default(), 1, board).err().unwrap();
        (error.code, error.to_string())
    };
    let mut other = sums();
    let schema = 1;
    other.declaration.stores =
        vec![StoreDeclaration { name: "sums".into(), kind: StoreKind::Kv, schema }];
    let (code, text) = refused(&sums(), &other);
    assert_eq!(code, "E-CANARY-STATE");
    assert!(text.contains("schema") && text.contains("--shadow"), "{text}");
    other.declaration.stores = vec![kv("sums"), kv("more")];
    assert_eq!(refused(&sums(), &other).0, "E-CANARY-STATE");
    let windows = |size_ms| window_sums(Assigner::Tumbling { size_ms }, 0);
    assert_eq!(refused(&windows(10), &windows(20)).0, "E-CANARY-STATE");
    other = sums();
    other.declaration.outputs.push("more".into());
    assert_eq!(refused(&sums(), &other).0, "E-CANARY-STATE");
    other = sums();
    other.declaration.saves = true;
    assert_eq!(refused(&sums(), &other).0, "E-CANARY-STATE");
}

#[test]
fn what_crashes_in_the_middle_of_a_canary_goes_on_where_it_was() {
    let rows: Vec<Row> = (0..400).map(|n| row(&format!("k{}", n % 17), "1", n)).collect();
    let world = World::new();
    world.append("in", &rows, &[23]);
    for steps in [3, 1, 7, usize::MAX] {
        let mut config = world.config(&sums(), &[("in", 5)]);
        config.limits.set("batch_records", 13).unwrap();
        let board = Arc::new(CanaryBoard::new(0));
        let parts = Parts {
            config,
            source: world.log.source(),
            sink: world.log.sink(),
            pool: GuestPool::new(Arc::new(factory(&sums(), &sums(), 5_000, &board))),
            clock: world.clock.clone(),
            telemetry: Arc::new(pelton_engine::NoTelemetry),
            peers: None,
        };
        let mut task = pollster::block_on(Task::start(parts)).unwrap();
        for _ in 0..steps {
            if pollster::block_on(task.step()).unwrap() == Step::Finished {
                break;
            }
        }
    }
    assert_eq!(world.rows("out"), calm(&sums(), &rows)[0]);
}

//! The same input gives the same output, whatever the batches, faults and crashes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_core::window::Assigner;
use pelton_engine::Step;
use proptest::prelude::*;
use support::functions::*;
use support::{Native, Row, World};

fn functions() -> Vec<(&'static str, Native)> {
    let tumbling = Assigner::Tumbling { size_ms: 50 };
    let hopping = Assigner::Hopping { size_ms: 50, advance_ms: 20 };
    let gap = Assigner::Session { gap_ms: 25 };
    vec![
        ("even", even()),
        ("sums", sums()),
        ("sessions", sessions(30)),
        ("distinct", distinct(40)),
        ("even with poison", poisoned(&even())),
        ("sums with poison", poisoned(&sums())),
        ("sessions with poison", poisoned(&sessions(30))),
        ("tumbling", window_sums(tumbling, 0)),
        ("tumbling with grace", window_sums(tumbling, 25)),
        ("hopping", window_sums(hopping, 0)),
        ("contents", window_contents(tumbling, 0)),
        ("contents with grace", window_contents(hopping, 25)),
        ("host sessions", window_histories(gap, 0)),
        ("host sessions with grace", window_histories(gap, 40)),
        ("early", early(&window_histories(tumbling, 25), 3, false)),
        ("early, hopping, discarding", early(&window_histories(hopping, 25), 2, true)),
        ("early sessions", early(&window_histories(gap, 25), 4, false)),
        ("by count", early(&window_histories(Assigner::Global, 0), 5, true)),
        ("contents by count", early(&window_contents(Assigner::Global, 0), 4, true)),
        ("early by time", early_every(&window_histories(hopping, 25), 15, false)),
        ("early by time, discarding", early_every(&window_histories(gap, 0), 10, true)),
        (
            "early by time and count",
            early(&early_every(&window_histories(gap, 9), 7, false), 3, false),
        ),
        ("contents early by time", early_every(&window_contents(tumbling, 10), 20, false)),
        ("everything so far", early_every(&window_histories(Assigner::Global, 0), 30, false)),
        ("by marker", marked(&window_histories(Assigner::Global, 0))),
        (
            "contents by count or marker",
            marked(&early(&window_contents(Assigner::Global, 0), 6, true)),
        ),
        ("tumbling with markers", marked(&window_histories(tumbling, 25))),
        ("sliding", window_histories(Assigner::Sliding { size_ms: 25 }, 0)),
        ("sliding with grace", window_histories(Assigner::Sliding { size_ms: 20 }, 25)),
        ("contents of sliding", window_contents(Assigner::Sliding { size_ms: 25 }, 10)),
        ("contents of sessions", window_contents(gap, 0)),
        ("contents of sessions with grace", window_contents(gap, 40)),
    ]
}

fn outputs(world: &World) -> [Vec<Row>; 3] {
    ["out", "late", "dead"].map(|name| world.rows(name))
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

/// How a run is disturbed.
#[derive(Debug, Clone)]
struct Trouble {
    sizes: Vec<usize>,
    batch: u64,
    seed: u64,
    /// Steps between crashes; full disks at every third.
    lives: Vec<usize>,
    snapshots: bool,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let sizes = proptest::collection::vec(1..20_usize, 1..5);
    let lives = proptest::collection::vec(0..12_usize, 0..6);
    (sizes, 1..40_u64, any::<u64>(), lives, any::<bool>()).prop_map(
        |(sizes, batch, seed, lives, snapshots)| Trouble { sizes, batch, seed, lives, snapshots },
    )
}

fn run_with_trouble(function: &Native, rows: &[Row], trouble: &Trouble) -> [Vec<Row>; 3] {
    let world = World::new();
    world.append("in", rows, &trouble.sizes);
    let shaky = shaky(function, trouble.seed);
    let config = || {
        let mut config = world.config(&shaky, &[("in", 5)]);
        config.limits.set("batch_records", trouble.batch).unwrap();
        config.snapshot_after_bytes = if trouble.snapshots { 1 } else { u64::MAX };
        config.retry.attempts_max = 1_000;
        config
    };
    for (life, steps) in trouble.lives.iter().enumerate() {
        let mut task = world.start(&shaky, config());
        world.log.set_full(life % 3 == 2);
        for _ in 0..*steps {
            match pollster::block_on(task.step()).unwrap() {
                Step::Wait { until_ms } => world.clock.set(until_ms),
                Step::Finished => break,
                _ => {}
            }
        }
        world.log.set_full(false);
        // The task is dropped here, in the middle of whatever it was doing.
    }
    let mut task = world.start(&shaky, config());
    world.finish(&mut task).unwrap();
    outputs(&world)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn cuts_faults_and_crashes_change_no_byte(rows in rows(), trouble in trouble()) {
        for (name, function) in functions() {
            let calm = World::new();
            calm.append("in", &rows, &[1_000]);
            calm.run(&function, &[("in", 5)]);
            let expected = outputs(&calm);
            let found = run_with_trouble(&function, &rows, &trouble);
            let has_poison = rows.iter().any(|(_, value, _)| value.as_deref() == Some("13"));
            if name.ends_with("poison") {
                prop_assert_eq!(!expected[2].is_empty(), has_poison, "{}", name);
            }
            prop_assert_eq!(&found, &expected, "{}", name);
        }
    }
}

//! Windows at their worst: times at both ends, watermarks that jump, many records, many keys, sessions
//! without an end, limits, and a process that dies between what fires and its commit.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::Kind;
use pelton_core::window::{Assigner, CalendarUnit, Shape, WindowSpec, Zone};
use pelton_core::{Fault, FaultKind};
use pelton_engine::Step;
use support::functions::*;
use support::{Native, Row, World, declare, native, row};

const TUMBLING: Assigner = Assigner::Tumbling { size_ms: 10 };

fn assigners() -> Vec<Assigner> {
    let zone = Zone::named("Europe/Berlin").unwrap();
    vec![
        TUMBLING,
        Assigner::Tumbling { size_ms: i64::MAX },
        Assigner::Hopping { size_ms: 10, advance_ms: 4 },
        Assigner::Sliding { size_ms: 10 },
        Assigner::Session { gap_ms: 10 },
        Assigner::Session { gap_ms: i64::MAX },
        Assigner::Calendar { unit: CalendarUnit::Day, zone },
        Assigner::Global,
    ]
}

fn values(world: &World, topic: &str) -> Vec<String> {
    world.rows(topic).into_iter().filter_map(|(_, value, _)| value).collect()
}

/// What comes out, late and dead letters included, with limits.
fn run(function: &Native, rows: &[Row], bound: i64, limits: &[(&str, u64)]) -> [Vec<String>; 3] {
    let world = World::new();
    world.append("in", rows, &[1_000]);
    let mut config = world.config(function, &[("in", bound)]);
    for (name, limit) in limits {
        config.limits.set(name, *limit).unwrap();
    }
    let mut task = world.start(function, config);
    world.finish(&mut task).unwrap();
    ["out", "late", "dead"].map(|topic| values(&world, topic))
}

#[test]
fn records_at_both_ends_of_i64_are_in_a_window_or_late_however_they_are_cut_and_ordered() {
    let ends = [
        row("a", "A", i64::MIN),
        row("a", "B", i64::MIN + 1),
        row("a", "C", -1),
        row("a", "D", 0),
        row("a", "E", i64::MAX - 1),
        row("a", "F", i64::MAX),
    ];
    let mut backwards = ends.clone();
    backwards.reverse();
    for assigner in assigners() {
        for (rows, bound) in
            [(&ends, 0), (&backwards, 0), (&ends, i64::MAX), (&backwards, i64::MAX)]
        {
            let found = [1_u64, 2, 100].map(|size| {
                let function = window_histories(assigner, 5);
                run(&function, rows, bound, &[("batch_records", size)])
            });
            assert!(found.iter().all(|other| *other == found[0]), "{assigner:?}: {found:?}");
            let all = found[0].concat().concat();
            for letter in ["A", "B", "C", "D", "E", "F"] {
                assert!(all.contains(letter), "{assigner:?} lost {letter}: {found:?}");
            }
        }
    }
}

#[test]
fn a_watermark_that_jumps_over_many_windows_fires_each_once_in_order() {
    let windows = 1_000;
    let mut rows: Vec<Row> =
        (0..windows).flat_map(|at| ["a", "b", "c"].map(|key| row(key, "1", at * 10 + 3))).collect();
    rows.reverse();
    rows.push(row("z", "1", windows * 10 + 100_000));
    let world = World::new();
    world.append("in", &rows, &[7]);
    world.run(&window_sums(TUMBLING, 0), &[("in", 50_000)]);
    let out = world.rows("out");
    assert_eq!(out.len(), 3_001);
    assert!(out.is_sorted_by_key(|(key, _, time)| (*time, key.clone())));
    assert!(world.rows("late").is_empty() && world.rows("dead").is_empty());
}

/// Tells how many records a piece of a window's contents has, and whether it is the last.
fn piece_sizes() -> Native {
    let mut declaration = declare(&["out"]);
    declaration.window = Some(WindowSpec::new(TUMBLING, Shape::Contents));
    native(declaration, |batch, _, out| {
        let groups = batch.groups().unwrap();
        for group in groups.iter() {
            let rows = groups.rows(group.index).count();
            let last = group.pane.has(pelton_batch::Pane::LAST);
            emit(out, group.index, group.key, &format!("{rows} {last}"));
        }
        Ok(())
    })
}

#[test]
fn a_key_with_a_million_records_in_one_window_is_counted_whole() {
    let rows = vec![row("a", "1", 3); 1_000_000];
    let [out, late, dead] = run(&window_sums(TUMBLING, 0), &rows, 0, &[]);
    assert_eq!(out, ["0: 1000000 1000000"]);
    assert!(late.is_empty() && dead.is_empty());
    let [out, late, dead] = run(&piece_sizes(), &rows, 0, &[]);
    let told = out.iter().map(|piece| piece.split_once(' ').unwrap());
    let (counts, last): (Vec<u64>, Vec<&str>) =
        told.map(|(count, last)| (count.parse::<u64>().unwrap(), last)).unzip();
    assert_eq!(counts.iter().sum::<u64>(), 1_000_000);
    assert!(counts.len() > 1, "in pieces");
    assert_eq!(last.iter().filter(|last| **last == "true").count(), 1);
    assert!(late.is_empty() && dead.is_empty());
}

#[test]
fn contents_are_no_larger_than_a_batch_for_all_that_their_key_is_long() {
    let rows = vec![row(&"k".repeat(10_000), "", 3); 1_000];
    let limits = [("batch_bytes", 1 << 20)];
    // A piece ends with the record that makes it as large as a batch: 105 times the key and its row.
    let [out, ..] = run(&piece_sizes(), &rows, 0, &limits);
    assert_eq!(out[..2], ["105 false", "105 false"]);
    assert_eq!(out.last().unwrap(), "55 true");
    // Without key and value a record still takes its timestamp.
    let rows = vec![row("", "", 3); 200_000];
    let [out, ..] = run(&piece_sizes(), &rows, 0, &limits);
    assert_eq!(out, ["65536 false", "65536 false", "65536 false", "3392 true"]);
}

#[test]
fn a_million_keys_in_one_window_are_as_many_as_a_task_may_have() {
    let rows: Vec<Row> = (0..1_000_000).map(|key| row(&key.to_string(), "1", 3)).collect();
    let [out, _, dead] = run(&window_sums(TUMBLING, 0), &rows, 0, &[]);
    assert_eq!((out.len(), dead.len()), (1_000_000, 0));
}

#[test]
fn the_key_that_is_one_pane_too_many_is_given_up_alone() {
    let mut rows: Vec<Row> = (0..101).map(|key| row(&format!("k{key:03}"), "1", 3)).collect();
    // A key that is there already goes on.
    rows.push(row("k000", "1", 4));
    // The record that ends the window comes before it ends; behind it there is room again.
    rows.extend([row("ends", "1", 20), row("next", "1", 20)]);
    for (assigner, batch) in
        [(TUMBLING, 1), (TUMBLING, 1_000), (Assigner::Session { gap_ms: 5 }, 7)]
    {
        for function in [window_sums(assigner, 0), window_contents(assigner, 0)] {
            let limits = [("panes", 100), ("batch_records", batch)];
            let [out, late, dead] = run(&function, &rows, 0, &limits);
            assert_eq!((out.len(), late.len(), dead.len()), (101, 0, 2), "{assigner:?} {batch}");
        }
    }
}

#[test]
fn contents_at_their_limit_are_told_and_the_record_past_it_is_given_up_alone() {
    // A record takes 14 bytes beside its value.
    let rows: Vec<Row> = ["1234", "12345", "1"].map(|value| row("a", value, 3)).into();
    let others = [row("b", "9", 4), row("a", "1", 13)];
    let rows = [rows, others.into()].concat();
    let function = window_contents(TUMBLING, 0);
    for batch in [1, 2, 100] {
        let with =
            |bytes| run(&function, &rows, 0, &[("pane_bytes", bytes), ("batch_records", batch)]);
        let whole = 3 * 14 + 10;
        assert_eq!(with(whole), [vec!["0: 3 13580", "0: 1 9", "10: 1 1"], vec![], vec![]]);
        assert_eq!(with(whole - 1), [vec!["0: 2 13579", "0: 1 9", "10: 1 1"], vec![], vec!["1"]]);
    }
}

#[test]
fn a_session_that_never_closes_keeps_one_accumulator_and_is_told_at_the_end() {
    let rows: Vec<Row> = (0..100_000).map(|at| row("a", "1", at * 10)).collect();
    let session = Assigner::Session { gap_ms: 10 };
    // Two panes at once: as it was, and as it grows.
    let function = window_sums(session, 0);
    let [out, late, dead] = run(&function, &rows, 1, &[("panes", 2), ("pane_bytes", 64)]);
    assert_eq!(out, ["0: 100000 100000"]);
    assert!(late.is_empty() && dead.is_empty());
}

#[test]
fn a_trap_in_merge_gives_up_the_record_between_and_keeps_both_sessions() {
    let session = Assigner::Session { gap_ms: 10 };
    let function = window_histories(session, 0);
    let body = function.body.clone();
    let function = native(function.declaration.clone(), move |batch, environment, out| {
        if batch.kind() == Kind::Merge {
            return Err(Fault::new(FaultKind::Trap, "unreachable"));
        }
        body(batch, environment, out)
    });
    let rows = [
        row("a", "x", 0),
        row("b", "o", 1),
        row("a", "y", 16),
        row("a", "m", 8),
        row("a", "z", 20),
    ];
    for batch in [1, 2, 100] {
        let [out, late, dead] = run(&function, &rows, 100, &[("batch_records", batch)]);
        assert_eq!(out, ["0..10 #0: x", "1..11 #0: o", "16..30 #0: yz"]);
        assert_eq!(dead, ["m"]);
        assert!(late.is_empty());
    }
}

#[test]
fn a_process_that_dies_between_what_fires_and_its_commit_tells_it_once() {
    let rows = [row("a", "1", 1), row("b", "2", 2), row("a", "3", 11), row("a", "4", 25)];
    for assigner in [TUMBLING, Assigner::Session { gap_ms: 5 }, Assigner::Sliding { size_ms: 5 }] {
        for function in [window_sums(assigner, 0), window_contents(assigner, 0)] {
            let told = |steps_before| {
                let world = World::new();
                world.append("in", &rows, &[1]);
                let config = || world.config(&function, &[("in", 0)]);
                let mut task = world.start(&function, config());
                let mut step = || pollster::block_on(task.step()).unwrap();
                let ends = (0..steps_before).any(|_| step() == Step::Finished);
                // The log takes no commit: what the next calls do is lost with the process.
                world.log.set_full(true);
                for _ in 0..3 {
                    step();
                }
                drop(task);
                world.log.set_full(false);
                let mut again = world.start(&function, config());
                world.finish(&mut again).unwrap();
                (ends, world.rows("out"))
            };
            let calm = World::new();
            calm.append("in", &rows, &[1]);
            calm.run(&function, &[("in", 0)]);
            let ends = (0..1_000).find(|steps| {
                let (ends, out) = told(*steps);
                assert_eq!(out, calm.rows("out"), "{assigner:?}, killed behind step {steps}");
                ends
            });
            assert!(ends.is_some_and(|steps| steps > 4), "{ends:?}");
        }
    }
}

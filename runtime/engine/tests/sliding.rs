//! Sliding windows: one for each distinct set of records that lie within their size.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use pelton_core::window::Assigner;
use proptest::prelude::*;
use support::functions::*;
use support::{Row, World, row};

const SIZE: i64 = 10;
const SLIDING: Assigner = Assigner::Sliding { size_ms: SIZE };

fn told(rows: &[Row], orderness: i64, grace: i64) -> (Vec<String>, Vec<Row>) {
    let function = window_histories(SLIDING, grace);
    let world = World::new();
    world.append("in", rows, &[100]);
    let task = world.run(&function, &[("in", orderness)]);
    assert_eq!(task.state().pane_count(), 0, "nothing is left at the end");
    assert!(world.rows("dead").is_empty());
    let out = world.rows("out").into_iter().filter_map(|(_, value, _)| value);
    (out.collect(), world.rows("late"))
}

#[test]
fn there_is_one_for_each_set_that_comes_about_while_time_goes_on() {
    let (windows, late) = told(&[row("a", "x", 0), row("a", "y", 5), row("a", "z", 30)], 0, 0);
    let expected = ["-9..1 #0: x", "-4..6 #0: xy", "1..11 #0: y", "21..31 #0: z"];
    assert_eq!((windows, late.len()), (expected.map(String::from).to_vec(), 0));
}

#[test]
fn records_that_lie_a_size_apart_are_in_no_window_together_and_one_less_are() {
    let apart = told(&[row("a", "x", 0), row("a", "y", 10)], 0, 0).0;
    assert_eq!(apart, ["-9..1 #0: x", "1..11 #0: y"]);
    let near = told(&[row("a", "x", 0), row("a", "y", 9)], 0, 0).0;
    assert_eq!(near, ["-9..1 #0: x", "0..10 #0: xy", "1..11 #0: y"]);
}

#[test]
fn records_of_one_time_come_in_and_go_out_together() {
    let windows = told(&[row("a", "x", 3), row("a", "y", 3), row("a", "z", 4)], 5, 0).0;
    assert_eq!(windows, ["-6..4 #0: xy", "-5..5 #0: xyz", "4..14 #0: z"]);
}

#[test]
fn a_record_out_of_order_makes_the_windows_that_it_would_have_made_in_order() {
    let mut rows = vec![row("a", "x", 0), row("a", "y", 5), row("a", "z", 12), row("b", "o", 1)];
    let sorted = told(&rows, 20, 0).0;
    rows.rotate_left(2);
    assert_eq!(told(&rows, 20, 0).0.len(), sorted.len());
}

#[test]
fn within_the_grace_a_window_fires_again_with_a_late_record_and_past_it_the_record_is_late() {
    let rows = [row("a", "x", 0), row("a", "o", 8), row("b", "-", 20), row("a", "y", 6)];
    let (windows, late) = told(&rows, 0, 14);
    let of_a: Vec<&str> =
        windows.iter().map(String::as_str).filter(|window| !window.ends_with('-')).collect();
    let on_time = ["-9..1 #0: x", "-1..9 #0: xo", "1..11 #0: o"];
    let again = ["-3..7 #0: xy", "-1..9 #1: xoy", "1..11 #1: oy", "7..17 #0: o"];
    assert_eq!((of_a, late.len()), (on_time.iter().chain(&again).copied().collect::<Vec<_>>(), 0));
    let (windows, late) = told(&rows, 0, 13);
    assert_eq!(late.len(), 0, "it is in time for windows that end later");
    assert!(!windows.iter().any(|window| window.starts_with("-3..7")), "{windows:?}");
    let far = [row("a", "x", 0), row("a", "o", 30), row("a", "y", 6)];
    assert_eq!(told(&far, 0, 0).1, [row("a", "y", 6)]);
}

/// Every set that a window of the size holds at some place, by brute force.
fn model(rows: &[Row]) -> BTreeSet<(i64, String, String)> {
    let mut keys: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for (key, value, time) in rows {
        let of_key = keys.entry(key.clone().unwrap()).or_default();
        of_key.push((*time, value.clone().unwrap()));
    }
    let mut windows = BTreeSet::new();
    for (key, records) in keys {
        let times = records.iter().map(|(time, _)| *time);
        let (first, last) = (times.clone().min().unwrap(), times.max().unwrap());
        let mut before = Vec::new();
        for end in first..=last + SIZE + 1 {
            let within = records.iter().filter(|(time, _)| (end - SIZE..end).contains(time));
            let now: Vec<_> = within.cloned().collect();
            if now != before && !now.is_empty() {
                let mut values: Vec<_> = now.iter().map(|(_, value)| value.as_str()).collect();
                values.sort_unstable();
                windows.insert((end, key.clone(), values.concat()));
            }
            before = now;
        }
    }
    windows
}

fn found(rows: &[Row], sizes: &[usize], batch: u64) -> Vec<(i64, String, String)> {
    let world = World::new();
    world.append("in", rows, sizes);
    let function = window_histories(SLIDING, 0);
    let mut config = world.config(&function, &[("in", 40)]);
    config.limits.set("batch_records", batch).unwrap();
    let mut task = world.start(&function, config);
    world.finish(&mut task).unwrap();
    assert_eq!(task.state().pane_count(), 0, "nothing is left at the end");
    let window = |(key, value, time): Row| {
        let mut values: Vec<char> = value.unwrap().split(": ").nth(1).unwrap().chars().collect();
        values.sort_unstable();
        (time + 1, key.unwrap(), values.into_iter().collect())
    };
    world.rows("out").into_iter().map(window).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_windows_are_all_the_sets_and_each_once(
        steps in proptest::collection::vec((0..3_usize, 0..5_i64, 0..30_i64), 1..120),
        sizes in proptest::collection::vec(1..20_usize, 1..4),
        batch in 1..60_u64,
    ) {
        let mut now = 100;
        let letters = ('a'..='z').cycle();
        let rows: Vec<Row> = steps.iter().zip(letters).map(|((key, forward, back), letter)| {
            now += forward;
            row(&format!("k{key}"), &letter.to_string(), now - back)
        }).collect();
        let found = found(&rows, &sizes, batch);
        let distinct: BTreeSet<_> = found.iter().cloned().collect();
        prop_assert_eq!(distinct.len(), found.len(), "a window fires once");
        prop_assert_eq!(distinct, model(&rows));
    }
}

//! When windows fire before their time, and what they hold after that.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::{Kind, OpKind};
use pelton_core::window::Assigner;
use support::functions::*;
use support::{Native, Row, World, native, row};

const TUMBLING: Assigner = Assigner::Tumbling { size_ms: 10 };

/// Values and times of what comes out, however the input is cut.
fn run(function: &Native, rows: &[Row]) -> Vec<(String, i64)> {
    let found = [1, 2, 3, 100].map(|size| {
        let world = World::new();
        world.append("in", rows, &[size]);
        world.run(function, &[("in", 0)]);
        assert_eq!((world.rows("late").len(), world.rows("dead").len()), (0, 0));
        let out = world.rows("out").into_iter();
        out.filter_map(|(_, value, time)| Some((value?, time))).collect::<Vec<_>>()
    });
    assert!(found.iter().all(|other| *other == found[0]), "it depends on the cuts: {found:?}");
    found[0].clone()
}

fn texts(told: &[(String, i64)]) -> Vec<&str> {
    told.iter().map(|(text, _)| text.as_str()).collect()
}

fn letters(key: &str, text: &str, start: i64) -> Vec<Row> {
    let rows = text.chars().zip(start..);
    rows.map(|(letter, time)| row(key, &letter.to_string(), time)).collect()
}

#[test]
fn a_window_fires_early_after_every_so_many_records_and_again_at_its_end() {
    let function = early(&window_histories(TUMBLING, 0), 2, false);
    let told = run(&function, &letters("a", "abcde", 0));
    assert_eq!(texts(&told), ["0..10 #0: ab", "0..10 #1: abcd", "0..10 #2: abcde"]);
    let exactly = run(&function, &letters("a", "ab", 0));
    assert_eq!(
        texts(&exactly),
        ["0..10 #0: ab", "0..10 #1: ab"],
        "the last word is said at the end"
    );
}

#[test]
fn with_discard_it_begins_anew_and_has_no_more_to_say_where_nothing_came() {
    let function = early(&window_histories(TUMBLING, 0), 2, true);
    let told = run(&function, &letters("a", "abcde", 0));
    assert_eq!(texts(&told), ["0..10 #0: ab", "0..10 #1: cd", "0..10 #2: e"]);
    assert_eq!(texts(&run(&function, &letters("a", "ab", 0))), ["0..10 #0: ab"]);
}

#[test]
fn with_discard_late_records_are_told_alone() {
    let function = with_window(&window_histories(TUMBLING, 20), |spec| spec.discard = true);
    let rows = [row("a", "x", 1), row("a", "o", 12), row("a", "y", 2), row("a", "z", 3)];
    let told = run(&function, &rows);
    assert_eq!(texts(&told), ["0..10 #0: x", "0..10 #1: y", "0..10 #2: z", "10..20 #0: o"]);
}

#[test]
fn windows_by_count_hold_so_many_records_of_a_key_whenever_they_come() {
    let function = early(&window_histories(Assigner::Global, 0), 3, true);
    let mut rows = letters("a", "abcd", 10);
    rows.splice(1..1, letters("b", "xy", 500));
    let told = run(&function, &rows);
    let histories: Vec<_> = told.iter().map(|(text, _)| text.split(": ").nth(1).unwrap()).collect();
    assert_eq!(histories, ["abc", "d", "xy"], "what is not full is told at the end of the input");
    assert!(told.iter().all(|(_, time)| *time == 501), "the highest timestamp so far: {told:?}");
}

#[test]
fn a_later_run_goes_on_with_windows_by_count() {
    let function = early(&window_histories(Assigner::Global, 0), 3, true);
    let world = World::new();
    for part in ["ab", "cde"] {
        world.append("in", &letters("a", part, 10), &[2]);
        world.run(&function, &[("in", 0)]);
    }
    assert!(world.rows("late").is_empty());
    let values = world.rows("out").into_iter().filter_map(|(_, value, _)| value);
    let histories: Vec<_> =
        values.map(|text| text.split(": ").nth(1).unwrap().to_owned()).collect();
    assert_eq!(histories, ["ab", "cde"]);
}

#[test]
fn a_record_that_fills_several_windows_fires_them_all_one_by_one() {
    let hopping = Assigner::Hopping { size_ms: 10, advance_ms: 5 };
    let function = early(&window_histories(hopping, 0), 2, true);
    let told = run(&function, &letters("a", "ab", 6));
    assert_eq!(texts(&told), ["0..10 #0: ab", "5..15 #0: ab"]);
}

#[test]
fn a_guest_that_fires_several_windows_at_once_loses_none() {
    let hopping = Assigner::Hopping { size_ms: 10, advance_ms: 5 };
    let histories = window_histories(hopping, 0);
    let body = histories.body.clone();
    let function = native(histories.declaration.clone(), move |batch, environment, out| {
        body(batch, environment, out)?;
        if batch.kind() == Kind::Accumulate {
            for group in 0..batch.groups().unwrap().len() {
                out.push(&op(OpKind::FireWindow, group));
            }
        }
        Ok(())
    });
    let told = run(&function, &letters("a", "ab", 6));
    let expected = [
        "0..10 #0: a",
        "5..15 #0: a",
        "0..10 #1: ab",
        "5..15 #1: ab",
        "0..10 #2: ab",
        "5..15 #2: ab",
    ];
    assert_eq!(texts(&told), expected);
}

#[test]
fn an_early_window_that_is_poison_takes_no_other_with_it() {
    let hopping = Assigner::Hopping { size_ms: 10, advance_ms: 5 };
    let histories = early(&window_histories(hopping, 0), 2, true);
    let body = histories.body.clone();
    let function = native(histories.declaration.clone(), move |batch, environment, out| {
        let finishes = batch.kind() == Kind::Finish;
        if finishes && batch.groups().unwrap().iter().any(|group| group.start == 0) {
            return Err(pelton_core::Fault::new(pelton_core::FaultKind::Trap, "boom"));
        }
        body(batch, environment, out)
    });
    let world = World::new();
    world.append("in", &letters("a", "ab", 6), &[2]);
    world.run(&function, &[("in", 0)]);
    assert_eq!(world.rows("out"), [row("a", "5..15 #0: ab", 14)]);
    assert_eq!(world.rows("dead"), [row("a", "ab", 9)]);
}

//! When windows fire before their time, and what they hold after that.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::{Kind, OpKind, Pane};
use pelton_core::Clock as _;
use pelton_core::window::{Assigner, CalendarUnit, Zone};
use pelton_engine::{Step, Task};
use support::functions::*;
use support::{MARKED, Native, Row, World, native, row};

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

#[test]
fn a_window_that_fired_early_is_on_time_at_its_end_and_late_after_it() {
    let function = early(&window_histories(TUMBLING, 20), 2, false);
    let body = function.body.clone();
    let function = native(function.declaration, move |batch, environment, out| {
        if batch.kind() == Kind::Finish {
            for group in batch.groups().unwrap().iter() {
                let pane = group.pane;
                let flags = (pane.number(), pane.has(Pane::EARLY), pane.has(Pane::LATE));
                emit(out, group.index, group.key, &format!("{flags:?}"));
            }
            return Ok(());
        }
        body(batch, environment, out)
    });
    let rows = [row("a", "x", 1), row("a", "y", 2), row("b", "o", 11), row("a", "z", 3)];
    let told = run(&function, &rows);
    let of_a = ["(0, true, false)", "(1, false, false)", "(2, false, true)"];
    assert_eq!(texts(&told)[..3], of_a);
}

#[test]
fn windows_fire_early_with_each_so_much_event_time_where_something_has_come() {
    let function =
        early_every(&window_histories(Assigner::Tumbling { size_ms: 100 }, 0), 10, false);
    let rows = [
        row("a", "x", 3),
        row("b", "u", 4),
        row("a", "y", 12),
        row("a", "z", 13),
        row("a", "o", 47),
        row("a", "p", 120),
    ];
    let told = run(&function, &rows);
    let expected = [
        "0..100 #0: xy",
        "0..100 #0: u",
        "0..100 #1: xyzo",
        "0..100 #2: xyzo",
        "0..100 #1: u",
        "100..200 #0: p",
        "100..200 #1: p",
    ];
    assert_eq!(texts(&told), expected);
}

#[test]
fn the_first_record_makes_nothing_fire_and_the_end_is_not_told_twice() {
    let function = early_every(&window_histories(TUMBLING, 0), 10, true);
    let told = run(&function, &[row("a", "x", 100), row("a", "y", 109)]);
    assert_eq!(texts(&told), ["100..110 #0: xy"]);
}

#[test]
fn with_discard_only_what_has_come_since_is_told() {
    let day = Assigner::Tumbling { size_ms: 1_000 };
    let function = early_every(&window_histories(day, 0), 10, true);
    let told = run(&function, &letters("a", "abcdefghijklmnopqrstuvwx", 5));
    assert_eq!(
        texts(&told),
        ["0..1000 #0: abcdef", "0..1000 #1: ghijklmnop", "0..1000 #2: qrstuvwx"]
    );
}

/// Steps until there is nothing to do at this time of the clock; answers when there is.
fn rest(task: &mut Task) -> Option<i64> {
    loop {
        match pollster::block_on(task.step()).unwrap() {
            Step::Idle { wake_at_ms } => return wake_at_ms,
            Step::Worked => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_has_come_to_a_window_is_told_after_a_while_by_the_clock() {
    let histories = window_histories(Assigner::Tumbling { size_ms: 1_000 }, 0);
    let function = with_window(&histories, |spec| spec.early_delay_ms = Some(500));
    let world = World::new();
    let mut config = world.config(&function, &[("in", 0)]);
    (config.bounded, config.idle_timeout_ms) = (false, 10_000);
    let mut task = world.start(&function, config.clone());
    let told = || {
        let out = world.rows("out").into_iter();
        out.filter_map(|(_, value, _)| value).collect::<Vec<_>>()
    };
    rest(&mut task);
    world.append("in", &[row("a", "x", 1)], &[1]);
    let start = world.clock.now_ms();
    assert_eq!(rest(&mut task), Some(start + 500));
    world.clock.advance(499);
    world.append("in", &[row("a", "y", 2)], &[1]);
    rest(&mut task);
    assert!(told().is_empty(), "a moment before: {:?}", told());
    world.clock.advance(1);
    // A crash does not make it wait anew.
    drop(task);
    let mut task = world.start(&function, config);
    rest(&mut task);
    assert_eq!(told(), ["0..1000 #0: xy"]);
    world.clock.advance(5_000);
    rest(&mut task);
    assert_eq!(told().len(), 1, "nothing new has come");
    world.append("in", &[row("a", "z", 3)], &[1]);
    rest(&mut task);
    world.clock.advance(500);
    rest(&mut task);
    assert_eq!(told()[1..], ["0..1000 #1: xyz"]);
}

#[test]
fn a_bounded_run_does_not_go_by_the_clock() {
    let function =
        with_window(&window_histories(TUMBLING, 0), |spec| spec.early_delay_ms = Some(1));
    assert_eq!(texts(&run(&function, &letters("a", "ab", 6))), ["0..10 #0: ab"]);
}

#[test]
fn a_marker_closes_what_has_no_end_for_all_keys_and_belongs_to_nothing() {
    let function = marked(&window_histories(Assigner::Global, 0));
    let mut rows = letters("a", "ab", 5);
    rows.extend([row("b", "x", 6), (None, Some(MARKED.into()), 7), row("b", "y", 8)]);
    let told = run(&function, &rows);
    let histories: Vec<_> = told.iter().map(|(text, _)| text.split(": ").nth(1).unwrap()).collect();
    assert_eq!(histories, ["ab", "x", "y"]);
    assert_eq!(told.iter().map(|(_, time)| *time).collect::<Vec<_>>(), [7, 7, 8]);
}

#[test]
fn a_marker_says_that_everything_before_its_time_has_come() {
    let function = marked(&window_histories(TUMBLING, 0));
    let rows = [
        row("a", "x", 1),
        row("a", "o", 12),
        row("a", "y", 9),
        (None, Some(MARKED.into()), 10),
        row("a", "late", 8),
        row("a", "p", 13),
    ];
    let world = World::new();
    world.append("in", &rows, &[2]);
    world.run(&function, &[("in", 30)]);
    let out: Vec<_> = world.rows("out").into_iter().filter_map(|(_, value, _)| value).collect();
    assert_eq!(out, ["0..10 #0: xy", "10..20 #0: op"]);
    assert_eq!(world.rows("late"), [row("a", "late", 8)]);
    assert!(world.rows("dead").is_empty(), "a marker needs no key");
}

#[test]
fn a_marker_of_the_far_future_moves_nothing() {
    let function = marked(&window_histories(TUMBLING, 0));
    let world = World::new();
    let ahead = world.clock.now_ms() + 86_400_000;
    world.append("in", &[row("a", "x", 1), (None, Some(MARKED.into()), ahead * 2)], &[2]);
    world.append("in", &[row("a", "y", 2)], &[1]);
    world.run(&function, &[("in", 0)]);
    assert_eq!(world.rows("out"), [row("a", "0..10 #0: xy", 9)]);
}

#[test]
fn days_of_a_time_zone_are_windows() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let days = Assigner::Calendar { unit: CalendarUnit::Day, zone };
    let hour = 3_600_000;
    // The last hour of 31 December 1969 in UTC is the first one of 1970 in Berlin.
    let rows = [row("a", "x", -2 * hour), row("a", "y", -hour), row("a", "z", 22 * hour)];
    let told = run(&window_histories(days, 0), &rows);
    let expected = ["-90000000..-3600000 #0: x", "-3600000..82800000 #0: yz"];
    assert_eq!(texts(&told), expected);
}

#[test]
fn what_is_beyond_the_calendar_is_too_late_for_every_window() {
    let zone = Zone::named("UTC").unwrap();
    let function = window_histories(Assigner::Calendar { unit: CalendarUnit::Year, zone }, 0);
    let world = World::new();
    world.append("in", &[row("a", "x", i64::MIN), row("a", "y", 0), row("a", "z", i64::MAX)], &[3]);
    world.run(&function, &[("in", 0)]);
    assert_eq!((world.rows("out").len(), world.rows("late").len()), (1, 2));
}

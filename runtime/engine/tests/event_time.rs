//! Records that tell by a field when they happened.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::RecordsBuilder;
use pelton_core::window::Assigner;
use pelton_core::{EventTime, TimeFormat};
use pelton_engine::{OnPoison, TaskConfig};
use support::functions::*;
use support::{Native, Row, World, declare, native, row, topic};

const LOG_TIME: i64 = 7_000_000;

fn by(field: &str, format: &str) -> EventTime {
    EventTime { field: field.parse().unwrap(), format: format.parse().unwrap() }
}

fn config(world: &World, function: &Native, how: &EventTime) -> TaskConfig {
    let mut config = world.config(function, &[("in", 0)]);
    config.inputs[0].event_time = Some(how.clone());
    config
}

fn forward() -> Native {
    native(declare(&["out"]), |batch, _, out| {
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    })
}

fn windows() -> Native {
    window_histories(Assigner::Tumbling { size_ms: 10 }, 0)
}

/// What comes out and what is given up, however the input is cut.
fn run(function: &Native, how: &EventTime, rows: &[Row]) -> (Vec<Row>, Vec<Row>, Vec<String>) {
    let found = [1, 2, 3, 100].map(|size| {
        let world = World::new();
        world.append("in", rows, &[size]);
        let mut task = world.start(function, config(&world, function, how));
        world.finish(&mut task).unwrap();
        (world.rows("out"), world.rows("dead"), world.headers("dead", "pelton-message"))
    });
    assert!(found.iter().all(|other| *other == found[0]), "it depends on the cuts: {found:?}");
    found[0].clone()
}

fn told(rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(|(_, value, _)| value.clone()).collect()
}

#[test]
fn windows_go_by_a_field_of_the_value_and_not_by_the_timestamp() {
    let value = |at: i64| format!(r#"{{"x":[1,{{"at":"no"}}],"meta":{{"times":["-",{at}]}}}}"#);
    let rows: Vec<_> = [1, 12, 13].iter().map(|at| row("a", &value(*at), LOG_TIME)).collect();
    let (out, dead, _) = run(&windows(), &by("/meta/times/1", "ms"), &rows);
    assert!(dead.is_empty(), "{dead:?}");
    let expected =
        [format!("0..10 #0: {}", value(1)), format!("10..20 #0: {}{}", value(12), value(13))];
    assert_eq!(told(&out), expected);
}

#[test]
fn a_header_may_tell_the_time() {
    let world = World::new();
    let mut builder = RecordsBuilder::new();
    builder.push(Some(b"a"), Some(b"x"), LOG_TIME).header("at", Some(b"1970-01-01T00:00:00.025Z"));
    builder.push(Some(b"a"), Some(b"y"), LOG_TIME).header("other", None);
    world.log.append(&topic("in"), 0, &mut builder).unwrap();
    let function = windows();
    let mut task = world.start(&function, config(&world, &function, &by("header:at", "auto")));
    world.finish(&mut task).unwrap();
    assert_eq!(told(&world.rows("out")), ["20..30 #0: x"]);
    assert_eq!(world.rows("dead"), [row("a", "y", LOG_TIME)], "as it came");
    assert_eq!(world.headers("dead", "pelton-code"), ["E-RECORD-TIME"]);
}

#[test]
fn what_a_function_sends_has_the_time_that_the_record_tells() {
    let (out, ..) = run(&forward(), &by("/at", "s"), &[row("a", r#"{"at":1.5}"#, LOG_TIME)]);
    assert_eq!(out, [row("a", r#"{"at":1.5}"#, 1_500)]);
}

#[test]
fn records_that_tell_no_time_are_given_up_one_by_one_and_move_nothing() {
    let bad = ["{}", "[]", "7", "x", r#"{"at":null}"#, r#"{"at":"soon"}"#, r#"{"at":{}}"#];
    let mut rows = vec![row("a", r#"{"at":3}"#, LOG_TIME)];
    rows.extend(bad.map(|value| row("a", value, 99)));
    rows.push((Some("a".into()), None, 98));
    rows.push(row("a", r#"{"at":4}"#, LOG_TIME));
    for function in [windows(), forward()] {
        let (out, dead, why) = run(&function, &by("/at", "ms"), &rows);
        assert!(!out.is_empty(), "{out:?}");
        assert_eq!(dead, rows[1..9], "with their own timestamps");
        assert!(why.iter().all(|why| why.starts_with("event_time /at: ")), "{why:?}");
    }
    let (out, ..) = run(&windows(), &by("/at", "ms"), &rows);
    assert_eq!(told(&out), [r#"0..10 #0: {"at":3}{"at":4}"#]);
}

#[test]
fn both_ends_of_i64_are_times_and_one_beyond_is_none() {
    let value = |at: &str| row("a", &format!(r#"{{"at":{at}}}"#), LOG_TIME);
    let rows = [value("-9223372036854775808"), value("0"), value("9223372036854775807")];
    let (out, dead, _) = run(&forward(), &by("/at", "ms"), &rows);
    let times: Vec<_> = out.iter().map(|(.., time)| *time).collect();
    assert_eq!((times, dead.len()), (vec![i64::MIN, 0, i64::MAX], 0));
    let beyond = [value("-9223372036854775809"), value("9223372036854775808"), value("1e3")];
    assert_eq!(run(&forward(), &by("/at", "ms"), &beyond).1.len(), 3);
}

#[test]
fn the_policy_decides_what_becomes_of_them() {
    let rows = [row("a", "{}", 1), row("a", r#"{"at":2}"#, 1)];
    for policy in [OnPoison::Skip, OnPoison::Halt] {
        let world = World::new();
        world.append("in", &rows, &[2]);
        let function = windows();
        let mut config = config(&world, &function, &by("/at", "ms"));
        config.on_poison = policy.clone();
        let mut task = world.start(&function, config);
        let end = world.finish(&mut task);
        match policy {
            OnPoison::Halt => {
                let error = end.unwrap_err();
                assert_eq!(error.code, "E-FUNCTION-HALTED");
                let text = error.to_string();
                assert!(text.contains("stopped before in:0:0: "), "{text}");
                assert!(text.contains("event_time /at: the value has no such field"), "{text}");
            }
            _ => assert_eq!(told(&world.rows("out")), [r#"0..10 #0: {"at":2}"#]),
        }
    }
}

#[test]
fn a_new_version_may_tell_the_time_by_another_field() {
    let world = World::new();
    let value = |at: i64| row("a", &format!(r#"{{"at":{at},"then":{}}}"#, at + 100), LOG_TIME);
    world.append("in", &[value(1), value(2), value(3)], &[3]);
    let function = forward();
    let mut first = config(&world, &function, &by("/at", "ms"));
    first.limits.set("batch_records", 1).unwrap();
    let mut task = world.start(&function, first.clone());
    while world.rows("out").is_empty() {
        pollster::block_on(task.step()).unwrap();
    }
    let mut second = first;
    second.deployment = 2;
    second.inputs[0].event_time = Some(by("/then", "ms"));
    let pool = pelton_engine::GuestPool::new(std::sync::Arc::new(function));
    let new = pelton_engine::Replacement { config: std::sync::Arc::new(second), pool };
    task.replace(new).unwrap();
    world.finish(&mut task).unwrap();
    let times: Vec<_> = world.rows("out").iter().map(|(.., time)| *time).collect();
    assert_eq!(times, [1, 102, 103]);
}

#[test]
fn a_pattern_tells_local_time_without_an_offset_as_utc() {
    let how = EventTime {
        field: "/day".parse().unwrap(),
        format: TimeFormat::Pattern("%d.%m.%Y %H:%M".into()),
    };
    let rows = [row("a", r#"{"day":"02.01.1970 00:01"}"#, LOG_TIME)];
    assert_eq!(run(&forward(), &how, &rows).0[0].2, 86_460_000);
}

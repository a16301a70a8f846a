//! Operations that functions seldom need: appends, and windows that are purged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::{Kind, OpKind, Operation};
use pelton_core::window::Assigner;
use pelton_core::{Fault, FaultKind};
use pelton_engine::Step;
use support::functions::*;
use support::{Native, Row, World, declare, kv, native, row};

/// Emits what the key holds for `?`, else appends the value, for `ttl` ms where it begins with a dot;
/// fails behind an append of `bad`.
fn appends(ttl: i64) -> Native {
    let mut declaration = declare(&["out"]);
    declaration.stores.push(kv("s"));
    native(declaration, move |batch, environment, out| {
        for record in batch.records().unwrap().iter() {
            let (row, key, value) = (record.row(), record.key(), record.value().unwrap());
            if value == b"?" {
                let held = read(environment, key.unwrap()).unwrap_or_default();
                emit(out, row, key, std::str::from_utf8(&held).unwrap());
                continue;
            }
            let ttl = if value.starts_with(b".") { ttl } else { 0 };
            let append = Operation { key, value: Some(value), ttl, ..op(OpKind::Append, row) };
            out.push(&append);
            if value == b"bad" {
                return Err(Fault::new(FaultKind::Trap, "it is bad"));
            }
        }
        Ok(())
    })
}

/// What is emitted where these parts come one after the other, each in calls of at most so many
/// records; and the number of dead letters.
fn held(function: &Native, parts: &[&[Row]], call: u64) -> (Vec<Option<String>>, usize) {
    let world = World::new();
    let mut config = world.config(function, &[("in", 0)]);
    config.bounded = false;
    config.limits.set("batch_records", call).unwrap();
    let mut task = world.start(function, config);
    for part in parts {
        world.append("in", part, &[part.len()]);
        while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    }
    let values = world.rows("out").into_iter().map(|(_, value, _)| value).collect();
    (values, world.rows("dead").len())
}

fn texts(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn an_append_adds_to_what_the_key_holds_and_is_taken_back_with_its_call() {
    let appended = [
        row("a", "1", 1),
        row("a", "2", 2),
        row("b", "7", 3),
        row("a", "bad", 4),
        row("a", "3", 5),
    ];
    let asked = [row("a", "?", 6), row("b", "?", 7), row("c", "?", 8)];
    for call in [1, 2, 3, 100] {
        let expected = (texts(&["123", "7", ""]), 1);
        assert_eq!(held(&appends(0), &[&appended, &asked], call), expected, "{call}");
    }
}

#[test]
fn what_is_appended_expires_where_it_says_so_whatever_the_batches() {
    // The entry of 0 is gone at 5,000: what is appended then begins anew, and stays.
    let first = [row("a", ".1", 0), row("a", "2", 100)];
    let then = [row("z", "0", 5_000), row("a", "3", 5_001), row("z", "0", 9_000)];
    let (early, late) = ([row("a", "?", 200)], [row("a", "?", 9_001)]);
    for call in [1, 2, 100] {
        let parts: [&[Row]; 4] = [&first, &early, &then, &late];
        let expected = (texts(&[".12", "3"]), 0);
        assert_eq!(held(&appends(1_000), &parts, call), expected, "{call}");
    }
    // The same where all of it is one batch: it is cut where the entry expires.
    let all = [&first[..], &then].concat();
    for call in [1, 2, 100] {
        let expected = (texts(&["3"]), 0);
        assert_eq!(held(&appends(1_000), &[&all, &late], call), expected, "{call}");
    }
}

/// `function`, which purges a window for each of its records `9`, and for each firing.
fn purging(function: &Native) -> Native {
    let body = function.body.clone();
    native(function.declaration.clone(), move |batch, environment, out| {
        body(batch, environment, out)?;
        let groups = batch.groups().unwrap();
        for group in groups.iter() {
            let has_nine =
                groups.rows(group.index).any(|row| groups.records().value(row) == Some(b"9"));
            if has_nine || batch.kind() == Kind::Window {
                out.push(&op(OpKind::PurgeWindow, group.index));
            }
        }
        Ok(())
    })
}

#[test]
fn a_purged_window_begins_anew() {
    let rows = [row("a", "1", 1), row("b", "2", 1), row("a", "9", 2), row("a", "4", 3)];
    for sizes in [1, 3, 4] {
        let world = World::new();
        world.append("in", &rows, &[sizes]);
        world.run(&purging(&window_sums(Assigner::Tumbling { size_ms: 100 }, 0)), &[("in", 0)]);
        let expected = [row("a", "0: 1 4", 99), row("b", "0: 1 2", 99)];
        assert_eq!(world.rows("out"), expected, "{sizes}");
    }
}

#[test]
fn a_window_that_is_purged_as_it_fires_fires_again_with_only_what_came_late() {
    let world = World::new();
    let rows = [row("a", "1", 5), row("a", "2", 12), row("a", "8", 7)];
    world.append("in", &rows, &[3]);
    world.run(&purging(&window_contents(Assigner::Tumbling { size_ms: 10 }, 20)), &[("in", 0)]);
    let expected = [row("a", "0: 1 1", 9), row("a", "0: 1 8", 9), row("a", "10: 1 2", 19)];
    assert_eq!(world.rows("out"), expected);
}

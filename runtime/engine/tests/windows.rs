//! Windows, timers and several inputs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::{Kind, OpKind, Operation};
use pelton_core::window::{Assigner, Shape, WindowSpec};
use pelton_core::{Clock, TimeDomain};
use pelton_engine::{NullKey, Step};
use support::functions::*;
use support::{Row, World, declare, native, row, timer};

const TUMBLING: Assigner = Assigner::Tumbling { size_ms: 10 };

#[test]
fn a_window_fires_once_the_watermark_has_reached_its_end() {
    let world = World::new();
    world.append("in", &[row("a", "1", 5), row("a", "2", 9), row("a", "4", 10)], &[1]);
    let function = window_sums(TUMBLING, 0);
    let mut config = world.config(&function, &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&function, config);
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    assert_eq!(world.rows("out"), [row("a", "0: 2 3", 9)]);
}

#[test]
fn a_record_moves_the_watermark_up_to_ahead_ms_past_the_clock_and_not_one_past_it() {
    for (past, expected) in [(0, vec![row("a", "0: 1 1", 9)]), (1, vec![])] {
        let world = World::new();
        let mut config = world.config(&window_sums(TUMBLING, 0), &[("in", 0)]);
        let ahead = config.limits.ahead_ms.value as i64;
        let far = world.clock.now_ms() + ahead + past;
        world.append("in", &[row("a", "1", 5), row("b", "2", far)], &[2]);
        config.bounded = false;
        let mut task = world.start(&window_sums(TUMBLING, 0), config);
        while pollster::block_on(task.step()).unwrap() == Step::Worked {}
        assert_eq!(world.rows("out"), expected, "{past} past the limit");
        assert!(world.rows("late").is_empty() && world.rows("dead").is_empty());
    }
}

#[test]
fn a_record_past_its_grace_goes_to_the_late_output_and_is_counted() {
    let world = World::new();
    let rows = [row("a", "1", 5), row("a", "2", 25), row("a", "8", 7)];
    world.append("in", &rows, &[3]);
    let task = world.run(&window_sums(TUMBLING, 0), &[("in", 0)]);
    assert_eq!(world.rows("late"), [row("a", "8", 7)]);
    assert_eq!(world.rows("out"), [row("a", "0: 1 1", 9), row("a", "20: 1 2", 29)]);
    assert_eq!(task.counters().late.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_late_record_within_grace_fires_its_window_again_with_everything_in_it() {
    for function in [window_sums(TUMBLING, 20), window_contents(TUMBLING, 20)] {
        let world = World::new();
        let rows = [row("a", "1", 5), row("a", "2", 12), row("a", "8", 7)];
        world.append("in", &rows, &[3]);
        world.run(&function, &[("in", 0)]);
        let expected = [row("a", "0: 1 1", 9), row("a", "0: 2 9", 9), row("a", "10: 1 2", 19)];
        assert_eq!(world.rows("out"), expected);
        assert!(world.rows("late").is_empty());
    }
}

#[test]
fn a_record_belongs_to_every_hopping_window_around_it() {
    let world = World::new();
    world.append("in", &[row("a", "1", 12)], &[1]);
    world.run(&window_sums(Assigner::Hopping { size_ms: 10, advance_ms: 5 }, 0), &[("in", 0)]);
    assert_eq!(world.rows("out"), [row("a", "5: 1 1", 14), row("a", "10: 1 1", 19)]);
}

#[test]
fn a_record_without_a_key_is_poison_to_a_keyed_window_unless_told_otherwise() {
    let rows: [Row; 2] = [(None, Some("1".into()), 1), row("a", "2", 2)];
    for (null_key, dead, out) in [(NullKey::Reject, 1, 1), (NullKey::Group, 0, 2)] {
        let world = World::new();
        world.append("in", &rows, &[2]);
        let function = window_sums(TUMBLING, 0);
        let mut config = world.config(&function, &[("in", 0)]);
        config.null_key = null_key;
        let mut task = world.start(&function, config);
        world.finish(&mut task).unwrap();
        assert_eq!((world.rows("dead").len(), world.rows("out").len()), (dead, out));
        let poison = task.counters().poison.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(poison, dead as u64);
    }
}

#[test]
fn large_contents_come_in_pieces_between_a_first_and_a_last() {
    let mut declaration = declare(&["out"]);
    declaration.window = Some(WindowSpec::new(TUMBLING, Shape::Contents));
    let function = native(declaration, |batch, _, out| {
        for group in batch.groups().unwrap().iter() {
            let rows = batch.groups().unwrap().rows(group.index).count();
            let first = group.pane.has(pelton_batch::Pane::FIRST);
            let last = group.pane.has(pelton_batch::Pane::LAST);
            emit(out, group.index, group.key, &format!("{first} {last} {rows}"));
        }
        Ok(())
    });
    let world = World::new();
    let big = "x".repeat(400);
    world.append("in", &vec![row("a", &big, 3); 10], &[10]);
    let mut config = world.config(&function, &[("in", 0)]);
    config.limits.set("batch_bytes", 1_500).unwrap();
    let mut task = world.start(&function, config);
    world.finish(&mut task).unwrap();
    let values: Vec<_> = world.rows("out").into_iter().filter_map(|(_, value, _)| value).collect();
    assert_eq!(values, ["true false 4", "false false 4", "false true 2"]);
}

#[test]
fn a_pane_that_traps_is_the_only_dead_letter_of_its_window() {
    let world = World::new();
    let rows: Vec<_> = (0..20).map(|n| row(&format!("k{n:02}"), "1", 5)).collect();
    world.append("in", &rows, &[20]);
    let sums = window_sums(TUMBLING, 0);
    let body = sums.body.clone();
    let function = native(sums.declaration.clone(), move |batch, environment, out| {
        let groups = batch.groups().unwrap();
        if batch.kind() == Kind::Finish && groups.iter().any(|g| g.key == Some(b"k13")) {
            return Err(pelton_core::Fault::new(pelton_core::FaultKind::Trap, "boom"));
        }
        body(batch, environment, out)
    });
    world.run(&function, &[("in", 0)]);
    assert_eq!(world.rows("out").len(), 19);
    assert_eq!(world.rows("dead"), [row("k13", "1 1", 9)]);
    assert_eq!(world.headers("dead", "pelton-window-end"), ["10"]);
}

#[test]
fn the_guest_can_fire_a_window_early_and_it_fires_again_when_its_time_has_come() {
    let sums = window_sums(Assigner::Tumbling { size_ms: 100 }, 0);
    let body = sums.body.clone();
    let function = native(sums.declaration.clone(), move |batch, environment, out| {
        let groups = batch.groups().unwrap();
        body(batch, environment, out)?;
        for row in 0..batch.rows() {
            if batch.kind() == Kind::Accumulate && groups.records().value(row) == Some(b"7") {
                out.push(&op(OpKind::FireWindow, 0));
            }
        }
        Ok(())
    });
    for sizes in [[1], [4]] {
        let world = World::new();
        let rows = [row("a", "1", 1), row("a", "7", 2), row("a", "1", 3), row("a", "1", 4)];
        world.append("in", &rows, &sizes);
        world.run(&function, &[("in", 0)]);
        assert_eq!(world.rows("out"), [row("a", "0: 2 8", 99), row("a", "0: 4 10", 99)]);
    }
}

#[test]
fn several_inputs_merge_by_time_then_input() {
    let world = World::new();
    let rows = |values: &[(&str, i64)]| -> Vec<Row> {
        values.iter().map(|(value, time)| row("k", value, *time)).collect()
    };
    world.append("in", &rows(&[("a1", 1), ("a4", 4), ("a4", 4), ("a9", 9)]), &[2]);
    world.append("in2", &rows(&[("b2", 2), ("b4", 4), ("b5", 5)]), &[1]);
    let function = native(declare(&["out"]), |batch, _, out| {
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    });
    world.run(&function, &[("in", 0), ("in2", 0)]);
    let values: Vec<_> = world.rows("out").into_iter().filter_map(|(_, value, _)| value).collect();
    assert_eq!(values, ["a1", "b2", "a4", "a4", "b4", "b5", "a9"]);
}

#[test]
fn an_empty_input_is_waited_for_until_it_is_idle() {
    let world = World::new();
    world.append("in", &[row("k", "x", 1)], &[1]);
    let function = even();
    let mut config = world.config(&function, &[("in", 0), ("in2", 0)]);
    config.bounded = false;
    config.idle_timeout_ms = 500;
    let mut task = world.start(&function, config);
    let start = world.clock.now_ms();
    let step = pollster::block_on(task.step()).unwrap();
    assert_eq!(step, Step::Idle { wake_at_ms: Some(start + 500) });
    assert_eq!(task.lag().unwrap(), 1);
    world.clock.advance(500);
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    assert_eq!(task.lag().unwrap(), 0);
}

#[test]
fn a_function_that_sets_a_timer_whenever_one_fires_is_stopped_behind_the_end_of_its_input() {
    let mut declaration = declare(&["out"]);
    declaration.timers = vec![timer("again", TimeDomain::Event)];
    let again = |ends_after: i64| {
        native(declaration.clone(), move |batch, _, out| {
            let due: Vec<(usize, i64)> = match batch.kind() {
                Kind::Timers => {
                    batch.timers().unwrap().iter().map(|t| (t.row, t.due + 10)).collect()
                }
                _ => {
                    batch.records().unwrap().iter().map(|r| (r.row(), r.timestamp() + 10)).collect()
                }
            };
            for (row, due) in due.into_iter().filter(|(_, due)| *due <= ends_after) {
                let set = op(OpKind::SetTimer, row);
                out.push(&Operation { key: Some(b"k"), timestamp: Some(due), ..set });
            }
            Ok(())
        })
    };
    let world = World::new();
    world.append("in", &[row("k", "x", 0)], &[1]);
    let run = |function: &support::Native| {
        let mut task = world.start(function, world.config(function, &[("in", 0)]));
        world
            .finish(&mut task)
            .map(|()| task.counters().calls.load(std::sync::atomic::Ordering::Relaxed))
    };
    let error = run(&again(i64::MAX)).unwrap_err();
    assert_eq!(error.code, "E-FUNCTION-ENDLESS");
    assert!(run(&again(i64::MAX)).is_err(), "a later run stands where it stood");
    let world_of_its_own = World::new();
    world_of_its_own.append("in", &[row("k", "x", 0)], &[1]);
    world_of_its_own.run(&again(1_000), &[("in", 0)]);
}

#[test]
fn a_processing_timer_fires_when_the_clock_has_passed_it() {
    let mut declaration = declare(&["out"]);
    declaration.timers = vec![timer("wake", TimeDomain::Processing)];
    let function = native(declaration, |batch, environment, out| {
        if batch.kind() == Kind::Timers {
            for timer in batch.timers().unwrap().iter() {
                emit(out, timer.row, timer.key, "woke");
            }
            return Ok(());
        }
        for record in batch.records().unwrap().iter() {
            let due = environment.now(u32::MAX) + 1_000;
            let set = op(OpKind::SetTimer, record.row());
            out.push(&Operation { key: record.key(), timestamp: Some(due), ..set });
        }
        Ok(())
    });
    let world = World::new();
    world.append("in", &[row("k", "x", 1)], &[1]);
    let mut config = world.config(&function, &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&function, config);
    let due = world.clock.now_ms() + 1_000;
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    world.clock.set(due);
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    assert!(world.rows("out").is_empty());
    world.clock.set(due + 1);
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    assert_eq!(world.rows("out"), [row("k", "woke", due)]);
}

#[test]
fn random_numbers_and_times_belong_to_the_record_or_window_not_to_the_batch() {
    let declared = window_sums(TUMBLING, 0).declaration;
    let windowed = native(declared, |batch, environment, out| {
        for group in batch.groups().unwrap().iter() {
            if batch.kind() == Kind::Accumulate {
                let set = op(OpKind::Accumulator, group.index);
                out.push(&Operation { value: Some(b"x"), ..set });
                continue;
            }
            let row = group.index as u32;
            let text = format!("{} {}", environment.random(row, 0), environment.now(row));
            emit(out, group.index, group.key, &text);
        }
        Ok(())
    });
    let stateless = native(declare(&["out"]), |batch, environment, out| {
        for row in 0..batch.rows() {
            let draws = [0, 1].map(|draw| environment.random(row as u32, draw));
            emit(out, row, None, &format!("{draws:?} {}", environment.now(row as u32)));
        }
        Ok(())
    });
    for function in [windowed, stateless] {
        let rows: Vec<_> = (0..60).map(|n| row(&format!("k{}", n % 7), "1", n)).collect();
        let run = |batch: u64| {
            let world = World::new();
            world.append("in", &rows, &[60]);
            let mut config = world.config(&function, &[("in", 0)]);
            config.limits.set("batch_records", batch).unwrap();
            let mut task = world.start(&function, config);
            world.finish(&mut task).unwrap();
            world.rows("out")
        };
        let all = run(1_000);
        let distinct: std::collections::HashSet<_> = all.iter().map(|row| &row.1).collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(run(1), all);
        assert_eq!(run(7), all);
    }
}

#[test]
fn a_window_that_fired_at_the_end_of_a_run_is_closed_for_the_next() {
    let world = World::new();
    let function = window_sums(TUMBLING, 0);
    world.append("in", &[row("a", "1", 3)], &[1]);
    world.run(&function, &[("in", 100)]);
    assert_eq!(world.rows("out"), [row("a", "0: 1 1", 9)]);
    world.append("in", &[row("a", "2", 4), row("a", "4", 12)], &[2]);
    let task = world.run(&function, &[("in", 100)]);
    assert_eq!(world.rows("late"), [row("a", "2", 4)]);
    assert_eq!(task.counters().late.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(world.rows("out"), [row("a", "0: 1 1", 9), row("a", "10: 1 4", 19)]);
}

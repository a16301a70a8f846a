//! What becomes of calls that fail, and of records that cannot be got past.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pelton_batch::{OpKind, Operation};
use pelton_core::{Fault, FaultKind};
use pelton_engine::{Counters, OnPoison, Step};
use support::functions::*;
use support::{Native, Row, World, declare, kv, native, row};

fn numbered(count: i64) -> Vec<Row> {
    (0..count).map(|n| row("k", &n.to_string(), n)).collect()
}

/// Passes everything on, but fails where a record's value is `bad`, as `fault` says.
fn fails_on(bad: &'static str, fault: Fault) -> Native {
    native(declare(&["out"]), move |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            if record.value() == Some(bad.as_bytes()) {
                return Err(fault.clone());
            }
            out.forward(record.row() as u32, 0);
        }
        Ok(())
    })
}

fn values(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|(_, value, _)| value.clone().unwrap_or_default()).collect()
}

fn poison(counters: &Counters) -> u64 {
    counters.poison.load(Ordering::Relaxed)
}

#[test]
fn h62_poison_record_in_the_middle_of_a_batch_is_the_only_dead_letter() {
    let world = World::new();
    world.append("in", &numbered(1_000), &[1_000]);
    let task = world.run(&fails_on("617", Fault::new(FaultKind::Trap, "boom")), &[("in", 0)]);
    let passed = values(&world.rows("out"));
    let expected: Vec<_> = (0..1_000).filter(|n| *n != 617).map(|n| n.to_string()).collect();
    assert_eq!(passed, expected);
    assert_eq!(world.rows("dead"), [row("k", "617", 617)]);
    assert_eq!(world.headers("dead", "pelton-code"), ["E-GUEST-TRAP"]);
    assert_eq!(world.headers("dead", "pelton-message"), ["boom"]);
    assert_eq!(world.headers("dead", "pelton-offset"), ["617"]);
    assert_eq!(world.headers("dead", "pelton-topic"), ["default/in"]);
    assert_eq!(poison(task.counters()), 1);
}

#[test]
fn slow_is_not_poison_as_long_as_a_smaller_batch_goes_through() {
    let world = World::new();
    world.append("in", &numbered(300), &[100]);
    let slow = native(declare(&["out"]), |batch, _, out| {
        if batch.rows() > 3 {
            return Err(Fault::new(FaultKind::Deadline, "too slow"));
        }
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    });
    let task = world.run(&slow, &[("in", 0)]);
    assert_eq!(world.rows("out"), numbered(300));
    assert_eq!(poison(task.counters()), 0);
}

#[test]
fn a_failure_that_passes_is_retried_after_a_wait_and_loses_nothing() {
    let world = World::new();
    world.append("in", &numbered(10), &[10]);
    let left = Arc::new(AtomicUsize::new(3));
    let function = native(declare(&["out"]), move |batch, _, out| {
        if left.load(Ordering::Relaxed) > 0 {
            left.fetch_sub(1, Ordering::Relaxed);
            let fault = Fault::new(FaultKind::Failure, "database is away");
            return Err(Fault { retryable: true, ..fault });
        }
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    });
    let mut task = world.start(&function, world.config(&function, &[("in", 0)]));
    let mut waits = 0;
    loop {
        match pollster::block_on(task.step()).unwrap() {
            Step::Finished => break,
            Step::Wait { until_ms } => {
                waits += 1;
                world.clock.set(until_ms);
            }
            _ => {}
        }
    }
    assert_eq!((waits, world.rows("out").len()), (3, 10));
    assert!(world.rows("dead").is_empty());
}

#[test]
fn a_retry_operation_keeps_what_came_before_it_and_calls_again_from_there() {
    let world = World::new();
    world.append("in", &numbered(10), &[10]);
    let tries = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&tries);
    let function = native(declare(&["out"]), move |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            if record.value() == Some(b"6") && seen.fetch_add(1, Ordering::Relaxed) < 3 {
                out.push(&Operation { ttl: 50, ..op(OpKind::Retry, record.row()) });
                return Ok(());
            }
            out.forward(record.row() as u32, 0);
        }
        Ok(())
    });
    world.run(&function, &[("in", 0)]);
    assert_eq!(world.rows("out"), numbered(10));
    assert_eq!(tries.load(Ordering::Relaxed), 4);
}

#[test]
fn a_rejected_record_is_a_dead_letter_with_its_reason() {
    let world = World::new();
    world.append("in", &numbered(5), &[5]);
    let function = native(declare(&["out"]), |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            if record.row() == 2 {
                out.push(&Operation { value: Some(b"odd one"), ..op(OpKind::Reject, 2) });
            } else {
                out.forward(record.row() as u32, 0);
            }
        }
        Ok(())
    });
    world.run(&function, &[("in", 0)]);
    assert_eq!(values(&world.rows("out")), ["0", "1", "3", "4"]);
    assert_eq!(world.headers("dead", "pelton-message"), ["odd one"]);
}

#[test]
fn halt_commits_what_comes_before_the_record_and_names_it() {
    let world = World::new();
    world.append("in", &numbered(100), &[100]);
    let function = fails_on("61", Fault::new(FaultKind::Trap, "boom"));
    let mut config = world.config(&function, &[("in", 0)]);
    config.on_poison = OnPoison::Halt;
    let mut task = world.start(&function, config);
    let error = world.finish(&mut task).unwrap_err();
    assert_eq!(error.code, "E-FUNCTION-HALTED");
    assert!(error.to_string().contains("stopped before in:0:61: "), "{error}");
    assert_eq!(world.rows("out").len(), 61);
}

#[test]
fn skip_counts_and_goes_on() {
    let world = World::new();
    world.append("in", &numbered(100), &[100]);
    let function = fails_on("61", Fault::new(FaultKind::Trap, "boom"));
    let mut config = world.config(&function, &[("in", 0)]);
    config.on_poison = OnPoison::Skip;
    let mut task = world.start(&function, config);
    world.finish(&mut task).unwrap();
    assert_eq!((world.rows("out").len(), poison(task.counters())), (99, 1));
}

#[test]
fn h61_a_bounded_function_that_fails_on_every_record_is_stopped() {
    let world = World::new();
    world.append("in", &numbered(100), &[100]);
    let function = native(declare(&["out"]), |_, _, _| Err(Fault::new(FaultKind::Trap, "always")));
    let mut task = world.start(&function, world.config(&function, &[("in", 0)]));
    let error = world.finish(&mut task).unwrap_err();
    assert_eq!(error.code, "E-FUNCTION-CRASH-LOOP");
    assert!(error.to_string().contains("always"), "{error}");
}

#[test]
fn h61_a_live_function_that_fails_on_every_record_is_called_at_most_once_a_second() {
    let world = World::new();
    world.append("in", &numbered(100), &[1]);
    let function = native(declare(&["out"]), |_, _, _| Err(Fault::new(FaultKind::Trap, "always")));
    let mut config = world.config(&function, &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&function, config);
    let mut waits = Vec::new();
    while waits.len() < 5 {
        if let Step::Wait { until_ms } = pollster::block_on(task.step()).unwrap() {
            waits.push(until_ms - pelton_core::Clock::now_ms(&*world.clock));
            world.clock.set(until_ms);
        }
    }
    assert_eq!(waits[..4], [1_000, 2_000, 4_000, 8_000]);
}

fn answers(operation: Operation<'static>) -> Native {
    let mut declaration = declare(&["out"]);
    declaration.stores = vec![kv("s")];
    native(declaration, move |_, _, out| {
        out.push(&operation);
        Ok(())
    })
}

#[test]
fn an_operation_on_what_was_not_declared_is_a_fault_that_says_so() {
    let cases = [
        (Operation { target: 1, value: Some(b"x"), ..op(OpKind::Emit, 0) }, "1 outputs"),
        (Operation { target: 9, ..op(OpKind::Forward, 0) }, "1 outputs"),
        (op(OpKind::Forward, 7), "cause 7"),
        (Operation { target: 3, key: Some(b"k"), ..op(OpKind::Delete, 0) }, "store 3"),
        (Operation { key: Some(b"k"), ..op(OpKind::CancelTimer, 0) }, "timer 0"),
        (Operation { value: Some(b"a"), ..op(OpKind::Accumulator, 0) }, "accumulator"),
        (Operation { partition: Some(4), value: Some(b"x"), ..op(OpKind::Emit, 0) }, "partition 4"),
    ];
    for (operation, expected) in cases {
        let world = World::new();
        world.append("in", &numbered(1), &[1]);
        world.run(&answers(operation), &[("in", 0)]);
        let messages = world.headers("dead", "pelton-message");
        assert!(messages[0].contains(expected), "{operation:?}: {messages:?}");
        assert_eq!(world.headers("dead", "pelton-code"), ["E-GUEST-UNKNOWN-TARGET"]);
        assert!(world.rows("out").is_empty());
    }
}

#[test]
fn output_limits_hold_at_the_limit_and_not_past_it() {
    for (count, dead) in [(100_000, 0), (100_001, 1)] {
        let world = World::new();
        world.append("in", &numbered(1), &[1]);
        let function = native(declare(&["out"]), move |_, _, out| {
            (0..count).for_each(|_| out.forward(0, 0));
            Ok(())
        });
        world.run(&function, &[("in", 0)]);
        assert_eq!(world.rows("dead").len(), dead, "{count}");
        assert_eq!(world.rows("out").len(), if dead == 0 { 100_000 } else { 0 });
    }
    for (size, dead) in [(1 << 20, 0), ((1 << 20) + 1, 1)] {
        let world = World::new();
        world.append("in", &numbered(1), &[1]);
        let function = native(declare(&["out"]), move |_, _, out| {
            emit(out, 0, None, &"x".repeat(size));
            Ok(())
        });
        world.run(&function, &[("in", 0)]);
        assert_eq!(world.rows("dead").len(), dead, "{size}");
    }
}

#[test]
fn header_limits_hold_at_the_limit_and_not_past_it() {
    let one_each = |count: usize| vec![("h".to_owned(), 0); count];
    let of_bytes = |bytes: usize| vec![("name".to_owned(), bytes - 4)];
    let cases = [
        (one_each(64), None),
        (one_each(65), Some("record_headers")),
        (of_bytes(64 * 1024), None),
        (of_bytes(64 * 1024 + 1), Some("header_bytes")),
    ];
    for (headers, limit) in cases {
        let world = World::new();
        world.append("in", &numbered(1), &[1]);
        let function = native(declare(&["out"]), move |_, _, out| {
            emit(out, 0, None, "x");
            for (name, bytes) in &headers {
                out.header(name, Some(&vec![b'v'; *bytes]));
            }
            Ok(())
        });
        world.run(&function, &[("in", 0)]);
        assert_eq!(world.rows("out").len(), usize::from(limit.is_none()), "{limit:?}");
        let dead = world.headers("dead", "pelton-message");
        assert_eq!(dead.len(), usize::from(limit.is_some()));
        assert!(dead.iter().all(|message| message.contains(limit.unwrap())), "{dead:?}");
    }
}

#[test]
fn f20_a_full_log_makes_the_task_wait_and_then_go_on_with_the_same_commit() {
    let world = World::new();
    world.append("in", &numbered(50), &[10]);
    let function = sums();
    let mut task = world.start(&function, world.config(&function, &[("in", 0)]));
    world.log.set_full(true);
    for _ in 0..20 {
        if let Step::Wait { until_ms } = pollster::block_on(task.step()).unwrap() {
            world.clock.set(until_ms);
        }
    }
    assert!(world.rows("out").is_empty());
    world.log.set_full(false);
    world.finish(&mut task).unwrap();
    assert_eq!(world.rows("out").len(), 50);
    assert_eq!(world.rows("out")[49].1.as_deref(), Some("1225"));
}

#[test]
fn f31_a_task_that_was_taken_over_cannot_commit_any_more() {
    let world = World::new();
    world.append("in", &numbered(50), &[10]);
    let function = sums();
    let mut config = world.config(&function, &[("in", 0)]);
    config.limits.set("batch_records", 10).unwrap();
    let mut zombie = world.start(&function, config);
    pollster::block_on(zombie.step()).unwrap();
    let mut owner = world.start(&function, world.config(&function, &[("in", 0)]));
    let error = pollster::block_on(zombie.step()).unwrap_err();
    assert_eq!(error.code, "E-TASK-FENCED");
    world.finish(&mut owner).unwrap();
    assert_eq!(world.rows("out").len(), 50);
}

#[test]
fn what_is_too_large_for_one_commit_goes_into_several_and_a_record_that_is_is_a_dead_letter() {
    let world = World::new();
    let rows: Vec<_> = (0..1_000).map(|at| row("k", &at.to_string(), at)).collect();
    world.append("in", &rows, &[1_000]);
    world.log.limit_commits(10_000);
    let function = native(declare(&["out"]), |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            let size = if record.value() == Some(b"500") { 10_000 } else { 100 };
            emit(out, record.row(), Some(b"k"), &"x".repeat(size));
        }
        Ok(())
    });
    let task = world.run(&function, &[("in", 0)]);
    assert_eq!(world.rows("out").len(), 999);
    assert_eq!(world.headers("dead", "pelton-code"), ["E-GUEST-OUTPUT-SIZE"]);
    assert!(world.headers("dead", "pelton-message")[0].contains("a commit takes 10000"));
    assert!(task.sequence() > 10, "{}", task.sequence());
    assert!(world.log.batches(&support::topic("out"), 0).iter().all(|batch| batch.len() < 10_000));
}

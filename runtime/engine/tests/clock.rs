//! F30: the wall clock steps back or forward by a day under a task at work.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pelton_batch::{Kind, OpKind, Operation};
use pelton_core::{Clock as _, Fault, FaultKind, TimeDomain};
use pelton_engine::{Step, Task};
use support::functions::*;
use support::{Native, World, declare, native, row, timer};

const DAY_MS: i64 = 86_400_000;

fn work(task: &mut Task) -> Step {
    loop {
        match pollster::block_on(task.step()).unwrap() {
            Step::Worked => {}
            other => return other,
        }
    }
}

/// Wakes a second of wall time behind each record.
fn wakes() -> Native {
    let mut declaration = declare(&["out"]);
    declaration.timers = vec![timer("wake", TimeDomain::Processing)];
    native(declaration, |batch, environment, out| {
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
    })
}

#[test]
fn f30_a_timer_fires_though_the_clock_has_stepped_back_also_after_a_restart() {
    for restarts in [false, true] {
        let world = World::new();
        world.append("in", &[row("k", "x", 1)], &[1]);
        let function = wakes();
        let config = || {
            let mut config = world.config(&function, &[("in", 0)]);
            config.bounded = false;
            config
        };
        let mut task = world.start(&function, config());
        work(&mut task);
        world.clock.advance(-DAY_MS);
        if restarts {
            drop(task);
            task = world.start(&function, config());
        }
        work(&mut task);
        world.clock.advance(1_900);
        work(&mut task);
        assert!(world.rows("out").is_empty());
        // Time has gone on at half its speed, not stood still for a day.
        world.clock.advance(200);
        work(&mut task);
        assert_eq!(world.rows("out").len(), 1, "restarts: {restarts}");
    }
}

#[test]
fn f30_a_step_forward_fires_what_is_due_by_it_once() {
    let world = World::new();
    world.append("in", &[row("k", "x", 1)], &[1]);
    let function = wakes();
    let mut config = world.config(&function, &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&function, config);
    work(&mut task);
    for step in [DAY_MS, -DAY_MS, DAY_MS] {
        world.clock.advance(step);
        work(&mut task);
    }
    assert_eq!(world.rows("out").len(), 1);
}

#[test]
fn f30_an_empty_input_becomes_idle_though_the_clock_has_stepped_back() {
    let world = World::new();
    world.append("in", &[row("k", "x", 1)], &[1]);
    let function = native(declare(&["out"]), |batch, _, out| {
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    });
    let mut config = world.config(&function, &[("in", 0), ("in2", 0)]);
    config.bounded = false;
    config.idle_timeout_ms = 500;
    let mut task = world.start(&function, config);
    work(&mut task);
    world.clock.advance(-DAY_MS);
    work(&mut task);
    world.clock.advance(1_000);
    work(&mut task);
    assert_eq!(task.lag().unwrap(), 0);
}

#[test]
fn f30_a_retry_comes_though_the_clock_steps_about_and_nothing_is_lost() {
    let world = World::new();
    world.append("in", &[row("k", "x", 1), row("k", "y", 2)], &[2]);
    let left = Arc::new(AtomicUsize::new(6));
    let function = native(declare(&["out"]), move |batch, _, out| {
        if left.load(Ordering::Relaxed) > 0 {
            left.fetch_sub(1, Ordering::Relaxed);
            let fault = Fault::new(FaultKind::Failure, "database is away");
            return Err(Fault { retryable: true, ..fault });
        }
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    });
    let mut config = world.config(&function, &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&function, config);
    let mut waits = 0;
    while let Step::Wait { until_ms } = work(&mut task) {
        waits += 1;
        let wait_ms = until_ms - task.tell_time();
        assert!((0..=60_000).contains(&wait_ms), "{wait_ms}");
        world.clock.advance(if waits % 2 == 0 { DAY_MS } else { -DAY_MS });
        // It is asked again when what it said has passed, and may say that it is too early.
        task.tell_time();
        world.clock.advance(2 * wait_ms + 2);
        assert!(waits < 20, "{}", world.clock.now_ms());
    }
    assert_eq!(world.rows("out").len(), 2);
    assert!(world.rows("dead").is_empty());
}

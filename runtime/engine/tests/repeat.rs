//! A recorded run is repeated to the byte: cuts, wall time, idle inputs, timers, random numbers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::{Kind, OpKind, Operation};
use pelton_core::window::Assigner;
use pelton_core::{Clock as _, TaskRecord, TimeDomain};
use pelton_engine::{Repeat, Step, Task};
use support::functions::{emit, op, window_histories, with_window};
use support::{Native, World, declare, kv, native, row, timer};

/// Tells the wall time, the watermark and a random number of each record and timer, and sets timers
/// of both kinds.
fn teller() -> Native {
    let mut declaration = declare(&["out"]);
    declaration.stores = vec![kv("seen")];
    declaration.timers =
        vec![timer("wall", TimeDomain::Processing), timer("event", TimeDomain::Event)];
    native(declaration, |batch, environment, out| {
        let facts = |row: usize| {
            let (now, watermark) = (environment.now(u32::MAX), environment.watermark());
            format!("{now} {watermark} {} of {}", environment.random(row as u32, 0), batch.rows())
        };
        if batch.kind() == Kind::Timers {
            for timer in batch.timers().unwrap().iter() {
                emit(out, timer.row, timer.key, &format!("timer {}", facts(timer.row)));
            }
            return Ok(());
        }
        for record in batch.records().unwrap().iter() {
            emit(out, record.row(), record.key(), &facts(record.row()));
            let due = [environment.now(u32::MAX) + 700, record.timestamp() + 50];
            for (target, due) in (0..).zip(due) {
                let set = op(OpKind::SetTimer, record.row());
                let set = Operation { target, key: record.key(), timestamp: Some(due), ..set };
                out.push(&set);
            }
        }
        Ok(())
    })
}

const INPUTS: [(&str, i64); 2] = [("in", 0), ("in2", 0)];

/// Runs until nothing is left to do now.
fn rest(task: &mut Task) {
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
}

/// What a world's task has committed.
fn records(world: &World, task: &Task) -> Vec<TaskRecord> {
    let mut sink = world.log.sink();
    pollster::block_on(sink.load(&task.config().id)).unwrap().tail
}

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 += 1;
        pelton_engine::random(7, self.0, 0) % end
    }
}

fn live(function: &Native, world: &World, numbers: &mut Numbers) -> Task {
    let mut config = world.config(function, &INPUTS);
    config.bounded = false;
    config.idle_timeout_ms = 500;
    config.limits.set("batch_records", 1 + numbers.below(20)).unwrap();
    let mut task = world.start(function, config);
    let mut times = [0; 2];
    for _ in 0..60 {
        let which = numbers.below(2) as usize;
        for _ in 0..numbers.below(12) {
            times[which] += numbers.below(40) as i64;
            let key = format!("k{}", numbers.below(4));
            world.append(INPUTS[which].0, &[row(&key, "x", times[which])], &[1]);
        }
        world.clock.advance(numbers.below(900) as i64);
        match numbers.below(3) {
            0 => drop(pollster::block_on(task.step()).unwrap()),
            _ => rest(&mut task),
        }
    }
    rest(&mut task);
    task
}

#[test]
fn a_recorded_run_is_repeated_to_the_byte() {
    let sessions = || window_histories(Assigner::Session { gap_ms: 60 }, 100);
    let by_time = with_window(&sessions(), |spec| {
        (spec.early_every_ms, spec.early_delay_ms) = (Some(100), Some(1_500));
    });
    for (function, least) in [(teller(), 1_000), (sessions(), 200), (by_time, 1_000)] {
        repeats(&function, least);
    }
}

fn repeats(function: &Native, least: usize) {
    let mut told = 0;
    for seed in 0..40 {
        let mut numbers = Numbers(seed * 1_000_000);
        let first = World::new();
        let task = live(function, &first, &mut numbers);
        let again = World::new();
        for (name, _) in INPUTS {
            // The same records in other batches.
            again.append(name, &first.rows(name), &[1 + numbers.below(30) as usize]);
        }
        let mut config = again.config(function, &INPUTS);
        config.bounded = false;
        let mut repeated = again.start(function, config);
        for TaskRecord { meta, .. } in records(&first, &task) {
            assert!(meta.time_ms <= first.clock.now_ms());
            again.clock.set(meta.time_ms);
            repeated.begin_repeat(Repeat::Commit(&meta));
            while !pollster::block_on(repeated.repeat_step(Repeat::Commit(&meta))).unwrap() {}
        }
        assert_eq!(again.rows("out"), first.rows("out"), "seed {seed}");
        assert_eq!(repeated.watermark(), task.watermark(), "seed {seed}");
        told += first.rows("out").len();
    }
    assert!(told > least, "the test shows something: {told}");
}

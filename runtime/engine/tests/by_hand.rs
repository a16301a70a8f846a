//! Event time that is moved by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_core::window::Assigner;
use pelton_engine::{Step, Task};
use support::functions::*;
use support::{World, row};

fn rest(task: &mut Task) {
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
}

#[test]
fn what_waits_is_taken_before_the_watermark_is_moved_and_nothing_of_it_is_late() {
    let world = World::new();
    let function = window_histories(Assigner::Tumbling { size_ms: 10 }, 0);
    let mut config = world.config(&function, &[("in", 0), ("in2", 0)]);
    (config.bounded, config.idle_timeout_ms) = (false, i64::MAX);
    let mut task = world.start(&function, config);
    world.append("in", &[row("a", "1", 1), row("a", "2", 12), row("a", "3", 30)], &[3]);
    rest(&mut task);
    assert!(world.rows("out").is_empty(), "the other input is waited for");
    task.advance_watermark(20);
    rest(&mut task);
    let told = |name| world.rows(name).into_iter().filter_map(|row| row.1).collect::<Vec<_>>();
    assert_eq!(told("out"), ["0..10 #0: 1", "10..20 #0: 2"]);
    assert_eq!((task.watermark(), told("late").len()), (20, 0));
    task.advance_watermark(5);
    world.append("in2", &[row("b", "late", 19), row("b", "4", 20), row("b", "5", 31)], &[1]);
    rest(&mut task);
    assert_eq!((task.watermark(), told("late")), (20, vec!["late".to_owned()]));
    task.advance_watermark(30);
    rest(&mut task);
    assert_eq!((task.watermark(), &told("out")[2..]), (30, &["20..30 #0: 4".to_owned()][..]));
}

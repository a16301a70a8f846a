//! Watching a task: every commit is told as it was, and the task never waits for who watches.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use pelton_core::window::Assigner;
use pelton_engine::{
    CANARY_PARTS, CanaryBoard, CanaryFactory, Cause, GuestPool, Parts, Replacement, Sample,
    Settings, Side, Step, Task, WATCHED_BYTES_MAX, WATCHED_COMMITS_MAX, WATCHES_MAX, Watch,
    side_of,
};
use support::functions::*;
use support::{Native, Row, World, row};

fn start(world: &World, function: &Native, batch: u64) -> Task {
    let mut config = world.config(function, &[("in", 0)]);
    config.bounded = false;
    config.limits.set("batch_records", batch).unwrap();
    config.retry.attempts_max = 1;
    world.start(function, config)
}

fn drain(task: &mut Task) {
    loop {
        match pollster::block_on(task.step()).unwrap() {
            Step::Worked => {}
            Step::Wait { until_ms } => panic!("waits until {until_ms}"),
            Step::Idle { .. } | Step::Finished => return,
        }
    }
}

fn samples(watch: &Watch) -> Vec<Sample> {
    let mut all = Vec::new();
    while let Some(watched) = watch.next(u64::MAX) {
        all.extend(watched.samples().unwrap());
    }
    all
}

/// The offset of a record, its value, and the values that were sent for it.
fn texts(samples: &[Sample]) -> Vec<String> {
    let text = |value: &Option<bytes::Bytes>| {
        value.as_ref().map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default()
    };
    let show = |sample: &Sample| {
        let sent: Vec<_> = sample.effect.emitted.iter().map(|e| text(&e.value)).collect();
        let given = sample.given.as_ref().map(|given| text(&given.value)).unwrap_or_default();
        match &sample.cause {
            Cause::Record { offset, .. } => format!("{offset}:{given}>{}", sent.join(",")),
            Cause::Window { start, end, .. } => format!("{start}-{end}>{}", sent.join(",")),
            Cause::Timer { name, .. } => format!("{name}>{}", sent.join(",")),
        }
    };
    samples.iter().map(show).collect()
}

#[test]
fn every_record_is_told_with_what_came_of_it_even_where_that_is_nothing() {
    let world = World::new();
    let mut task = start(&world, &even(), 100);
    world.append("in", &[row("a", "0", 1)], &[1]);
    drain(&mut task);
    let watch = task.watch().unwrap();
    world.append("in", &[row("a", "2", 1), row("a", "3", 2), row("b", "4", 3)], &[2]);
    drain(&mut task);
    assert!(watch.next(0).is_none(), "nothing that is not durable");
    let all = samples(&watch);
    assert_eq!(texts(&all), ["1:2>2", "2:3>", "3:4>4"]);
    assert_eq!(all[2].effect.emitted[0].key.as_deref(), Some(&b"b"[..]));
    assert_eq!((watch.take_missed(), watch.is_live()), (0, true));
    drop(task);
    assert!(watch.is_over() && !watch.is_live());
}

#[test]
fn windows_are_told_by_the_window_and_faults_by_the_record() {
    let world = World::new();
    let contents = window_contents(Assigner::Tumbling { size_ms: 10 }, 0);
    let mut task = start(&world, &contents, 100);
    let watch = task.watch().unwrap();
    let late = row("a", "3", 1);
    world.append("in", &[row("a", "1", 1), row("a", "2", 12), late], &[1]);
    drain(&mut task);
    let all = samples(&watch);
    let windows: Vec<_> =
        all.iter().filter(|sample| matches!(sample.cause, Cause::Window { .. })).collect();
    assert_eq!(windows.len(), 1, "{all:?}");
    assert!(matches!(windows[0].cause, Cause::Window { start: 0, end: 10, adding: false, .. }));
    assert_eq!(windows[0].effect.emitted.len(), 1);
    let late: Vec<bool> = all.iter().filter_map(|s| Some(s.given.as_ref()?.late)).collect();
    assert_eq!(late, [false, false, true]);

    let world = World::new();
    let mut task = start(&world, &poisoned(&sums()), 100);
    let watch = task.watch().unwrap();
    world.append("in", &[row("a", "1", 1), row("a", "13", 2), row("a", "5", 3)], &[3]);
    drain(&mut task);
    let all = samples(&watch);
    assert_eq!(texts(&all), ["0:1>1", "1:13>", "2:5>6"]);
    assert_eq!(
        all.iter().map(|s| s.effect.fault.is_some()).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(all[0].effect.changes(), 1);
}

#[test]
fn one_who_does_not_read_misses_what_does_not_fit_and_holds_nobody_up() {
    let world = World::new();
    let mut task = start(&world, &even(), 1);
    let (slow, quick) = (task.watch().unwrap(), task.watch().unwrap());
    let rows: Vec<Row> = (0..WATCHED_COMMITS_MAX as i64).map(|n| row("a", "2", n)).collect();
    world.append("in", &rows, &[100]);
    drain(&mut task);
    assert_eq!(slow.take_missed(), 0, "at the limit");
    assert_eq!(samples(&quick).len(), WATCHED_COMMITS_MAX);
    world.append("in", &[row("a", "2", 9_998), row("a", "2", 9_999)], &[2]);
    drain(&mut task);
    assert_eq!((slow.take_missed(), slow.take_missed()), (2, 0), "past it");
    assert_eq!((samples(&quick).len(), quick.take_missed()), (2, 0));
    assert_eq!(samples(&slow).len(), WATCHED_COMMITS_MAX);
    // Where nobody has room, nothing is even kept, and all is counted.
    world.append("in", &rows, &[100]);
    drain(&mut task);
    world.append("in", &rows, &[100]);
    drain(&mut task);
    let both = [slow.take_missed(), quick.take_missed()];
    assert_eq!(both, [WATCHED_COMMITS_MAX as u64; 2]);
    assert_eq!(world.rows("out").len(), 3 * WATCHED_COMMITS_MAX + 2);
}

/// A record whose value has so many bytes.
fn of_bytes(value: usize) -> Row {
    row("a", &"1".repeat(value), 1)
}

#[test]
fn bytes_that_wait_for_one_who_does_not_read_are_bounded() {
    const RECORD: usize = WATCHED_BYTES_MAX / 8;
    let world = World::new();
    let mut task = start(&world, &even(), 1);
    let watch = task.watch().unwrap();
    // All but a few bytes of a commit are its record's value.
    let rows: Vec<Row> = (0..8).map(|_| of_bytes(RECORD - 4_096)).collect();
    world.append("in", &rows, &[1]);
    drain(&mut task);
    assert_eq!(watch.take_missed(), 0, "within the limit");
    world.append("in", &[of_bytes(RECORD)], &[1]);
    drain(&mut task);
    assert_eq!((watch.take_missed(), samples(&watch).len()), (1, 8), "past it");
    // One that is larger by itself is told where nothing else waits.
    world.append("in", &[of_bytes(100)], &[1]);
    drain(&mut task);
    assert_eq!((watch.take_missed(), samples(&watch).len()), (0, 1));
}

#[test]
fn as_many_watch_as_may_and_who_has_left_makes_room() {
    let world = World::new();
    let mut task = start(&world, &even(), 10);
    let mut all: Vec<Arc<Watch>> = (0..WATCHES_MAX).map(|_| task.watch().unwrap()).collect();
    let refused = task.watch().err().unwrap();
    assert!(refused.code == "E-TAP-BUSY" && refused.retryable);
    all.pop();
    all.push(task.watch().unwrap());
    assert!(task.watch().is_err());
}

#[test]
fn a_watch_goes_on_over_a_shadow_and_the_next_version() {
    let world = World::new();
    let mut task = start(&world, &sums(), 10);
    let watch = task.watch().unwrap();
    assert!(!task.has_shadow());
    let mut config = world.config(&sums(), &[("in", 0)]);
    (config.deployment, config.bounded) = (2, false);
    let new = Replacement { config: Arc::new(config), pool: GuestPool::new(Arc::new(sums())) };
    let (seed, feed) = task.shadow(&new).unwrap();
    drop(seed);
    world.append("in", &[row("a", "1", 1)], &[1]);
    drain(&mut task);
    assert_eq!((task.has_shadow(), feed.waiting() > 0), (true, true));
    assert_eq!(texts(&samples(&watch)), ["0:1>1"]);
    task.replace(new).unwrap();
    assert!(!task.has_shadow());
    world.append("in", &[row("a", "2", 2)], &[1]);
    drain(&mut task);
    let watched = watch.next(u64::MAX).unwrap();
    assert_eq!((watched.deployment, texts(&watched.samples().unwrap())), (2, vec!["1:2>3".into()]));
}

/// A task whose share of keys `parts` goes through `new`.
fn with_canary(world: &World, old: &Native, new: &Native, parts: u32) -> Task {
    let mut config = world.config(old, &[("in", 0)]);
    config.bounded = false;
    config.retry.attempts_max = 1;
    let (old, new) = (Arc::new(old.clone()), Arc::new(new.clone()));
    let board = Arc::new(CanaryBoard::new(1_000));
    let factory = CanaryFactory::new(old, new, Settings::default(), parts, board).unwrap();
    let parts = Parts {
        config,
        source: world.log.source(),
        sink: world.log.sink(),
        pool: GuestPool::new(Arc::new(factory)),
        clock: world.clock.clone(),
        telemetry: Arc::new(pelton_engine::NoTelemetry),
        peers: None,
    };
    pollster::block_on(Task::start(parts)).unwrap()
}

/// Keys of both sides.
fn keys(parts: u32) -> [String; 2] {
    let of = |wanted: bool| {
        let is = |key: &String| (side_of(key.as_bytes(), parts) == Side::New) == wanted;
        (0..).map(|n| format!("k{n}")).find(is).unwrap()
    };
    [of(true), of(false)]
}

fn sides(samples: &[Sample]) -> Vec<Option<bool>> {
    samples.iter().map(|sample| sample.canary).collect()
}

#[test]
fn it_is_told_which_version_of_a_canary_has_answered() {
    let parts = CANARY_PARTS * 3 / 10;
    let [new, old] = keys(parts);
    let world = World::new();
    let mut task = with_canary(&world, &sums(), &poisoned(&sums()), parts);
    let watch = task.watch().unwrap();
    world.append("in", &[row(&new, "1", 1), row(&old, "2", 2), row(&new, "3", 3)], &[3]);
    drain(&mut task);
    assert_eq!(sides(&samples(&watch)), [Some(true), Some(false), Some(true)]);
    // What the new version fails at, the old one answers.
    world.append("in", &[row(&new, "13", 4)], &[1]);
    drain(&mut task);
    let all = samples(&watch);
    assert_eq!((sides(&all), all[0].effect.fault.is_some()), (vec![Some(false)], false));

    let world = World::new();
    let mut task = start(&world, &sums(), 100);
    let watch = task.watch().unwrap();
    world.append("in", &[row(&new, "1", 1)], &[1]);
    drain(&mut task);
    assert_eq!(sides(&samples(&watch)), [None], "there is no canary");
}

#[test]
fn records_of_windows_and_windows_that_fire_are_told_by_their_version_too() {
    let parts = CANARY_PARTS * 3 / 10;
    let [new, old] = keys(parts);
    let world = World::new();
    let function = window_sums(Assigner::Tumbling { size_ms: 10 }, 0);
    let mut task = with_canary(&world, &function, &function, parts);
    let watch = task.watch().unwrap();
    world.append("in", &[row(&new, "1", 1), row(&old, "2", 2), row(&old, "3", 25)], &[3]);
    drain(&mut task);
    let found: Vec<_> = samples(&watch)
        .iter()
        .map(|sample| match &sample.cause {
            Cause::Record { key, .. } => ("record", key.clone().unwrap(), sample.canary),
            Cause::Window { key, .. } => ("window", key.clone().unwrap(), sample.canary),
            Cause::Timer { .. } => unreachable!(),
        })
        .collect();
    for cause in &found {
        assert_eq!(cause.2, Some(cause.1 == new), "{found:?}");
    }
    assert_eq!(found.iter().filter(|cause| cause.0 == "window").count(), 2, "{found:?}");
}

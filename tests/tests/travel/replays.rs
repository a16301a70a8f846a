//! Replays: the same code gives the same outputs, other code shows where it differs, and the live
//! function does not notice.

use std::time::Instant;

use pelton_core::{Result, Start, TopicName};
use pelton_server::functions::{
    Differences, REPLAYS_RUNNING_MAX, ReplayRequest, ReplayState, ReplayStatus, StartKind,
};

use crate::savepoints::{FUNCTIONS, NOW, Numbers, records, restore, savepoint};
use crate::support::{PARTITIONS, PATIENCE, World, function};

fn start(world: &World, request: ReplayRequest) -> Result<ReplayStatus> {
    world.runtime.block_on(world.functions.replay(&function(), request))
}

fn replay(world: &World, request: ReplayRequest) -> ReplayStatus {
    let id = start(world, request).unwrap().id;
    let begun = Instant::now();
    loop {
        let status = world.functions.replay_status(&function(), id).unwrap();
        if status.state != ReplayState::Running {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "{status:?}");
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

fn differences(status: &ReplayStatus) -> &Differences {
    assert_eq!(status.state, ReplayState::Done, "{status:?}");
    status.differences.as_ref().unwrap()
}

fn same(count: u64) -> Differences {
    Differences { same: count, ..Differences::default() }
}

/// Runs a function over random records in several appends.
fn world_of(wasm: &str, more: &str, seed: u64) -> World {
    let world = World::new();
    world.deploy(wasm, more).unwrap();
    let mut numbers = Numbers(seed);
    let mut times = [0; PARTITIONS as usize];
    for round in 0..6 {
        for partition in 0..PARTITIONS {
            let time = &mut times[partition as usize];
            world.append(partition, &records(&mut numbers, partition, time));
        }
        if round % 2 == 1 {
            world.settle();
        }
    }
    world.settle();
    world
}

fn emitted(world: &World) -> u64 {
    ["out", "late", "f.dead"]
        .iter()
        .filter(|topic| world.functions.node().journal().topic(&format!("default/{topic}")).is_ok())
        .flat_map(|topic| (0..PARTITIONS).map(move |partition| world.rows(topic, partition).len()))
        .sum::<usize>() as u64
}

#[test]
fn the_same_code_replayed_from_any_offset_differs_in_nothing() {
    for (wasm, more) in FUNCTIONS {
        let world = world_of(wasm, more, 11);
        let before = world.status();
        let all = emitted(&world);
        assert!(all > 0, "{wasm}");
        let status = replay(&world, ReplayRequest::new(Start::Earliest));
        assert_eq!(differences(&status), &same(all), "{wasm}");
        assert_eq!((status.records, status.records_in), (480, 480), "{wasm}");
        let mut counts = vec![all];
        for offset in [1, 40, 41, 100, 239] {
            let status = replay(&world, ReplayRequest::new(Start::Offset(offset)));
            let found = differences(&status);
            assert_eq!(found, &same(found.same), "{wasm} from {offset}: {status:?}");
            assert!(status.began.iter().all(|began| began.with == StartKind::Commit));
            counts.push(found.same);
        }
        assert!(counts.is_sorted_by(|a, b| a >= b), "{wasm}: {counts:?}");
        let until = ReplayRequest {
            until: Some(Start::Offset(120)),
            ..ReplayRequest::new(Start::Earliest)
        };
        let found = replay(&world, until);
        assert_eq!(differences(&found), &same(differences(&found).same), "{wasm}");
        // The live function was not touched, and a restart changes nothing.
        assert_eq!(world.status().tasks, before.tasks, "{wasm}");
        assert_eq!(emitted(&world), all, "{wasm}");
        let world = world.reopen();
        let status = replay(&world, ReplayRequest::new(Start::Earliest));
        assert_eq!(differences(&status), &same(all), "{wasm} after a restart");
    }
}

#[test]
fn another_version_shows_where_it_differs() {
    let world = World::new();
    world.deploy("deduplicate", "").unwrap();
    let rows: Vec<_> = [("0-a", 0), ("0-a", 10), ("0-b", 20)]
        .map(|(key, time)| (key.to_owned(), format!("at {time}"), time))
        .into();
    world.append(0, &rows);
    world.settle();
    world.deploy("faulty", "[[output]]\nname = \"out\"\ntopic = \"out\"").unwrap();
    let version =
        |version| ReplayRequest { version: Some(version), ..ReplayRequest::new(Start::Earliest) };
    let same_again = replay(&world, version(1));
    assert_eq!(differences(&same_again), &same(2));
    let status = replay(&world, version(2));
    let found = differences(&status);
    assert_eq!((found.same, found.changed, found.missing, found.extra), (2, 0, 0, 1), "{found:?}");
    let first = &found.first[0];
    assert_eq!((first.key.as_deref(), first.timestamp), (Some("0-a"), 10));
    assert_eq!((&first.emitted, first.replayed.as_deref()), (&None, Some("at 10")));
}

#[test]
fn results_go_to_a_new_topic_in_the_same_order_and_never_twice() {
    for (wasm, more) in FUNCTIONS {
        let world = world_of(wasm, more, 5);
        let to = |topic: &str| ReplayRequest {
            to: Some(TopicName::parse(topic).unwrap()),
            ..ReplayRequest::new(Start::Earliest)
        };
        let status = replay(&world, to("again"));
        assert_eq!(status.state, ReplayState::Done, "{status:?}");
        for task in 0..PARTITIONS {
            for partition in 0..PARTITIONS {
                let mut again = world.rows("again", partition);
                again.retain(|row| row.0.starts_with(&task.to_string()));
                // Late records are of another output, and here of the same topic.
                let main = world.outputs_to(task, partition);
                let again: Vec<_> = again.into_iter().filter(|row| main.contains(row)).collect();
                assert_eq!(again, main, "{wasm}");
            }
        }
        assert_eq!(start(&world, to("again")).unwrap_err().code, "E-REPLAY-TOPIC");
        assert_eq!(start(&world, to("other/again")).unwrap_err().code, "E-TENANT-OTHER");
    }
}

#[test]
fn a_replay_begins_at_a_savepoint_where_the_commits_are_gone_and_says_so() {
    let (wasm, more) = FUNCTIONS[0];
    let world = world_of(wasm, more, 3);
    savepoint(&world, Some("s"));
    let mut time = 100_000;
    world.append(0, &records(&mut Numbers(1), 0, &mut time));
    world.settle();
    let since = emitted(&world);
    // From here on commits are known, from the savepoint to here they are not.
    restore(&world, "s", NOW).unwrap();
    world.settle();
    assert!(emitted(&world) > since);
    let status = replay(&world, ReplayRequest::new(Start::Offset(240)));
    assert_eq!(status.began[0].with, StartKind::Commit);
    assert_eq!(differences(&status).same, emitted(&world) - since);
    let error = start(&world, ReplayRequest::new(Start::Offset(100))).unwrap_err();
    assert_eq!(error.code, "E-REPLAY-DECISIONS");
    let to = |topic: &str, offset| ReplayRequest {
        to: Some(TopicName::parse(topic).unwrap()),
        ..ReplayRequest::new(Start::Offset(offset))
    };
    let status = replay(&world, to("empty", 100));
    assert_eq!((status.state, status.began[0].with), (ReplayState::Done, StartKind::Empty));
    assert_eq!(status.began[0].at, ["in:0:100"]);
}

#[test]
fn replays_are_bounded_cancelled_and_remembered() {
    let world = World::new();
    let unknown = start(&world, ReplayRequest::new(Start::Earliest)).unwrap_err();
    assert_eq!(unknown.code, "E-FUNCTION-UNKNOWN");
    world.deploy("faulty", "").unwrap();
    let empty = start(&world, ReplayRequest::new(Start::Earliest)).unwrap_err();
    assert_eq!(empty.code, "E-REPLAY-EMPTY");
    let slow = ("0-k".to_owned(), "slow".to_owned(), 0);
    world.append(0, &vec![slow; 40]);
    world.settle();
    let started: Vec<_> = (0..REPLAYS_RUNNING_MAX)
        .map(|_| start(&world, ReplayRequest::new(Start::Earliest)).unwrap().id)
        .collect();
    let refused = start(&world, ReplayRequest::new(Start::Earliest)).unwrap_err();
    assert_eq!(refused.code, "E-REPLAY-LIMIT");
    for id in &started {
        world.functions.cancel_replay(&function(), *id).unwrap();
    }
    world.wait_for("the end of both", |world| {
        let all = world.functions.replays(&function()).unwrap();
        all.iter().all(|replay| replay.state != ReplayState::Running)
    });
    let gone = world.functions.replay_status(&function(), 99).unwrap_err();
    assert_eq!(gone.code, "E-REPLAY-UNKNOWN");
}

#[test]
fn where_retention_has_removed_the_input_a_replay_begins_behind_it() {
    let world = World::new();
    world.deploy("deduplicate", "").unwrap();
    for n in 0..4 {
        world.append(0, &[(format!("0-{n}"), "x".into(), n)]);
        world.settle();
    }
    let journal = world.functions.node().journal();
    let mut retention = journal.topic("default/in").unwrap().config().retention;
    retention.time_ms = Some(0);
    journal.set_retention("default/in", retention, 0).unwrap();
    journal.clean(2).unwrap();
    let status = replay(&world, ReplayRequest::new(Start::Earliest));
    assert_eq!(status.began[0].at, ["in:0:2"], "{status:?}");
    assert_eq!(differences(&status), &same(2));
    journal.clean(i64::MAX).unwrap();
    let error = start(&world, ReplayRequest::new(Start::Earliest)).unwrap_err();
    assert_eq!(error.code, "E-REPLAY-EMPTY");
}

#[test]
fn after_a_restart_a_replay_into_a_topic_says_how_it_ended_and_what_to_do() {
    let world = World::new();
    world.deploy("faulty", "").unwrap();
    world.append(0, &[("0-k".to_owned(), "x".to_owned(), 0)]);
    world.settle();
    let to = |topic: &str| ReplayRequest {
        to: Some(TopicName::parse(topic).unwrap()),
        ..ReplayRequest::new(Start::Earliest)
    };
    let done = replay(&world, to("first"));
    assert_eq!(done.state, ReplayState::Done);
    let slow = ("0-k".to_owned(), "slow".to_owned(), 0);
    world.append(0, &vec![slow; 200]);
    world.settle();
    let running = start(&world, to("second")).unwrap();
    assert_eq!(running.state, ReplayState::Running);
    let world = world.reopen();
    let all = world.functions.replays(&function()).unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(all[0], done);
    assert_eq!((all[1].id, all[1].state), (running.id, ReplayState::Interrupted));
    let error = all[1].error.as_ref().unwrap();
    assert!(error.contains("pelton topic rm second"), "{error}");
    // Numbers go on, and it stays so.
    let next = start(&world, ReplayRequest::new(Start::Offset(0))).unwrap();
    assert_eq!(next.id, running.id + 1);
    let world = world.reopen();
    let again = world.functions.replays(&function()).unwrap();
    assert_eq!(again, all, "a comparison is not kept");
    world.runtime.block_on(world.functions.remove(&function(), false)).unwrap();
    world.deploy("faulty", "").unwrap();
    assert!(world.functions.replays(&function()).unwrap().is_empty());
}

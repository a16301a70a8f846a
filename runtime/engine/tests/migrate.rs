//! State of another schema version: migrated in the background, and what becomes of faults.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use pelton_batch::{Kind, OpKind, Operation};
use pelton_core::{Clock, Fault, FaultKind, StoreKind};
use pelton_engine::{
    GuestPool, MIGRATE_BYTES_MAX, MIGRATE_VALUES_MAX, Replacement, Step, Task, TaskConfig, Verdict,
};
use support::functions::*;
use support::{Native, Row, World, declare, kv, native, row};

fn live(world: &World, function: &Native) -> TaskConfig {
    let mut config = world.config(function, &[("in", 0)]);
    config.bounded = false;
    config.idle_timeout_ms = i64::MAX;
    config
}

fn replacement(world: &World, function: &Native) -> Replacement {
    let mut config = live(world, function);
    config.deployment = 2;
    Replacement { config: Arc::new(config), pool: GuestPool::new(Arc::new(function.clone())) }
}

fn drain(task: &mut Task) {
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
}

fn values(world: &World) -> Vec<String> {
    world.rows("out").into_iter().map(|row: Row| row.1.unwrap_or_default()).collect()
}

/// A record for each of so many keys, all with this value.
fn keys(count: usize, value: &str) -> Vec<Row> {
    (0..count).map(|key| row(&format!("k{key:05}"), value, 1)).collect()
}

/// A world whose store holds `rows`, written by version 1.
fn written_by_one(rows: &[Row]) -> (World, Task) {
    let world = World::new();
    world.append("in", rows, &[1_000]);
    let one = versioned_sums(&Versioned::new(1, &[]));
    let mut task = world.start(&one, live(&world, &one));
    drain(&mut task);
    (world, task)
}

fn stored(task: &Task, key: &str) -> (String, u32) {
    let entry = task.state().get(0, key.as_bytes()).unwrap();
    (String::from_utf8(entry.value.to_vec()).unwrap(), entry.schema)
}

/// The error that stops a task.
fn stopped(task: &mut Task) -> pelton_core::Error {
    loop {
        match pollster::block_on(task.step()) {
            Ok(Step::Worked) => {}
            Ok(step) => panic!("{step:?}"),
            Err(error) => return error,
        }
    }
}

/// What the task's counters say without asking it.
fn published(task: &pelton_engine::Task) -> u64 {
    task.counters().unmigrated.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn an_idle_task_migrates_all_it_has_in_small_calls() {
    for kind in [StoreKind::Kv, StoreKind::Ordered] {
        let rows = MIGRATE_VALUES_MAX;
        for (count, expected) in [(rows, vec![rows]), (rows + 1, vec![rows, 1])] {
            let world = World::new();
            world.append("in", &keys(count, "5"), &[1_000]);
            let one = versioned_sums(&Versioned { kind, ..Versioned::new(1, &[]) });
            drain(&mut world.start(&one, live(&world, &one)));
            let how = Versioned { kind, ..Versioned::new(2, &[1]) };
            let two = versioned_sums(&how);
            let mut task = world.start(&two, live(&world, &two));
            assert_eq!(task.unmigrated(), count as u64);
            assert_eq!(published(&task), count as u64);
            drain(&mut task);
            assert_eq!((task.unmigrated(), published(&task)), (0, 0));
            assert_eq!(*how.calls.lock().unwrap(), expected);
            assert_eq!(stored(&task, "k00007"), ("2:5".into(), 2));
            drop(task);
            // What is migrated is committed.
            let task = world.start(&two, live(&world, &two));
            assert_eq!((task.unmigrated(), stored(&task, "k00007").1), (0, 2));
        }
    }
}

/// Puts values of so many bytes, key included, and then migrates them. Answers the calls for it.
fn calls_for_bytes(bytes: &[usize]) -> Vec<usize> {
    let world = World::new();
    let rows: Vec<Row> = bytes
        .iter()
        .enumerate()
        .map(|(key, bytes)| row(&key.to_string(), &"x".repeat(bytes - 1), 1))
        .collect();
    world.append("in", &rows, &[1]);
    let keep = |schema| {
        let mut declaration = declare(&["out"]);
        declaration.stores = vec![pelton_core::StoreDeclaration { schema, ..kv("kept") }];
        let calls: Arc<std::sync::Mutex<Vec<usize>>> = Arc::default();
        let seen = Arc::clone(&calls);
        let function = native(declaration, move |batch, _, out| {
            if batch.kind() == Kind::Migrate {
                seen.lock().unwrap().push(batch.rows());
            }
            for record in batch.records().unwrap().iter() {
                let (key, value, put) =
                    (record.key(), record.value(), op(OpKind::Put, record.row()));
                out.push(&Operation { key, value, schema, ..put });
            }
            Ok(())
        });
        (function, calls)
    };
    let (one, _) = keep(1);
    drain(&mut world.start(&one, live(&world, &one)));
    let (two, calls) = keep(2);
    let mut task = world.start(&two, live(&world, &two));
    drain(&mut task);
    assert_eq!(task.unmigrated(), 0);
    calls.lock().unwrap().clone()
}

#[test]
fn a_call_has_so_many_bytes_and_a_larger_value_goes_alone() {
    let half = MIGRATE_BYTES_MAX / 2;
    assert_eq!(calls_for_bytes(&[half, half, 10]), [2, 1]);
    assert_eq!(calls_for_bytes(&[half, half + 1, 10]), [1, 2]);
    assert_eq!(calls_for_bytes(&[3 * half, 10, 10]), [1, 2]);
}

#[test]
fn a_busy_task_goes_on_and_migrates_a_little_now_and_then() {
    let (world, old) = written_by_one(&keys(1_000, "5"));
    drop(old);
    let how = Versioned::new(2, &[1]);
    let two = versioned_sums(&how);
    let mut config = live(&world, &two);
    config.limits.set("batch_records", 10).unwrap();
    let mut task = world.start(&two, config);
    for _ in 0..100 {
        world.append("in", &keys(10, "1"), &[10]);
    }
    // Records first, all the time: 100 calls with records, a sixteenth of that to migrate.
    while task.lag().unwrap() > 0 {
        pollster::block_on(task.step()).unwrap();
    }
    let calls = how.calls.lock().unwrap().clone();
    assert!((4..=7).contains(&calls.len()), "{calls:?}");
    assert!(calls.iter().all(|values| *values <= 10), "a small batch limit holds for it too");
    assert!(task.unmigrated() > 800, "{}", task.unmigrated());
    drain(&mut task);
    assert_eq!(task.unmigrated(), 0);
}

#[test]
fn a_migrated_value_expires_when_it_would_have() {
    let world = World::new();
    let lasting = |schema| {
        let mut declaration = declare(&["out"]);
        declaration.stores = vec![pelton_core::StoreDeclaration { schema, ..kv("seen") }];
        native(declaration, move |batch, _, out| {
            for record in batch.records().unwrap().iter() {
                let ttl = if batch.kind() == Kind::Migrate { 0 } else { 640 };
                let (key, value, put) =
                    (record.key(), record.value(), op(OpKind::Put, record.row()));
                out.push(&Operation { key, value, ttl, schema, ..put });
            }
            Ok(())
        })
    };
    world.append("in", &[row("a", "1", 1_000)], &[1]);
    drain(&mut world.start(&lasting(1), live(&world, &lasting(1))));
    let mut task = world.start(&lasting(2), live(&world, &lasting(2)));
    let expires = task.state().get(0, b"a").unwrap().expires_ms;
    assert!(expires.is_some());
    drain(&mut task);
    let entry = task.state().get(0, b"a").unwrap();
    assert_eq!((entry.schema, entry.expires_ms), (2, expires));
    drop(task);
    let mut task = world.start(&lasting(2), live(&world, &lasting(2)));
    assert_eq!(task.state().get(0, b"a").unwrap().expires_ms, expires);
    world.append("in", &[row("b", "1", 5_000)], &[1]);
    drain(&mut task);
    assert!(task.state().get(0, b"a").is_none());
}

#[test]
fn a_value_that_cannot_be_migrated_stops_the_function_and_is_named() {
    let mut rows = keys(300, "5");
    rows[200].1 = Some("666".into());
    let (world, old) = written_by_one(&rows);
    drop(old);
    let two = versioned_sums(&Versioned::new(2, &[1]));
    let mut task = world.start(&two, live(&world, &two));
    let error = stopped(&mut task);
    assert_eq!(error.code, "E-STATE-MIGRATE");
    let text = error.to_string();
    for part in ["\"k00200\"", "`sums`", "version 1", "version 2", "this one cannot", "roll back"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(world.rows("dead").is_empty());
    assert_eq!(stored(&task, "k00200"), ("1:666".into(), 1));
    assert!((1..300).contains(&task.unmigrated()), "those beside it are migrated");
}

#[test]
fn a_record_that_reads_what_cannot_be_migrated_stops_the_function_and_is_no_dead_letter() {
    let (world, old) = written_by_one(&[row("a", "5", 1), row("b", "666", 1)]);
    drop(old);
    let two = versioned_sums(&Versioned::new(2, &[1]));
    world.append("in", &[row("c", "1", 2), row("b", "1", 2)], &[2]);
    let error = stopped(&mut world.start(&two, live(&world, &two)));
    assert_eq!(error.code, "E-STATE-MIGRATE");
    assert!(error.to_string().contains("\"b\""), "{error}");
    assert!(world.rows("dead").is_empty());
    assert_eq!(values(&world), ["5", "666", "1"], "what came before it is done");
}

#[test]
fn a_bad_record_that_reads_an_old_value_is_a_dead_letter_as_ever() {
    let (world, old) = written_by_one(&[row("a", "5", 1)]);
    drop(old);
    let two = versioned_sums(&Versioned::new(2, &[1]));
    world.append("in", &[row("a", "bad", 2), row("a", "1", 2)], &[2]);
    let mut task = world.start(&two, live(&world, &two));
    drain(&mut task);
    assert_eq!(world.rows("dead").len(), 1);
    assert_eq!(values(&world), ["5", "6"]);
    assert_eq!(task.unmigrated(), 0);
}

#[test]
fn all_that_a_bad_record_has_read_is_migrated_before_it_is_given_up() {
    let most = MIGRATE_VALUES_MAX;
    for (count, expected) in [(most, vec![most]), (most + 1, vec![most, 1])] {
        let world = World::new();
        world.append("in", &keys(count, "5"), &[1_000]);
        let ordered = |version, from: &[u32]| {
            let kind = StoreKind::Ordered;
            Versioned { kind, ..Versioned::new(version, from) }
        };
        let one = versioned_sums(&ordered(1, &[]));
        drain(&mut world.start(&one, live(&world, &one)));
        let how = ordered(2, &[1]);
        let two = versioned_sums(&how);
        let body = Arc::clone(&two.body);
        let scans = native(two.declaration.clone(), move |batch, environment, out| {
            if batch.kind() == Kind::Records {
                let _ = environment.scan(0, b"", None, 10_000, false)?;
                return Err(Fault::new(FaultKind::Trap, "a bad record"));
            }
            body(batch, environment, out)
        });
        world.append("in", &[row("a", "1", 2)], &[1]);
        let mut task = world.start(&scans, live(&world, &scans));
        while world.rows("dead").is_empty() {
            pollster::block_on(task.step()).unwrap();
        }
        assert_eq!(*how.calls.lock().unwrap(), expected);
        assert_eq!(task.unmigrated(), 0);
        assert_eq!(world.rows("dead").len(), 1);
    }
}

#[test]
fn answers_that_migrate_something_else_or_not_at_all_are_refused() {
    type Answer = fn(&mut pelton_batch::OperationsBuilder);
    let answers: [(&str, Answer); 6] = [
        ("did not answer", |_| {}),
        ("operation 0", |out| {
            let put = op(OpKind::Put, 0);
            out.push(&Operation { key: Some(b"a"), value: Some(b"2"), schema: 1, ..put });
        }),
        ("operation 0", |out| {
            let put = op(OpKind::Put, 0);
            out.push(&Operation { key: Some(b"b"), value: Some(b"2"), schema: 2, ..put });
        }),
        ("operation 0", |out| {
            let put = op(OpKind::Put, 0);
            out.push(&Operation { target: 1, key: Some(b"a"), value: Some(b""), schema: 2, ..put });
        }),
        ("cause 1", |out| {
            let put = op(OpKind::Put, 1);
            out.push(&Operation { key: Some(b"a"), value: Some(b"2"), schema: 2, ..put });
        }),
        ("operation 0", |out| emit(out, 0, Some(b"a"), "x")),
    ];
    for (expected, answer) in answers {
        let (world, old) = written_by_one(&[row("a", "5", 1)]);
        drop(old);
        let mut declaration = declare(&["out"]);
        declaration.stores =
            vec![pelton_core::StoreDeclaration { schema: 2, ..kv("sums") }, kv("more")];
        let function = native(declaration, move |_, _, out| {
            answer(out);
            Ok(())
        });
        let error = stopped(&mut world.start(&function, live(&world, &function)));
        assert_eq!(error.code, "E-STATE-MIGRATE");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(values(&world), ["5"]);
    }
}

#[test]
fn a_delete_is_a_migration_too() {
    let (world, old) = written_by_one(&keys(3, "5"));
    drop(old);
    let mut declaration = declare(&["out"]);
    declaration.stores = vec![pelton_core::StoreDeclaration { schema: 2, ..kv("sums") }];
    let function = native(declaration, |batch, _, out| {
        for value in batch.stored_values().unwrap().iter() {
            out.push(&Operation { key: Some(value.key), ..op(OpKind::Delete, value.row) });
        }
        Ok(())
    });
    let mut task = world.start(&function, live(&world, &function));
    drain(&mut task);
    assert_eq!(task.state().size().bytes(), 0);
}

#[test]
fn what_fails_for_now_is_tried_again_with_back_off() {
    let (world, old) = written_by_one(&[row("a", "5", 1)]);
    drop(old);
    let how = Versioned::new(2, &[1]);
    let sure = versioned_sums(&how);
    let tries = std::sync::atomic::AtomicU32::new(0);
    let body = Arc::clone(&sure.body);
    let function = native(sure.declaration.clone(), move |batch, environment, out| {
        if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3 {
            let fault = Fault::new(FaultKind::Failure, "not now");
            return Err(Fault { retryable: true, ..fault });
        }
        body(batch, environment, out)
    });
    let mut task = world.start(&function, live(&world, &function));
    let mut waits = 0;
    while task.unmigrated() > 0 {
        if let Step::Wait { until_ms } = pollster::block_on(task.step()).unwrap() {
            waits += 1;
            world.clock.set(until_ms.max(world.clock.now_ms()));
        }
    }
    assert_eq!(waits, 3);
}

#[test]
fn a_trial_shows_what_cannot_be_migrated_before_there_is_any_record() {
    let (world, mut task) = written_by_one(&keys(3, "5"));
    for from in [vec![], vec![7]] {
        let two = versioned_sums(&Versioned::new(2, &from));
        task.replace(replacement(&world, &two)).unwrap();
        drain(&mut task);
        let Some(Verdict::Failed(fault)) = task.take_verdict() else { panic!("no verdict") };
        let text = fault.to_string();
        for part in ["\"k00000\"", "`sums`", "version 1", "version 2", "is not known"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!((task.config().deployment, task.unmigrated()), (1, 0));
    }
    world.append("in", &[row("k00000", "1", 2)], &[1]);
    drain(&mut task);
    assert_eq!(values(&world)[3..], ["6"]);
    assert_eq!(stored(&task, "k00000"), ("1:6".into(), 1));
}

#[test]
fn a_trial_leaves_no_trace_of_its_migrations_until_the_first_record_is_committed() {
    let (world, mut task) = written_by_one(&keys(600, "5"));
    let how = Versioned::new(2, &[1]);
    task.replace(replacement(&world, &versioned_sums(&how))).unwrap();
    let sequence = task.sequence();
    drain(&mut task);
    assert!(task.is_on_trial());
    assert_eq!(*how.calls.lock().unwrap(), [MIGRATE_VALUES_MAX], "a few are tried");
    assert_eq!((task.unmigrated(), task.sequence()), (600, sequence));
    world.append("in", &[row("k00001", "1", 2)], &[1]);
    drain(&mut task);
    assert_eq!(task.take_verdict(), Some(Verdict::Passed));
    assert_eq!(task.unmigrated(), 0);
    assert_eq!(values(&world).last().unwrap(), "6");
}

#[test]
fn a_rollback_needs_a_migration_back() {
    let (world, mut task) = written_by_one(&keys(3, "5"));
    task.replace(replacement(&world, &versioned_sums(&Versioned::new(2, &[1])))).unwrap();
    world.append("in", &[row("k00000", "1", 2)], &[1]);
    drain(&mut task);
    assert_eq!(task.take_verdict(), Some(Verdict::Passed));
    // The old code knows nothing of version 2.
    task.replace(replacement(&world, &versioned_sums(&Versioned::new(1, &[])))).unwrap();
    drain(&mut task);
    assert!(matches!(task.take_verdict(), Some(Verdict::Failed(_))));
    assert_eq!(task.unmigrated(), 0);
    // With a migration back it takes over, and the values are swept back.
    task.replace(replacement(&world, &versioned_sums(&Versioned::new(1, &[2])))).unwrap();
    world.append("in", &[row("k00001", "1", 3)], &[1]);
    drain(&mut task);
    assert_eq!(task.take_verdict(), Some(Verdict::Passed));
    assert_eq!(stored(&task, "k00000"), ("1:6".into(), 1));
    assert_eq!(stored(&task, "k00002"), ("1:5".into(), 1));
    assert_eq!(task.unmigrated(), 0);
}

#[test]
fn code_without_versions_is_not_given_values_that_have_one() {
    let (world, mut task) = written_by_one(&keys(3, "5"));
    task.replace(replacement(&world, &sums())).unwrap();
    drain(&mut task);
    let verdict = task.take_verdict();
    assert!(matches!(verdict, Some(Verdict::Failed(_))), "{verdict:?}");
}

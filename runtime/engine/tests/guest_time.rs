//! Records whose event time the function itself tells.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pelton_batch::{Kind, OpKind, Operation, OperationsBuilder, Record};
use pelton_core::window::Assigner;
use pelton_core::{Environment, EventTime, Fault, FaultKind};
use pelton_engine::{GuestPool, Replacement, Step, TaskConfig};
use support::functions::*;
use support::{Native, Row, World, declare, native, row};

const LOG_TIME: i64 = 7_000_000;

/// `inner`, which answers by `time` when it is asked when a record happened.
fn telling(
    inner: Native,
    time: impl Fn(&Record<'_>, &dyn Environment, &mut OperationsBuilder) -> Result<(), Fault>
    + Send
    + Sync
    + 'static,
) -> Native {
    let mut declaration = inner.declaration.clone();
    declaration.tells_time = true;
    native(declaration, move |batch, environment, out| match batch.kind() {
        Kind::Times => {
            batch.records().unwrap().iter().try_for_each(|record| time(&record, environment, out))
        }
        _ => (inner.body)(batch, environment, out),
    })
}

/// The number before the first `|` of the value; a value without one is rejected.
fn number_of(record: &Record<'_>, out: &mut OperationsBuilder) {
    let text = String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned();
    let cause = op(OpKind::Time, record.row());
    match text.split('|').next().and_then(|number| number.parse().ok()) {
        Some(time) => out.push(&Operation { timestamp: Some(time), ..cause }),
        None => {
            let value = Some(&b"it tells none"[..]);
            out.push(&Operation { kind: OpKind::Reject, value, ..cause })
        }
    };
}

fn by_number(inner: Native) -> Native {
    telling(inner, |record, _, out| {
        number_of(record, out);
        Ok(())
    })
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

fn config(world: &World, function: &Native) -> TaskConfig {
    let mut config = world.config(function, &[("in", 0)]);
    config.inputs[0].event_time = Some(EventTime::guest());
    config
}

/// What comes out, what is given up, and why.
fn run(function: &Native, rows: &[Row], sizes: &[usize]) -> (Vec<Row>, Vec<Row>, Vec<String>) {
    let world = World::new();
    world.append("in", rows, sizes);
    let mut task = world.start(function, config(&world, function));
    world.finish(&mut task).unwrap();
    (world.rows("out"), world.rows("dead"), world.headers("dead", "pelton-message"))
}

fn disorder() -> Vec<Row> {
    let times = [3, 12, 9, 25, 14, 40, 38, 41, 7, 60];
    let mut rows: Vec<_> =
        times.iter().map(|time| row("a", &format!("{time}|"), LOG_TIME)).collect();
    rows.insert(4, row("a", "soon", 99));
    rows
}

#[test]
fn windows_go_by_what_the_function_tells_however_the_input_is_cut_and_whenever_it_crashes() {
    let function = by_number(windows());
    let rows = disorder();
    let whole = run(&function, &rows, &[100]);
    let told: Vec<_> = whole.0.iter().filter_map(|(_, value, _)| value.clone()).collect();
    let windows =
        ["0..10 #0: 3|", "10..20 #0: 12|", "20..30 #0: 25|", "40..50 #0: 40|41|", "60..70 #0: 60|"];
    assert_eq!(told, windows);
    assert_eq!(
        (&whole.1, &*whole.2),
        (&vec![row("a", "soon", 99)], &["event_time guest: it tells none".to_owned()][..])
    );
    for sizes in [&[1][..], &[2], &[3, 1], &[7]] {
        assert_eq!(run(&function, &rows, sizes), whole, "{sizes:?}");
    }
    for steps in 1..12 {
        let world = World::new();
        world.append("in", &rows, &[4]);
        for _ in 0..100 {
            let mut task = world.start(&function, config(&world, &function));
            for _ in 0..steps {
                pollster::block_on(task.step()).unwrap();
            }
        }
        let mut task = world.start(&function, config(&world, &function));
        world.finish(&mut task).unwrap();
        let found =
            (world.rows("out"), world.rows("dead"), world.headers("dead", "pelton-message"));
        assert_eq!(found, whole, "a crash after every {steps} steps");
    }
}

#[test]
fn one_call_tells_of_a_whole_batch_and_what_is_sent_has_that_time() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let function = telling(forward(), move |record, _, out| {
        counted.fetch_add(u32::from(record.row() == 0), Ordering::Relaxed);
        number_of(record, out);
        Ok(())
    });
    let rows: Vec<_> = (0..300).map(|at| row("a", &format!("{at}|"), LOG_TIME)).collect();
    let (out, dead, _) = run(&function, &rows, &[300]);
    assert!(out.iter().map(|(.., time)| *time).eq(0..300) && dead.is_empty());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_record_at_which_it_fails_is_found_and_the_others_have_their_times() {
    let function = telling(forward(), |record, _, out| {
        if record.value() == Some(b"5|") {
            return Err(Fault::new(FaultKind::Trap, "boom"));
        }
        number_of(record, out);
        Ok(())
    });
    let rows: Vec<_> = (0..20).map(|at| row("a", &format!("{at}|"), LOG_TIME)).collect();
    for sizes in [&[20][..], &[3]] {
        let (out, dead, why) = run(&function, &rows, sizes);
        assert_eq!((out.len(), &*dead), (19, &rows[5..6]));
        assert!(why[0].starts_with("event_time guest: ") && why[0].contains("boom"), "{why:?}");
    }
}

#[test]
fn what_is_no_time_is_no_answer_and_does_nothing() {
    let answers: [fn(&mut OperationsBuilder, usize); 5] = [
        |out, row| out.forward(row as u32, 0),
        |out, row| emit(out, row, None, "x"),
        |out, row| {
            let put = op(OpKind::Put, row);
            out.push(&Operation { key: Some(b"k"), value: Some(b"v"), ..put });
        },
        |out, row| {
            out.push(&op(OpKind::Time, row));
        },
        |out, _| {
            out.push(&Operation { timestamp: Some(1), ..op(OpKind::Time, 7) });
        },
    ];
    for answer in answers {
        let function = telling(forward(), move |record, _, out| {
            answer(out, record.row());
            Ok(())
        });
        let (out, dead, why) = run(&function, &[row("a", "1|", 5), row("a", "2|", 6)], &[2]);
        assert_eq!((out.len(), dead.len()), (0, 2));
        assert!(why.iter().all(|why| why.starts_with("event_time guest: ")), "{why:?}");
    }
    let silent = telling(forward(), |_, _, _| Ok(()));
    let (_, dead, why) = run(&silent, &[row("a", "1|", 5)], &[1]);
    assert_eq!((dead.len(), &*why[0]), (1, "event_time guest: the function told no time"));
}

#[test]
fn neither_state_nor_where_the_function_stands_is_seen() {
    let function = telling(sums(), |record, environment, out| {
        assert!(environment.get_many(0, &[]).is_err());
        assert!(environment.scan(0, b"", None, 1, false).is_err());
        assert_eq!(environment.watermark(), i64::MIN);
        let cause = op(OpKind::Time, record.row());
        let timestamp = Some(environment.now(record.row() as u32) + 1);
        out.push(&Operation { timestamp, ..cause });
        Ok(())
    });
    let (out, dead, _) = run(&function, &[row("a", "1", 5), row("a", "2", 6)], &[2]);
    let times: Vec<_> = out.iter().map(|(.., time)| *time).collect();
    assert_eq!((times, dead.len()), (vec![6, 7], 0));
}

#[test]
fn a_failure_that_passes_is_waited_for() {
    let calls = AtomicU32::new(0);
    let function = telling(forward(), move |record, _, out| {
        if calls.fetch_add(1, Ordering::Relaxed) < 3 {
            return Err(Fault { retryable: true, ..Fault::new(FaultKind::Failure, "later") });
        }
        number_of(record, out);
        Ok(())
    });
    let (out, dead, _) = run(&function, &[row("a", "1|", 5), row("a", "2|", 6)], &[2]);
    assert_eq!((out.len(), dead.len()), (2, 0));
}

#[test]
fn a_new_version_tells_other_times_of_what_waits() {
    let world = World::new();
    let rows: Vec<_> = (1..4).map(|at| row("a", &format!("{at}|"), LOG_TIME)).collect();
    world.append("in", &rows, &[3]);
    let (old, new) = (
        by_number(forward()),
        telling(forward(), |record, _, out| {
            let timestamp = Some(100 + record.timestamp() - LOG_TIME);
            out.push(&Operation { timestamp, ..op(OpKind::Time, record.row()) });
            Ok(())
        }),
    );
    let mut first = config(&world, &old);
    first.limits.set("batch_records", 1).unwrap();
    let mut task = world.start(&old, first.clone());
    while world.rows("out").is_empty() {
        assert_eq!(pollster::block_on(task.step()).unwrap(), Step::Worked);
    }
    let config = Arc::new(TaskConfig { deployment: 2, ..first });
    task.replace(Replacement { config, pool: GuestPool::new(Arc::new(new)) }).unwrap();
    world.finish(&mut task).unwrap();
    let times: Vec<_> = world.rows("out").iter().map(|(.., time)| *time).collect();
    assert_eq!(times, [1, 100, 100]);
}

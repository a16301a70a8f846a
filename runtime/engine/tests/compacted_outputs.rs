//! A record without a key for a compacted topic is a fault of the record that it was sent for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_batch::{OpKind, Operation};
use pelton_engine::{OnPoison, TaskConfig};
use proptest::prelude::*;
use support::functions::*;
use support::{Native, Row, World, declare, kv, native, row};

fn keyless(value: &str, timestamp: i64) -> Row {
    (None, Some(value.into()), timestamp)
}

/// Forwards every record: whole batches, runs and single records, as they come.
fn forwards() -> Native {
    native(declare(&["out"]), |batch, _, out| {
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    })
}

/// Forwards every other record.
fn filters() -> Native {
    native(declare(&["out"]), |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            if record.value() != Some(b"0") {
                out.forward(record.row() as u32, 0);
            }
        }
        Ok(())
    })
}

/// Emits every record three times, and counts it in a store.
fn emits() -> Native {
    let mut declaration = declare(&["out"]);
    declaration.stores.push(kv("counts"));
    native(declaration, |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            let value = Some(&b"x"[..]);
            let counted =
                Operation { key: Some(b"all"), value, ..op(OpKind::Append, record.row()) };
            out.push(&counted);
            for copy in ["1", "2", "3"] {
                emit(out, record.row(), record.key(), copy);
            }
        }
        Ok(())
    })
}

fn compacted(world: &World, function: &Native, batch: u64) -> TaskConfig {
    let mut config = world.config(function, &[("in", 0)]);
    config.outputs[0].compacted = true;
    config.limits.set("batch_records", batch).unwrap();
    config.retry.breaker_after = u32::MAX;
    config
}

fn outputs(function: &Native, rows: &[Row], sizes: &[usize], batch: u64) -> [Vec<Row>; 2] {
    let world = World::new();
    world.append("in", rows, sizes);
    let mut task = world.start(function, compacted(&world, function, batch));
    world.finish(&mut task).unwrap();
    let codes = world.headers("dead", "pelton-code");
    assert!(codes.iter().all(|code| code == "E-GUEST-KEY-MISSING"), "{codes:?}");
    ["out", "dead"].map(|name| world.rows(name))
}

#[test]
fn the_record_goes_to_the_dead_letters_and_nothing_of_its_call_stays() {
    let rows = [row("a", "1", 1), keyless("2", 2), row("b", "3", 3)];
    let world = World::new();
    world.append("in", &rows, &[3]);
    let function = emits();
    let mut task = world.start(&function, compacted(&world, &function, 100));
    world.finish(&mut task).unwrap();
    assert_eq!(world.rows("out").len(), 6);
    assert_eq!(world.rows("dead"), [keyless("2", 2)]);
    assert_eq!(world.headers("dead", "pelton-code"), ["E-GUEST-KEY-MISSING"]);
    assert_eq!(world.headers("dead", "pelton-offset"), ["1"]);
    let messages = world.headers("dead", "pelton-message");
    assert!(messages[0].contains("default/out, which is compacted"), "{messages:?}");
}

#[test]
fn the_policies_halt_and_skip_count_too() {
    let rows = [row("a", "1", 1), keyless("2", 2), row("b", "3", 3)];
    for function in [forwards(), emits()] {
        let world = World::new();
        world.append("in", &rows, &[3]);
        let config = TaskConfig { on_poison: OnPoison::Halt, ..compacted(&world, &function, 9) };
        let mut task = world.start(&function, config);
        let error = world.finish(&mut task).unwrap_err();
        assert_eq!(error.code, "E-FUNCTION-HALTED");
        let text = error.to_string();
        assert!(text.contains("E-GUEST-KEY-MISSING") && text.contains("in:0:1"), "{text}");
        let config = TaskConfig { on_poison: OnPoison::Skip, ..compacted(&world, &function, 9) };
        let mut task = world.start(&function, config);
        world.finish(&mut task).unwrap();
        let keys: Vec<_> = world.rows("out").into_iter().map(|(key, ..)| key.unwrap()).collect();
        assert!(keys.contains(&"a".into()) && keys.contains(&"b".into()), "{keys:?}");
        assert!(world.rows("dead").is_empty());
    }
}

#[test]
fn a_topic_that_is_not_compacted_takes_records_without_a_key() {
    let world = World::new();
    let rows = [row("a", "1", 1), keyless("2", 2)];
    world.append("in", &rows, &[2]);
    world.run(&forwards(), &[("in", 0)]);
    assert_eq!(world.rows("out"), rows);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn outputs_are_the_same_whatever_the_batches(
        keyed in proptest::collection::vec((any::<bool>(), 0..3u8), 1..60),
        sizes in proptest::collection::vec(1..20_usize, 1..4),
        batch in 1..40_u64,
    ) {
        let rows: Vec<Row> = keyed.iter().zip(0..).map(|((has_key, value), at)| {
            let key = has_key.then(|| format!("k{value}"));
            (key, Some(value.to_string()), at)
        }).collect();
        for function in [forwards(), filters(), emits()] {
            let calm = outputs(&function, &rows, &[1], 1);
            prop_assert!(calm[0].iter().all(|(key, ..)| key.is_some()));
            prop_assert_eq!(&outputs(&function, &rows, &sizes, batch), &calm);
        }
    }
}

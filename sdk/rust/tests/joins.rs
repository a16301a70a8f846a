//! Joins of two inputs, and with a table as of the time of a record: against a plain model, whatever
//! the batches and instances.

use std::collections::BTreeMap;
use std::time::Duration;

use pelton_sdk::prelude::*;
use pelton_sdk::testing::Harness;
use pelton_sdk::{Looked, Pair};

const MINUTE: i64 = 60_000;

/// Left, right, key: `l-r`, or `l-` and `-r` where one has found no other.
fn tell(
    left: Option<u32>,
    right: Option<u32>,
    pair: &Pair<'_>,
    ctx: &mut Context<'_>,
) -> Result<()> {
    let text = |side: Option<u32>| side.map_or(String::new(), |number| number.to_string());
    OUT.emit(ctx, pair.key(), format!("{}-{}", text(left), text(right)))
}

fn inner() -> Join {
    Join::inputs("left", "right").between(Duration::from_mins(2), Duration::from_mins(1))
}

mod inner_join {
    pelton_sdk::function!(pelton_sdk::join_with(super::inner(), super::tell));
}

mod left_join {
    pelton_sdk::function!(pelton_sdk::join_with(super::inner().left_outer(), super::tell));
}

mod outer_join {
    pelton_sdk::function!(pelton_sdk::join_with(super::inner().outer(), super::tell));
}

/// Input, key, number, minute.
type Row = (&'static str, &'static str, u32, i64);

fn joined(
    make: impl Fn() -> Box<dyn pelton_sdk::Function> + Clone + Send + Sync + 'static,
    rows: &[Row],
) -> Vec<String> {
    let harness =
        || Harness::new(make.clone()).input("left").input("right").out_of_orderness_ms(30 * MINUTE);
    let mut answers = Vec::new();
    for mut test in [harness(), harness().batch(1), harness().batch(3).fresh_instances()] {
        for (input, key, number, minute) in rows {
            test.push_to(input, *key, number.to_string(), minute * MINUTE);
        }
        test.finish();
        assert!(test.rejected().is_empty(), "{:?}", test.rejected());
        let mut texts = test.texts("out");
        texts.sort();
        answers.push(texts);
    }
    assert!(answers.iter().all(|other| *other == answers[0]), "{answers:?}");
    answers.swap_remove(0)
}

/// All pairs by comparing each with each, and those without any.
fn model(rows: &[Row], outer: [bool; 2]) -> Vec<String> {
    let of = |input: &'static str| rows.iter().filter(move |row| row.0 == input);
    let near =
        |left: &Row, right: &Row| left.1 == right.1 && (left.3 - 2..=left.3 + 1).contains(&right.3);
    let mut texts: Vec<String> = of("left")
        .flat_map(|left| {
            of("right")
                .filter(|right| near(left, right))
                .map(|right| format!("{}-{}", left.2, right.2))
        })
        .collect();
    let alone = of("left").filter(|left| outer[0] && !of("right").any(|right| near(left, right)));
    texts.extend(alone.map(|left| format!("{}-", left.2)));
    let alone = of("right").filter(|right| outer[1] && !of("left").any(|left| near(left, right)));
    texts.extend(alone.map(|right| format!("-{}", right.2)));
    texts.sort();
    texts
}

fn rows(seed: u64) -> Vec<Row> {
    let mut numbers = seed;
    let mut below = |end: u64| {
        numbers =
            numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (numbers >> 33) % end
    };
    let row = |number: u32| {
        let input = ["left", "right"][below(2) as usize];
        let key = ["a", "b", "c"][below(3) as usize];
        (input, key, number, i64::from(number) / 2 + 10 - below(10) as i64)
    };
    (0..60).map(row).collect()
}

#[test]
fn pairs_are_those_of_a_plain_comparison_of_each_with_each() {
    for seed in 0..40 {
        let rows = rows(seed);
        assert_eq!(joined(inner_join::function, &rows), model(&rows, [false, false]), "{seed}");
        assert_eq!(joined(left_join::function, &rows), model(&rows, [true, false]), "{seed}");
        assert_eq!(joined(outer_join::function, &rows), model(&rows, [true, true]), "{seed}");
    }
}

#[test]
fn the_ends_of_the_interval_belong_to_it_and_one_past_them_does_not() {
    let pair = |left: i64, right: i64| {
        joined(inner_join::function, &[("left", "a", 1, left), ("right", "a", 2, right)]).len()
    };
    assert_eq!([pair(10, 8), pair(10, 11), pair(10, 7), pair(10, 12)], [1, 1, 0, 0]);
}

#[test]
fn one_without_another_is_told_when_none_can_come_any_more_and_nothing_is_kept() {
    let mut test = Harness::new(left_join::function).input("left").input("right");
    test.push_to("left", "a", "1", 0);
    test.push_to("right", "b", "2", MINUTE);
    assert!(test.texts("out").is_empty(), "one could come in this very minute");
    test.push_to("right", "b", "3", MINUTE + 1);
    assert_eq!(test.texts("out"), ["1-"]);
    test.advance_watermark(100 * MINUTE);
    assert!(test.timers().is_empty());
    test.push_to("left", "a", "late", 0);
    assert_eq!(test.rejected().len(), 1, "it is no JSON");
    test.push_to("left", "a", "4", 0);
    assert_eq!(test.texts("out"), ["1-", "4-"], "a late one finds what is kept, at once");
    test.push_to("left", Null, "5", 0);
    assert_eq!(test.rejected()[1].reason, "the record has no key, but it is joined by it");
}

fn look(record: u32, said: Option<u32>, looked: &Looked<'_>, ctx: &mut Context<'_>) -> Result<()> {
    let said = said.map_or("?".to_owned(), |said| said.to_string());
    OUT.emit(ctx, looked.key(), format!("{record}: {said}"))
}

mod as_of {
    pelton_sdk::function!(pelton_sdk::lookup_with(
        pelton_sdk::Lookup::of("records", "table"),
        super::look
    ));
}

mod keeping {
    pelton_sdk::function!(pelton_sdk::lookup_with(
        pelton_sdk::Lookup::of("records", "table").keep(std::time::Duration::from_mins(10)),
        super::look
    ));
}

#[test]
fn a_record_is_joined_with_what_the_table_said_as_of_its_time() {
    for seed in 0..40 {
        let rows = rows(seed);
        let (mut expected, mut said) = (Vec::new(), BTreeMap::new());
        for (_, key, number, minute) in rows.iter().filter(|row| row.0 == "right") {
            said.insert((*key, *minute), *number);
        }
        for (_, key, number, minute) in rows.iter().filter(|row| row.0 == "left") {
            let last = said.range((*key, i64::MIN)..=(*key, *minute)).next_back();
            let last = last.map_or("?".to_owned(), |(_, said)| said.to_string());
            expected.push(format!("{number}: {last}"));
        }
        expected.sort();
        let harness = || {
            let harness = Harness::new(as_of::function).input("records").input("table");
            harness.out_of_orderness_ms(30 * MINUTE)
        };
        for mut test in [harness(), harness().batch(1), harness().batch(4).fresh_instances()] {
            for (input, key, number, minute) in &rows {
                let input = if *input == "left" { "records" } else { "table" };
                test.push_to(input, *key, number.to_string(), minute * MINUTE);
            }
            test.finish();
            let mut found = test.texts("out");
            found.sort();
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}

#[test]
fn a_record_without_a_value_takes_away_what_was_said_and_the_time_of_the_record_is_sent() {
    let mut test = Harness::new(as_of::function).input("records").input("table");
    test.push_to("table", "a", "7", 10);
    test.push_to("records", "a", "1", 20);
    test.push_to("table", "a", Null, 30);
    test.push_to("records", "a", "2", 40);
    test.push_to("records", "b", "3", 50);
    test.finish();
    let out = test.outputs("out");
    let told: Vec<_> = out.iter().map(|sent| (sent.text(), sent.timestamp)).collect();
    assert_eq!(told, [("1: 7".into(), 20), ("2: ?".into(), 40), ("3: ?".into(), 50)]);
}

#[test]
fn what_is_too_late_for_the_table_is_rejected_unless_it_is_kept_so_long() {
    let late = |make: fn() -> Box<dyn pelton_sdk::Function>| {
        let mut test = Harness::new(make).input("records").input("table");
        test.push_to("table", "a", "1", MINUTE);
        test.push_to("table", "a", "2", 2 * MINUTE);
        test.push_to("table", "b", "0", 5 * MINUTE);
        test.run();
        test.push_to("records", "a", "10", MINUTE);
        let rejected: Vec<_> = test.rejected().into_iter().map(|letter| letter.reason).collect();
        (test.texts("out"), rejected)
    };
    assert_eq!(late(keeping::function), (vec!["10: 1".to_owned()], Vec::new()));
    let (out, rejected) = late(as_of::function);
    assert!(out.is_empty() && rejected[0].contains("not kept any more"), "{out:?} {rejected:?}");
}

mod carriers {
    use pelton_sdk::prelude::*;

    pelton_sdk::function!(pelton_sdk::lookup_by(
        Lookup::of("flights", "carriers").keep(std::time::Duration::from_mins(5)),
        |flight: &(String, u32)| flight.0.clone(),
        |flight: (String, u32), name: Option<String>, record, ctx| {
            let name = name.unwrap_or_default();
            let by = String::from_utf8_lossy(record.table_key());
            OUT.emit(ctx, record.key(), format!("{} {by} {name}", flight.1))
        },
    ));
}

#[test]
fn a_table_is_looked_up_by_a_key_from_the_value() {
    let harness = || Harness::new(carriers::function).input("flights").input("carriers");
    for mut test in [harness(), harness().batch(1).fresh_instances()] {
        test.push_to("carriers", "UA", r#""United""#, 0);
        test.push_to("carriers", "AA", r#""American""#, MINUTE);
        test.push_to("flights", "N1", r#"["AA", 1]"#, 0);
        test.push_to("flights", "N2", r#"["UA", 2]"#, MINUTE);
        test.push_to("flights", "N2", r#"["AA", 3]"#, MINUTE);
        test.push_to("carriers", "UA", r#""United Airlines""#, 2 * MINUTE);
        test.push_to("flights", "N3", r#"["UA", 4]"#, 3 * MINUTE);
        test.finish();
        assert!(test.rejected().is_empty(), "{:?}", test.rejected());
        let found = test.outputs("out");
        let mut found: Vec<_> = found.iter().map(|out| (out.text(), out.key_text())).collect();
        found.sort();
        let expected = [
            ("1 AA ", "N1"),
            ("2 UA United", "N2"),
            ("3 AA American", "N2"),
            ("4 UA United Airlines", "N3"),
        ];
        assert_eq!(found, expected.map(|(text, key)| (text.to_owned(), key.to_owned())));
    }
}

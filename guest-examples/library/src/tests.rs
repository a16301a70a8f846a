//! What the examples of the documentation do not show.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pelton_sdk::testing::Harness;
use serde_json::Value;

use crate::sketch::{DdSketch, HyperLogLog, hash};

fn harness(name: &'static str) -> Harness {
    Harness::new(move || crate::named(name))
}

#[test]
fn every_function_that_is_listed_is_there() {
    for spec in crate::spec::all() {
        assert!(crate::made(spec).is_some(), "{}", spec.name);
    }
}

#[test]
fn quantiles_are_off_by_no_more_than_the_accuracy_however_they_are_merged() {
    let accuracy = 0.01;
    let mut values: Vec<f64> = (0..10_000_u64)
        .map(|at| (hash(&at.to_le_bytes()) as f64 / 1e15 - 9_000.0) * 1e-3)
        .collect();
    let (mut whole, mut left, mut right) =
        (DdSketch::default(), DdSketch::default(), DdSketch::default());
    for (at, value) in values.iter().enumerate() {
        whole.add(*value, accuracy);
        if at % 3 == 0 { left.add(*value, accuracy) } else { right.add(*value, accuracy) }
    }
    left.merge(right);
    assert_eq!(left, whole);
    values.sort_by(f64::total_cmp);
    for share in [0.0, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0] {
        let exact = values[(share * 9_999.0_f64).floor() as usize];
        let told = whole.quantile(share, accuracy);
        assert!(
            (told - exact).abs() <= exact.abs() * accuracy * 1.000_001,
            "{share}: {told} {exact}"
        );
    }
}

#[test]
fn the_ends_of_what_a_number_can_be_have_quantiles() {
    for value in [f64::MAX, -f64::MAX, f64::MIN_POSITIVE, 0.0] {
        let mut sketch = DdSketch::default();
        sketch.add(value, 0.001);
        let told = sketch.quantile(0.5, 0.001);
        assert!((told - value).abs() <= value.abs() * 0.001_001, "{value}: {told}");
    }
}

#[test]
fn distinct_values_are_counted_within_four_standard_errors_and_merging_changes_nothing() {
    for (precision, count) in [(12, 10_u64), (12, 1_000), (12, 100_000), (4, 1_000), (16, 50_000)] {
        let (mut whole, mut left, mut right) =
            (HyperLogLog::default(), HyperLogLog::default(), HyperLogLog::default());
        for at in 0..count {
            let hash = hash(at.to_string().as_bytes());
            whole.add(hash, precision);
            if at % 2 == 0 { left.add(hash, precision) } else { right.add(hash, precision) }
        }
        left.merge(&right);
        assert_eq!(left, whole);
        let error = (whole.estimate() as f64 - count as f64).abs() / count as f64;
        let allowed = 4.0 * 1.04 / 2f64.powi(precision as i32).sqrt();
        assert!(error <= allowed, "{precision} {count}: {}", whole.estimate());
    }
}

#[test]
fn records_without_the_field_are_rejected_or_skipped() {
    let values = ["{}", "no JSON", r#"{"x":"text"}"#, r#"{"x":null}"#, r#"{"x":1}"#];
    for (missing, rejected) in [("reject", 4), ("skip", 0)] {
        let mut test = harness("stats").config("field", "/x").config("missing", missing);
        for (time, value) in (0..).zip(values) {
            test.push("k", value, time);
        }
        test.finish();
        assert_eq!(test.rejected().len(), rejected);
        let out = test.outputs("out");
        assert_eq!((out.len(), out[0].json::<Value>()["count"].clone()), (1, 1.into()));
    }
}

#[test]
fn bad_configuration_is_refused_and_named() {
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
    let cases: [Case; 7] = [
        ("stats", &[], "needs the configuration entry `field`"),
        ("stats", &[("field", "delay")], "`field` of std:stats cannot be \"delay\""),
        ("count", &[("feild", "/x")], "no configuration entry `feild`"),
        ("top", &[("field", "/x"), ("n", "1001")], "`n` of std:top cannot be \"1001\""),
        ("sample", &[("share", "1.1")], "`share` of std:sample cannot be"),
        ("alert", &[("field", "/x")], "`above` or `below`"),
        ("no-such", &[], "no ready-made function called `no-such`"),
    ];
    for (name, config, expected) in cases {
        let mut test = harness(name);
        for (key, value) in config {
            test = test.config(key, value);
        }
        let opened = AssertUnwindSafe(|| test.push("k", "1", 0));
        let error = *catch_unwind(opened).unwrap_err().downcast::<String>().unwrap();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn batches_fresh_instances_and_disorder_change_nothing() {
    let run = |mut test: Harness| {
        for time in [0, 700, 400, 5_000, 4_500, 20_000] {
            test.push("k", format!("at {time}"), time);
        }
        test.finish();
        test.texts("out")
    };
    let debounce = || harness("debounce").config("quiet-ms", "1000").out_of_orderness_ms(2_000);
    assert_eq!(run(debounce()), ["at 700", "at 5000", "at 20000"]);
    assert_eq!(run(debounce().batch(1).fresh_instances()), run(debounce()));
}

#[test]
fn a_join_takes_its_inputs_in_their_order_or_by_name_and_two_it_needs() {
    let pair = |left: &str, right: &str, kind: &str| {
        let mut test = harness("join").input("a").input("b").config("within-ms", "10");
        for (name, value) in [("left", left), ("right", right)] {
            test = if value.is_empty() { test } else { test.config(name, value) };
        }
        let mut test = test.config("kind", kind).config("value", "apart");
        test.push_to("a", "k", "1", 5);
        test.push_to("b", "k", "2", 15);
        test.push_to("b", "k", "3", 26);
        test.finish();
        let sent = test.outputs("out");
        sent.iter().map(|one| (one.text(), one.timestamp)).collect::<Vec<_>>()
    };
    let both = (r#"{"left":1,"right":2}"#.to_owned(), 15);
    assert_eq!(pair("", "", "inner"), std::slice::from_ref(&both));
    assert_eq!(pair("a", "", "left"), std::slice::from_ref(&both));
    assert_eq!(pair("", "b", "outer"), [both, (r#"{"left":null,"right":3}"#.to_owned(), 26)]);
    let turned = (r#"{"left":2,"right":1}"#.to_owned(), 15);
    assert_eq!(pair("b", "", "inner"), std::slice::from_ref(&turned));
    assert_eq!(pair("", "a", "inner"), [turned]);
    for wrong in [("a", "a"), ("c", "")] {
        assert!(catch_unwind(AssertUnwindSafe(|| pair(wrong.0, wrong.1, "inner"))).is_err());
    }
}

#[test]
fn values_that_are_no_objects_cannot_be_merged_and_fields_of_both_can() {
    let mut test = harness("join").input("a").input("b").config("within-ms", "0");
    test.push_to("a", "k", r#"{"x":1,"y":1}"#, 5);
    test.push_to("b", "k", r#"{"y":2}"#, 5);
    test.push_to("b", "k", "7", 5);
    assert_eq!(test.texts("out"), [r#"{"x":1,"y":2}"#]);
    assert!(test.rejected()[0].reason.contains("no JSON object"));
}

#[test]
fn the_ends_of_an_interval_belong_to_it_and_what_is_beyond_does_not() {
    let mut test = harness("join").input("a").input("b").config("within-ms", "0");
    test = test.config("before-ms", "2").config("after-ms", "3").config("value", "apart");
    test.push_to("a", "k", "0", 10);
    for time in [7, 8, 13, 14] {
        test.push_to("b", "k", &*time.to_string(), time);
    }
    test.finish();
    let mut found = test.texts("out");
    found.sort();
    assert_eq!(found, [r#"{"left":0,"right":13}"#, r#"{"left":0,"right":8}"#]);
}

#[test]
fn a_table_is_looked_up_by_a_field_and_as_of_the_time_of_the_record() {
    for (kind, sent) in [("left", 3), ("inner", 2)] {
        let mut test = harness("lookup").input("flights").input("carriers").config("key", "/by");
        test = test.config("kind", kind).config("prefix", "c_");
        test.push_to("carriers", "UA", r#"{"name":"old"}"#, 1);
        test.push_to("carriers", "UA", r#"{"name":"new"}"#, 5);
        test.push_to("flights", "1", r#"{"by":"UA"}"#, 4);
        test.push_to("flights", "2", r#"{"by":"UA"}"#, 5);
        test.push_to("flights", "3", "{}", 6);
        test.finish();
        let texts = test.texts("out");
        assert_eq!(texts.len(), sent, "{texts:?}");
        let found = [r#"{"by":"UA","c_name":"old"}"#, r#"{"by":"UA","c_name":"new"}"#];
        assert_eq!(texts[..2], found);
    }
}

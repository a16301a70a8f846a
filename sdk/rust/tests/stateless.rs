//! Filters and maps.

use pelton_sdk::prelude::*;
use pelton_sdk::testing::Harness;

mod long {
    pelton_sdk::filter!(|record| Ok(record.text()?.len() > 3));
}

mod upper {
    use super::*;
    pelton_sdk::map!(|record| {
        let text = record.text()?;
        Ok((text != "drop").then(|| text.to_uppercase()))
    });
    #[allow(unused)]
    fn unused(_: Null) {}
}

#[test]
fn a_filter_keeps_what_it_says_and_rejects_what_it_cannot_read() {
    for batch in [1, 2, 100] {
        let mut test = Harness::new(long::function).batch(batch);
        for value in [&b"long enough"[..], b"no", b"\xff\xff\xff\xff", b"also long", b"x"] {
            test.push("k", value, 1);
        }
        test.push("k", Null, 2);
        assert_eq!(test.texts("out"), ["long enough", "also long"]);
        let reasons: Vec<_> = test.rejected().into_iter().map(|r| r.reason).collect();
        assert_eq!(
            reasons,
            ["the value is not UTF-8", "the record has no value (it is a tombstone)"]
        );
    }
}

#[test]
fn a_map_keeps_key_time_and_headers() {
    let mut test = Harness::new(upper::function);
    test.push_with_headers("in", "k", "abc", 7, &[("h", "v")]);
    test.push("k", "drop", 8);
    test.push(Null, "x", 9);
    let out = test.outputs("out");
    assert_eq!(out.len(), 2);
    assert_eq!((out[0].text(), out[0].key_text(), out[0].timestamp), ("ABC".into(), "k".into(), 7));
    assert_eq!(out[0].header("h").as_deref(), Some("v"));
    assert_eq!((out[1].key.clone(), out[1].timestamp), (None, 9));
}

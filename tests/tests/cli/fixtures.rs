//! `pelton test`: fixtures through real WebAssembly.

use super::support::{Place, built, guest};

const COUNT: &str = r#"# A window fires when the watermark has passed its end.
{"input":{"key":"ann","value":"page","timestamp":1000}}
{"input":{"key":"ann","value":"page","timestamp":2000}}
{"expect_nothing":true}
{"input":{"key":"bob","value":"page","timestamp":600000}}
{"expect":{"key":"ann"}}
{"end":true}
{"expect":{"key":"bob"}}
"#;

fn count() -> [String; 6] {
    let of = |text: &str| text.to_owned();
    [of("test"), of("--wasm"), guest("windowed_count"), of("--window"), of("1m"), of("f.jsonl")]
}

fn test(place: &Place, more: &[&str]) -> super::support::Ended {
    let arguments = count();
    let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    arguments.extend(more);
    place.pelton(&arguments)
}

#[test]
fn a_window_is_seen_to_fire_where_it_does() {
    let place = Place::new();
    place.write("f.jsonl", COUNT);
    let ended = test(&place, &[]).expect(0);
    assert_eq!(ended.out, "ok      f.jsonl\n");
}

#[test]
fn what_is_sent_otherwise_is_shown_with_its_line_and_written_down_on_demand() {
    let place = Place::new();
    place.write("f.jsonl", COUNT.replace(r#"{"key":"ann"}}"#, r#"{"key":"eve"}}"#));
    let ended = test(&place, &[]).expect(6);
    assert!(ended.out.contains("  f.jsonl:6: not sent\n"), "{}", ended.out);
    assert!(ended.out.contains(r#"    - {"expect":{"key":"eve"}}"#), "{}", ended.out);
    assert!(ended.out.contains("  f.jsonl:6: sent, but not expected\n"), "{}", ended.out);
    let json = test(&place, &["-o", "json"]).expect(6).json();
    assert_eq!((&json["failed"], &json["fixtures"][0]["passed"]), (&1.into(), &false.into()));
    assert_eq!(json["fixtures"][0]["failures"][0]["line"], 6);
    test(&place, &["--update"]).expect(0);
    let text = place.read("f.jsonl");
    assert!(text.starts_with("# A window fires") && text.contains(r#""key":"ann""#), "{text}");
    assert_eq!(text.lines().count(), COUNT.lines().count(), "{text}");
    test(&place, &[]).expect(0);
}

#[test]
fn what_nobody_expects_fails_at_the_end() {
    let place = Place::new();
    place.write(
        "f.jsonl",
        "{\"input\":{\"key\":\"a\",\"value\":\"x\",\"timestamp\":1}}\n{\"end\":true}\n",
    );
    let ended = test(&place, &[]).expect(6);
    assert!(ended.out.contains("f.jsonl:3: sent, but not expected"), "{}", ended.out);
}

#[test]
fn the_clock_stands_still_until_it_is_advanced() {
    let place = Place::new();
    place.write(
        "f.jsonl",
        r#"{"input":{"key":"a","value":"x"}}
{"advance_clock":"2m"}
{"input":{"key":"a","value":"y"}}
{"expect":{"key":"a"}}
{"end":true}
{"expect":{"key":"a"}}
"#,
    );
    test(&place, &[]).expect(0);
}

#[test]
fn event_time_is_moved_by_hand_and_what_comes_after_it_is_late() {
    let place = Place::new();
    let text = r#"{"input":{"key":"ann","value":"page","timestamp":1000}}
{"advance_watermark":59999}
{"expect_nothing":true}
{"advance_watermark":"1970-01-01T00:01:00Z"}
{"expect":{"key":"ann","timestamp":59999}}
{"advance_watermark":30000}
{"input":{"key":"ann","value":"late","timestamp":2000}}
{"input":{"key":"ann","value":"page","timestamp":60000}}
{"expect":{"topic":"late","value":"late"}}
{"end":true}
{"expect":{"key":"ann","timestamp":119999}}
"#;
    place.write("f.jsonl", text);
    test(&place, &[]).expect(0);
    place.write("f.jsonl", "{\"end\":true}\n{\"advance_watermark\":1}\n");
    test(&place, &[]).expect_error(3, "E-FIXTURE");
}

const STORED: &str = r#"{"expect_state":{"store":"stats","key":"a","absent":true}}
{"input":{"key":"a","value":3}}
{"expect":{"key":"a"}}
{"expect_state":{"store":"stats","key":"a","value":{"count":1,"sum":3,"min":3,"max":3,"histogram":[0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0]}}}
{"expect_state":{"store":"stats","key":"b","absent":true}}
{"end":true}
{"expect_state":{"store":"stats","key":"a","value":{"count":1,"sum":3,"min":3,"max":3,"histogram":[0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0]}}}
"#;

#[test]
fn what_a_store_holds_is_expected_before_and_after_the_end() {
    let (place, wasm) = (Place::new(), built("running_stats"));
    let test =
        |more: &[&str]| place.pelton(&[&["test", "--wasm", &wasm, "f.jsonl"], more].concat());
    place.write("f.jsonl", STORED);
    test(&[]).expect(0);
    place.write("f.jsonl", STORED.replace("\"count\":1", "\"count\":2"));
    let ended = test(&[]).expect(6);
    assert!(ended.out.contains("f.jsonl:4: stored otherwise"), "{}", ended.out);
    assert!(ended.out.contains("f.jsonl:7: stored otherwise"), "{}", ended.out);
    test(&["--update"]).expect(0);
    assert!(place.read("f.jsonl").contains("\"sum\":3.0"), "{}", place.read("f.jsonl"));
    test(&[]).expect(0);
    place.write("f.jsonl", STORED.replace("\"stats\"", "\"stat\""));
    let ended = test(&[]).expect_error(3, "E-STORE-UNKNOWN");
    assert!(ended.err.contains("f.jsonl:1: ") && ended.err.contains("stats"), "{}", ended.err);
}

#[test]
fn rejected_records_are_expected_by_their_code() {
    let place = Place::new();
    place.write(
        "f.jsonl",
        "{\"input\":{\"key\":\"a\",\"value\":\"no number\"}}\n{\"expect_dead_letter\":{\"key\":\"a\"}}\n",
    );
    place.pelton(&["test", "--wasm", &built("running_stats"), "f.jsonl"]).expect(0);
    place.write(
        "f.jsonl",
        "{\"input\":{\"key\":\"a\",\"value\":\"no number\"}}\n{\"expect_nothing\":true}\n",
    );
    let ended = place.pelton(&["test", "--wasm", &built("running_stats"), "f.jsonl"]).expect(6);
    assert!(ended.out.contains("    + {\"expect_dead_letter\":{\"code\":\"E-"), "{}", ended.out);
}

#[test]
fn bad_fixtures_are_refused_with_their_line() {
    let place = Place::new();
    for (text, wrong) in [
        ("{\"end\":true}\n{\"end\":true}\n", "f.jsonl:2: the input has ended"),
        ("\n{\"inptu\":{}}\n", "f.jsonl:2: unknown field `inptu`"),
        ("{\"input\":{\"topic\":\"nowhere\"}}\n", "f.jsonl:1: the function does not read nowhere"),
        ("{\"input\":{},\"partition\":1}\n", "f.jsonl:1: windowed_count.in has no partition 1"),
    ] {
        place.write("f.jsonl", text);
        let ended = test(&place, &[]).expect_error(3, "E-FIXTURE");
        assert!(ended.err.contains(wrong), "{}", ended.err);
    }
    place
        .pelton(&["test", "--wasm", &guest("router"), "--filter", "x", "f.jsonl"])
        .expect_error(5, "E-FIXTURE-NOT-FOUND");
}

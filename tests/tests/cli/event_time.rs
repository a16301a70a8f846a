//! Event time that the function itself tells, through real WebAssembly.

use super::support::{Place, built};

const LINES: &str = r#"{"key":"web-1","value":"2026-01-05T08:00:07 INFO up"}
{"key":"web-1","value":"2026-01-05T08:00:59 WARN slow"}
{"key":"web-1","value":"stack trace"}
{"key":"web-1","value":"2026-01-05T08:01:00 INFO down"}
"#;

const MANIFEST: &str = r#"[function]
name = "lines"
[[input]]
topic = "lines"
event_time = "guest"
[[output]]
name = "out"
topic = "counts"
"#;

#[test]
fn windows_go_by_what_the_function_reads_out_of_a_line() {
    let place = Place::new();
    place.write("in.jsonl", LINES);
    let wasm = built("log_lines");
    let run =
        |more: &[&str]| place.pelton(&[&["run", &wasm, "--input", "in.jsonl"], more].concat());
    let counts = |topic: &str| {
        format!(
            "{{\"topic\":\"{topic}\",\"key\":\"web-1\",\"value\":2,\"timestamp\":1767600059999}}\n\
             {{\"topic\":\"{topic}\",\"key\":\"web-1\",\"value\":1,\"timestamp\":1767600119999}}\n"
        )
    };
    let ended = run(&["--event-time", "guest"]).expect(6);
    assert_eq!(ended.out, counts("out"));
    assert!(ended.err.contains("E-RECORD-TIME"), "{}", ended.err);
    assert!(ended.err.contains("\"stack trace\" does not begin with a time"), "{}", ended.err);
    place.write("pelton.toml", MANIFEST);
    assert_eq!(run(&["--manifest", "pelton.toml"]).expect(6).out, counts("counts"));
}

#[test]
fn manifest_and_function_agree_on_who_tells_it() {
    let place = Place::new();
    place.write("in.jsonl", LINES);
    let run = |wasm: &str, more: &[&str]| {
        place.pelton(&[&["run", wasm, "--input", "in.jsonl"], more].concat())
    };
    let code = "E-MANIFEST-EVENT-TIME";
    let ended = run(&built("log_lines"), &[]).expect_error(3, code);
    assert!(ended.err.contains("--event-time guest"), "{}", ended.err);
    let ended = run(&built("visits"), &["--event-time", "guest"]).expect_error(3, code);
    assert!(ended.err.contains("pelton_sdk::event_time"), "{}", ended.err);
    place.write(
        "pelton.toml",
        MANIFEST.replace("\"guest\"", "\"guest\"\nevent_time_format = \"ms\""),
    );
    run(&built("log_lines"), &["--manifest", "pelton.toml"]).expect_error(3, "E-MANIFEST");
}

#[test]
fn a_fixture_runs_it_too() {
    let place = Place::new();
    place.write(
        "f.jsonl",
        r#"{"input":{"key":"a","value":"2026-01-05T08:00:07 x"}}
{"input":{"key":"a","value":"x"}}
{"expect_dead_letter":{"code":"E-RECORD-TIME","value":"x"}}
{"advance_watermark":"2026-01-05T08:01:00Z"}
{"expect":{"value":1,"timestamp":"2026-01-05T08:00:59.999Z"}}
{"input":{"key":"a","value":"2026-01-05T08:00:08 late"}}
{"expect_nothing":true}
"#,
    );
    let wasm = built("log_lines");
    place.pelton(&["test", "--wasm", &wasm, "--event-time", "guest", "f.jsonl"]).expect(0);
}

use super::support::{Place, guest};

#[test]
fn help_lists_the_commands_and_the_exit_codes_on_stdout() {
    let ended = Place::new().pelton(&["--help"]).expect(0);
    for word in ["demo", "new", "build", "check", "run", "invoke", "completions", "Exit codes:"] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    assert!(!ended.out.contains("compile-child"));
    assert!(ended.out.contains("-v info, -vv debug, -vvv trace"), "{}", ended.out);
}

#[test]
fn a_command_line_that_cannot_be_understood_ends_with_2() {
    let place = Place::new();
    for arguments in
        [&["nope"][..], &["run"], &["demo", "--speed", "0"], &["run", "x", "--config", "x"]]
    {
        let ended = place.pelton(arguments).expect(2);
        assert!(ended.out.is_empty() && ended.err.contains("--help"), "{}", ended.err);
    }
}

#[test]
fn what_cannot_be_understood_is_json_where_that_is_asked_for() {
    let place = Place::new();
    let ended = place.pelton(&["check", "--nope", "-o", "json"]).expect(2);
    let error: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!(error["error"]["code"], "E-USAGE");
    assert!(error["error"]["text"].as_str().unwrap().contains("--nope"), "{error}");
    let ended = place.pelton(&["check", "x.wasm", "-o", "out.jsonl"]).expect(2);
    assert!(ended.err.contains("a file for them is --output FILE"), "{}", ended.err);
}

#[test]
fn version_and_completions_go_to_stdout() {
    let place = Place::new();
    assert!(place.pelton(&["version"]).expect(0).out.starts_with("pelton "));
    assert_eq!(place.pelton(&["version", "-o", "json"]).expect(0).json()["batch_layout"], 1);
    for shell in ["bash", "zsh", "fish"] {
        let script = place.pelton(&["completions", shell]).expect(0).out;
        assert!(script.contains("pelton"), "{shell}");
        let json = place.pelton(&["completions", shell, "-o", "json"]).expect(0).json();
        assert_eq!((&json["shell"], &json["script"]), (&shell.into(), &script.into()));
    }
}

#[test]
fn an_error_has_a_code_and_a_next_step_and_is_json_on_request() {
    let place = Place::new();
    let ended = place.pelton(&["check", "nope.wasm"]).expect_error(5, "E-FILE-NOT-FOUND");
    assert!(ended.err.contains("nope.wasm"), "{}", ended.err);
    let ended = place.pelton(&["check", "nope.wasm", "-o", "json"]).expect(5);
    let error: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!(error["error"]["code"], "E-FILE-NOT-FOUND");
    assert_eq!(error["error"]["exit"], 5);
}

#[test]
fn colour_is_used_only_where_it_is_asked_for() {
    let place = Place::new();
    assert!(!place.pelton(&["check", "x"]).err.contains('\x1b'));
    assert!(place.pelton(&["check", "x", "--color", "always"]).err.contains("\x1b[1;31m"));
}

#[test]
fn check_reports_imports_abilities_and_sizes() {
    let place = Place::new();
    let ended = place.pelton(&["check", &guest("flights_stats")]).expect(0);
    for word in ["core module with embedded WIT", "pelton:function/state@", "component_bytes"] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    let report = place.pelton(&["check", &guest("router"), "-o", "json"]).expect(0).json();
    assert_eq!(report["report"]["world"], "function");
}

/// A component with exports of the right names and of other types.
const OTHER_TYPES: &str = r#"(component
  (core module $m
    (func (export "open") (param i32) (result i32) local.get 0)
    (func (export "process") (param i32) (result i32) local.get 0))
  (core instance $i (instantiate $m))
  (func (export "open") (param "x" u32) (result u32) (canon lift (core func $i "open")))
  (func (export "process") (param "x" u32) (result u32) (canon lift (core func $i "process"))))"#;

#[test]
fn check_refuses_what_run_cannot_load_and_says_the_same() {
    let place = Place::new();
    place.write("f.wasm", wat::parse_str(OTHER_TYPES).unwrap());
    let checked = place.pelton(&["check", "f.wasm"]).expect_error(3, "E-MODULE-WORLD");
    let run = place.pelton(&["run", "f.wasm"]).expect_error(3, "E-MODULE-WORLD");
    for ended in [checked, run] {
        let text = "the export `open` differs from pelton:function@0.1";
        assert!(ended.err.contains(text), "{}", ended.err);
    }
}

#[test]
fn check_lists_what_a_function_imports_of_wasi_by_what_becomes_of_it() {
    let place = Place::new();
    let wasm =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/host/tests/fixtures/wasi_guest.wasm");
    let ended = place.pelton(&["check", wasm]).expect(0);
    let at = |word: &str| ended.out.find(word).unwrap_or_else(|| panic!("{word}: {}", ended.out));
    assert!(at("answered the same") < at("wasi:cli/stdout@0.2."));
    assert!(at("wasi:cli/stdout@0.2.") < at("E-GUEST-FORBIDDEN"));
    assert!(at("E-GUEST-FORBIDDEN") < at("wasi:sockets/tcp@0.2."));
    let report = place.pelton(&["check", wasm, "-o", "json"]).expect(0).json();
    let wasi = report["report"]["wasi"].as_array().unwrap();
    assert!(wasi.iter().any(|import| import["standing"] == "stubbed"));
}

#[test]
fn check_refuses_what_is_no_function_and_says_why() {
    let place = Place::new();
    place.write("text.wasm", "hello");
    place.write("empty.wasm", b"\0asm\x01\0\0\0");
    let whole = std::fs::read(guest("router")).unwrap();
    place.write("cut.wasm", &whole[..whole.len() / 2]);
    for (file, code) in [
        ("text.wasm", "E-MODULE-FORMAT"),
        ("empty.wasm", "E-MODULE-WORLD"),
        ("cut.wasm", "E-MODULE-FORMAT"),
        (".", "E-MODULE-FORMAT"),
    ] {
        let ended = place.pelton(&["check", file]).expect_error(3, code);
        assert!(ended.err.contains(file), "{}", ended.err);
    }
    place.write("pelton.toml", "[function]\nname = 'f'\n[limits]\ncomponent_bytes = 100\n");
    place.write("large.wasm", &whole);
    place.pelton(&["check", "large.wasm"]).expect_error(3, "E-LIMIT");
}

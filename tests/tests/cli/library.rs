//! The ready-made functions: their page, its examples, and what becomes of names and configuration
//! that are wrong.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::support::Place;

const HEAD: &str = include_str!("library/head.md");

fn listed() -> Vec<Value> {
    let listed = Place::new().pelton(&["std", "ls", "-o", "json"]).expect(0).json();
    listed.as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn section(function: &Value, page: &mut String) {
    let of = |pointer| text(function, pointer);
    write!(page, "\n## {}\n{}\n", of("/name"), of("/about")).unwrap();
    if !of("/window").is_empty() {
        write!(page, "\nDefault window: {}.\n", of("/window")).unwrap();
    }
    write!(page, "\nSends: {}\n", of("/sends")).unwrap();
    let keys = function["config"].as_array().unwrap();
    if !keys.is_empty() {
        page.push_str("\n| key | takes | default | |\n|---|---|---|---|\n");
    }
    for key in keys {
        let default = match (&key["required"], key["default"].as_str()) {
            (Value::Bool(true), _) => "required".to_owned(),
            (_, None) => String::new(),
            (_, Some(default)) => format!("`\"{default}\"`"),
        };
        let of = |pointer| text(key, pointer);
        writeln!(page, "| `{}` | {} | {default} | {} |", of("/name"), of("/takes"), of("/about"))
            .unwrap();
    }
    write!(page, "\n```sh\n{}\n```\n", of("/example/command")).unwrap();
    let (input, output) = (of("/example/input"), of("/example/output"));
    write!(page, "\nOf `in.jsonl`:\n```json\n{input}```\ncomes:\n```json\n{output}```\n").unwrap();
}

#[test]
fn the_page_says_what_the_functions_are() {
    let mut page = HEAD.to_owned();
    listed().iter().for_each(|function| section(function, &mut page));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/library.md");
    if std::env::var_os("PELTON_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/library.md is not what the functions say: write it with \
         `PELTON_UPDATE=1 cargo test --release --workspace --test cli library`"
    );
}

#[test]
fn every_example_of_the_page_does_what_it_says() {
    let functions = listed();
    assert!(functions.len() >= 15, "{}", functions.len());
    for function in functions {
        let place = Place::new();
        place.write("in.jsonl", text(&function, "/example/input"));
        // No value of an example has spaces in it; a shell would take the quotes off.
        let command = text(&function, "/example/command").replace('\'', "");
        let ended = place.pelton(&command.split(' ').skip(1).collect::<Vec<_>>()).expect(0);
        assert_eq!(ended.out, text(&function, "/example/output"), "{command}");
    }
}

#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    let place = Place::new();
    for command in [&["run", "std:cuont"][..], &["check", "std:cuont"], &["std", "show", "cuont"]] {
        let ended = place.pelton(command).expect_error(5, "E-STD-NOT-FOUND");
        assert!(ended.err.contains("did you mean `std:count`?"), "{}", ended.err);
        assert!(ended.err.contains("quantiles"), "{}", ended.err);
    }
    let far = place.pelton(&["run", "std:something"]).expect_error(5, "E-STD-NOT-FOUND");
    assert!(!far.err.contains("did you mean"), "{}", far.err);
}

#[test]
fn configuration_that_is_wrong_is_refused_before_a_record_is_read() {
    let place = Place::new();
    for (entry, named) in [("feild=/x", "`feild`"), ("field=x", "`field`")] {
        let arguments = ["run", "std:stats", "--config", entry];
        let ended = place.pelton_with(&arguments, "{\"value\":1}\n");
        assert_ne!(ended.code, 0);
        assert!(ended.err.contains(named) && ended.out.is_empty(), "{}", ended.err);
    }
}

#[test]
fn a_project_names_one_in_place_of_a_file_and_needs_no_build() {
    let place = Place::new();
    let manifest =
        "[function]\nname = \"c\"\n[build]\nfile = \"std:count\"\n[[input]]\ntopic = \"t\"\n";
    place.write("pelton.toml", manifest);
    let built = place.pelton(&["build", "-o", "json"]).expect(0).json();
    assert_eq!(built["file"], "std:count");
    place.write("pelton.toml", manifest.replace("count", "cuont"));
    place.pelton(&["build"]).expect_error(5, "E-STD-NOT-FOUND");
    let value = ["invoke", "std:mask", "--config", "fields=/a", "--value", "{\"a\":1}"];
    let other = Place::new();
    assert!(other.pelton(&value).expect(0).out.contains("***"));
    assert!(other.pelton(&["check", "std:count"]).expect(0).out.contains("ok"));
}

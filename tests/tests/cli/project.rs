use super::support::{Place, guest};

#[test]
fn a_new_project_builds_passes_its_tests_and_runs() {
    let place = Place::new();
    let ended = place.pelton(&["new", "hello"]).expect(0);
    assert!(ended.err.contains("next: cd hello"), "{}", ended.err);
    let ended = place.pelton(&["build", "--path", "hello"]).expect(0);
    assert!(ended.out.starts_with("hello/hello.wasm  "), "{}", ended.out);
    place.pelton(&["check", "hello/hello.wasm"]).expect(0);
    let ended = place.pelton(&["test", "--path", "hello"]).expect(0);
    assert_eq!(ended.out, "ok      hello/tests/readings.jsonl\n");
    let run = ["run", "hello/hello.wasm", "--input", "hello/sample.jsonl"];
    let ended = place.pelton(&run).expect(0);
    let records = ended.records();
    assert_eq!(records.len(), 5);
    assert_eq!(records[4]["topic"], "hello.out");
    assert_eq!(records[4]["value"].to_string(), r#"{"count":3,"highest":22.5,"mean":21.0}"#);
    cargo_test(&place);
    functions_of_the_readme_can_be_pasted(&place);
}

fn cargo_test(place: &Place) {
    let tests = std::process::Command::new("cargo")
        .args(["test", "--quiet"])
        .current_dir(place.path().join("hello"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(tests.status.success(), "{}{}", text(&tests.stdout), text(&tests.stderr));
    let ran = text(&tests.stdout)
        .lines()
        .any(|line| line.starts_with("running") && line != "running 0 tests");
    assert!(ran, "{}", text(&tests.stdout));
}

/// Part of the test above, since a project of its own would have to be built from nothing.
fn functions_of_the_readme_can_be_pasted(place: &Place) {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let code = readme.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let (tests, functions): (Vec<_>, Vec<_>) =
        code.partition(|code| code.starts_with("#[cfg(test)]"));
    assert_eq!((functions.len(), tests.len()), (3, 1));
    for function in &functions {
        place.write("hello/src/lib.rs", function);
        place.pelton(&["build", "--path", "hello"]).expect(0);
        place.pelton(&["run", "hello/hello.wasm", "--input", "hello/sample.jsonl"]).expect(0);
    }
    place.write("hello/src/lib.rs", format!("{}\n{}", functions[2], tests[0]));
    cargo_test(place);
}

#[test]
fn new_refuses_bad_names_and_folders_that_are_not_empty() {
    let place = Place::new();
    for name in ["Hello World", "../x", "fn", ""] {
        place.pelton(&["new", name]).expect_error(3, "E-NAME");
    }
    std::fs::create_dir(place.path().join("taken")).unwrap();
    place.write("taken/file", "");
    let ended = place.pelton(&["new", "taken"]).expect_error(3, "E-FOLDER-NOT-EMPTY");
    assert!(ended.err.contains("--path"), "{}", ended.err);
    place.pelton(&["new", "x", "--sdk", "nope"]).expect_error(5, "E-SDK-NOT-FOUND");
    assert!(!place.path().join("x").exists());
}

#[test]
fn build_runs_the_manifests_command() {
    let place = Place::new();
    place.write(
        "pelton.toml",
        format!(
            "[function]\nname = 'f'\n[build]\ncommand = 'echo building; cp {} out.wasm'\n\
             file = 'out.wasm'\n",
            guest("router")
        ),
    );
    let ended = place.pelton(&["build"]).expect(0);
    assert!(ended.out.starts_with("out.wasm  "), "{}", ended.out);
    assert!(ended.err.contains("building"), "{}", ended.err);
}

#[test]
fn a_build_that_fails_or_makes_nothing_is_an_error() {
    let place = Place::new();
    place.pelton(&["build"]).expect_error(5, "E-PROJECT-NOT-FOUND");
    let manifest = |command: &str| {
        format!("[function]\nname = 'f'\n[build]\ncommand = '{command}'\nfile = 'out.wasm'\n")
    };
    place.write("pelton.toml", manifest("exit 7"));
    let ended = place.pelton(&["build"]).expect_error(3, "E-BUILD");
    assert!(ended.err.contains("ended with 7"), "{}", ended.err);
    place.write("pelton.toml", manifest("true"));
    place.pelton(&["build"]).expect_error(3, "E-BUILD-NO-WASM");
    place.write("pelton.toml", "[function]\nname = 'f'\n");
    place.pelton(&["build"]).expect_error(5, "E-BUILD-NOTHING");
}

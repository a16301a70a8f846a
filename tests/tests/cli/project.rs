use super::support::{Place, guest};

#[test]
fn a_new_project_builds_passes_its_tests_and_runs() {
    let place = Place::new();
    let ended = place.pelton(&["new", "hello"]).expect(0);
    assert!(ended.err.contains("next: cd hello"), "{}", ended.err);
    let ended = place.pelton(&["build", "--path", "hello"]).expect(0);
    assert!(ended.out.starts_with("hello/hello.wasm  "), "{}", ended.out);
    place.pelton(&["check", "hello/hello.wasm"]).expect(0);
    let run = ["run", "hello/hello.wasm", "--input", "hello/sample.jsonl"];
    let ended = place.pelton(&run).expect(0);
    let records = ended.records();
    assert_eq!(records.len(), 5);
    assert_eq!(records[4]["topic"], "hello.out");
    assert_eq!(records[4]["value"].to_string(), r#"{"count":3,"highest":22.5,"mean":21.0}"#);
    let tests = std::process::Command::new("cargo")
        .args(["test", "--quiet"])
        .current_dir(place.path().join("hello"))
        .output()
        .unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stderr));
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

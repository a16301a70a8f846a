//! The files that `run` reads and writes.

use std::fs;
use std::io::Read as _;

use super::support::{Place, guest};

const LINE: &str = "{\"key\":\"a\",\"value\":{\"dep_delay\":1},\"timestamp\":1}\n";

#[test]
fn a_file_that_is_read_is_never_written_to() {
    let place = Place::new();
    place.write("x", LINE);
    fs::copy(guest("router"), place.path().join("f.wasm")).unwrap();
    fs::create_dir(place.path().join("sub")).unwrap();
    place.write("pelton.toml", "[function]\nname = \"f\"\n");
    std::os::unix::fs::symlink("x", place.path().join("link")).unwrap();
    let wasm = fs::read(place.path().join("f.wasm")).unwrap();
    for (arguments, roles) in [
        (vec!["--input", "x", "--output", "sub/../x"], ["--output", "--input"]),
        (vec!["--input", "x", "--output", "link"], ["--output", "--input"]),
        (vec!["--input", "x", "--dead-letters", "x"], ["--dead-letters", "--input"]),
        (vec!["--input", "x", "--output", "f.wasm"], ["--output", "the function"]),
        (vec!["--input", "x", "--output", "pelton.toml"], ["--output", "the manifest"]),
        (vec!["--output", "new", "--dead-letters", "sub/../new"], ["--dead-letters", "--output"]),
    ] {
        let all = [&["run", "f.wasm"][..], &arguments].concat();
        let ended = place.pelton(&all).expect_error(3, "E-OUTPUT-FILE");
        let text = format!("is {} and {} at once", roles[0], roles[1]);
        assert!(ended.err.contains(&text), "{}", ended.err);
    }
    assert_eq!(place.read("x"), LINE);
    assert_eq!(fs::read(place.path().join("f.wasm")).unwrap(), wasm);
    assert!(!place.path().join("new").exists());
}

#[test]
fn a_data_directory_is_never_written_to_as_an_output() {
    let place = Place::new();
    let run = ["run", &guest("router"), "--data-dir", "data", "--output"];
    place.pelton_with(&[&run[..], &["out.jsonl"]].concat(), LINE).expect(0);
    let format = place.read("data/FORMAT");
    for (written, role) in [
        (["data/FORMAT", "--dead-letters", "dead.jsonl"], "--output"),
        (["./data/segments/new", "--dead-letters", "dead.jsonl"], "--output"),
        (["out.jsonl", "--dead-letters", "data/../data/x"], "--dead-letters"),
    ] {
        let ended = place.pelton_with(&[&run[..], &written].concat(), LINE);
        let ended = ended.expect_error(3, "E-OUTPUT-FILE");
        let text = format!("is {role} and lies in the data directory");
        assert!(ended.err.contains(&text), "{}", ended.err);
    }
    assert_eq!(place.read("data/FORMAT"), format);
    place.pelton_with(&[&run[..], &["out.jsonl"]].concat(), LINE).expect(0);
}

#[test]
fn a_run_that_fails_leaves_the_output_before_it_as_it_was() {
    let place = Place::new();
    place.write("out.jsonl", "before\n");
    place.write("dead.jsonl", "before\n");
    let arguments =
        ["run", &guest("router"), "--output", "out.jsonl", "--dead-letters", "dead.jsonl"];
    place.pelton_with(&arguments, &format!("{LINE}x\n")).expect_error(3, "E-INPUT-JSON");
    assert_eq!(
        (place.read("out.jsonl"), place.read("dead.jsonl")),
        ("before\n".into(), "before\n".into())
    );
    place.pelton_with(&arguments, LINE).expect(0);
    assert!(place.read("out.jsonl").contains("cancelled"));
    assert_eq!(place.read("dead.jsonl"), "");
    // Nothing is left beside them.
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_runs() {
    let place = Place::new();
    let arguments = ["run", &guest("router"), "--output", "nowhere/out.jsonl"];
    place.pelton_with(&arguments, LINE).expect_error(5, "E-FILE-NOT-FOUND");
}

#[test]
fn links_pipes_and_devices_are_written_through() {
    let place = Place::new();
    place.write("real", "before\n");
    std::os::unix::fs::symlink("real", place.path().join("link")).unwrap();
    let router = guest("router");
    place.pelton_with(&["run", &router, "--output", "link"], LINE).expect(0);
    assert!(place.path().join("link").is_symlink());
    assert!(place.read("real").contains("cancelled"));

    let out = place.pelton_with(&["run", &router, "--output", "/dev/stdout"], LINE).expect(0).out;
    assert!(out.contains("cancelled"), "{out}");
    place.pelton_with(&["run", &router, "--output", "/dev/null"], LINE).expect(0);

    let pipe = place.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        fs::File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
        text
    });
    place.pelton_with(&["run", &router, "--output", "pipe"], LINE).expect(0);
    assert!(reader.join().unwrap().contains("cancelled"));
}

#[test]
fn a_file_is_no_data_directory() {
    let place = Place::new();
    place.write("data", "x");
    let ended = place.pelton_with(&["run", &guest("router"), "--data-dir", "data"], LINE);
    ended.expect_error(3, "E-DATA-DIR");
}

#[test]
fn a_manifest_that_is_not_utf_8_is_named_with_its_line() {
    let place = Place::new();
    place.write("pelton.toml", b"[function]\nname = \"\xff\"\n");
    let arguments = ["run", &guest("router"), "--manifest", "pelton.toml"];
    let ended = place.pelton_with(&arguments, LINE).expect_error(3, "E-MANIFEST");
    assert!(ended.err.contains("pelton.toml:2: this is not UTF-8 text"), "{}", ended.err);
}

#[test]
fn records_past_a_limit_are_bad_lines() {
    let place = Place::new();
    let large = format!("{{\"value\":\"{}\"}}\n", "x".repeat((1 << 20) + 1));
    place.write("in.jsonl", format!("{LINE}{large}"));
    let arguments = ["run", &guest("router"), "--input", "in.jsonl"];
    let ended = place.pelton(&arguments).expect_error(3, "E-LIMIT");
    assert!(ended.err.contains("in.jsonl:2: the record: 1048577 bytes"), "{}", ended.err);
    let skipped = [&arguments[..], &["--skip-bad-lines"]].concat();
    assert_eq!(place.pelton(&skipped).expect(0).records().len(), 1);

    place.write("in.jsonl", format!("{LINE}{{\"value\":1,\"timestamp\":{}}}\n", i64::MAX));
    let ended = place.pelton(&arguments).expect_error(3, "E-RECORD-TIMESTAMP");
    assert!(ended.err.contains("in.jsonl:2: the timestamp 9223372036854775807"), "{}", ended.err);
}

//! `pelton dev` as a developer meets it: the binary in a process of its own, on a new project.

use serde_json::json;

use crate::dev_session::Session;
use crate::support::Place;

const READING: &str = r#"{"key":"kitchen","value":{"celsius":20}}"#;

fn edit(place: &Place, from: &str, to: &str) {
    let code = place.read("hello/src/lib.rs");
    assert!(code.contains(from), "{code}");
    place.write("hello/src/lib.rs", code.replace(from, to));
}

#[test]
fn every_save_goes_live_with_its_state_and_what_is_broken_leaves_the_version_before() {
    let place = Place::new();
    place.pelton(&["new", "hello"]).expect(0);
    std::fs::create_dir(place.path().join("tmp")).unwrap();
    let mut dev = Session::start(&place, &["--input", "hello/sample.jsonl"]);
    assert_eq!(dev.wait_for("live")["version"], 1);
    // What the sample has in it: input and output, with the state of three readings.
    assert_eq!(dev.wait_for("input")["value"], json!({ "celsius": 19.5 }));
    assert_eq!((0..5).map(|_| dev.count()).max(), Some(3));

    edit(&place, "count: stats.count,", "count: stats.count * 100,");
    let live = dev.wait_for("live");
    assert_eq!((&live["version"], &live["before"]), (&json!(2), &json!(1)));
    dev.type_line(READING);
    assert_eq!(dev.count(), 400);

    // It does not build.
    edit(&place, "stats.count * 100,", "stats.count * oops,");
    let failed = dev.wait_for("failed");
    assert_eq!((&failed["code"], &failed["running"]), (&json!("E-BUILD"), &json!(2)));
    assert!(failed["output"].as_str().unwrap().contains("oops"), "{failed}");
    dev.type_line(READING);
    assert_eq!(dev.count(), 500);

    // It builds, and fails at its first record.
    let key = "let sensor = record.key_text()?;";
    edit(&place, "stats.count * oops,", "stats.count * 1000,");
    assert_eq!(dev.wait_for("live")["version"], 3);
    edit(&place, key, &format!("{key} assert!(sensor.is_empty());"));
    assert_eq!(dev.wait_for("live")["version"], 4);
    dev.type_line(READING);
    let failed = dev.wait_for("failed");
    assert_eq!(failed["code"], "E-DEPLOY-TRIAL", "{failed}");
    assert_ne!(failed["running"], 4);
    let before = dev.count();
    assert!([600, 6_000].contains(&before), "an older version answers: {before}");

    edit(&place, " assert!(sensor.is_empty());", "");
    assert_eq!(dev.wait_for("live")["version"], 3);
    dev.type_line("nonsense");
    dev.type_line(READING);
    assert_eq!(dev.count(), 7_000);
    assert!(dev.end().contains("E-INPUT-JSON"));
    let left = std::fs::read_dir(place.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "no temporary folders");

    // State is kept from session to session, until it is to begin anew.
    let mut dev = Session::start(&place, &[]);
    dev.wait_for("live");
    dev.type_line(READING);
    assert_eq!(dev.count(), 8_000);
    let locked = place.command(&["dev", "hello", "--fresh"]).output().unwrap();
    assert!(String::from_utf8_lossy(&locked.stderr).contains("E-JOURNAL-LOCKED"));
    dev.end();
    let mut dev = Session::start(&place, &["--fresh"]);
    dev.wait_for("live");
    dev.type_line(READING);
    assert_eq!(dev.count(), 1_000);
    assert_eq!(dev.wait_for("input")["topic"], "hello.in");

    // Another input takes what is typed from then on.
    let manifest = place.read("hello/pelton.toml");
    place.write("hello/pelton.toml", manifest.replace("\"hello.in\"", "\"other.in\""));
    dev.wait_for("live");
    dev.type_line(READING);
    assert_eq!(dev.wait_for("input")["topic"], "other.in");
    dev.type_line(r#"{"topic":"hello.in","value":1}"#);
    dev.type_line(READING);
    dev.wait_for("input");
    assert!(place.read("dev.log").contains("use one of: other.in"), "{}", place.read("dev.log"));
    dev.end();
}

#[test]
fn what_is_no_project_or_reads_nothing_is_told_at_once() {
    let place = Place::new();
    place.pelton(&["dev"]).expect_error(5, "E-PROJECT-NOT-FOUND");
    place.write("pelton.toml", "[function]\nname = 'hello'\n");
    place.pelton(&["dev"]).expect_error(3, "E-INPUT-NONE");
    place.pelton(&["new", "hello"]).expect(0);
    let refused = place.pelton(&["dev", "hello", "--input", "nofile"]);
    let refused = refused.expect_error(5, "E-FILE-NOT-FOUND");
    assert!(!refused.err.contains("Compiling") && !place.path().join("hello/target").exists());
}

#[test]
fn fresh_removes_nothing_but_a_data_directory() {
    let place = Place::new();
    place.pelton(&["new", "hello"]).expect(0);
    std::fs::create_dir(place.path().join("precious")).unwrap();
    place.write("precious/notes.txt", "precious");
    // A project that has a data directory's files in it as well.
    place.write("hello/FORMAT", "");
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for data_dir in ["hello", ".", "precious", "hello/src"] {
        for fresh in [&["--fresh"][..], &[]] {
            let listen = ["--data-dir", data_dir, "--listen", "127.0.0.1:0"];
            let command = [&["dev", "hello"], &listen[..], fresh].concat();
            place.pelton(&command).expect_error(3, "E-DATA-DIR");
        }
    }
    let taken = held.local_addr().unwrap().to_string();
    place.pelton(&["dev", "hello", "--listen", &taken]).expect_error(3, "E-HTTP-ADDRESS");
    assert_eq!(place.read("precious/notes.txt"), "precious");
    for file in ["hello/src/lib.rs", "hello/pelton.toml", "hello/FORMAT"] {
        assert!(place.path().join(file).is_file(), "{file}");
    }
    assert!(!place.path().join("hello/.pelton/dev").exists());
}

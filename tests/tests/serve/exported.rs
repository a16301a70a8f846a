//! `pelton export` against a real server, and what reads its files again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::server::Server;
use crate::support::{Ended, Place};

const FORMATS: [&str; 2] = ["jsonl", "parquet"];

/// Records of all kinds: with and without keys, values and headers, text and bytes, before 1970.
const ODD: &str = r#"
{"key":"k","value":{"a":1},"timestamp":5,"headers":[["h","v"],["h",null],["b",{"base64":"/w=="}]]}
{"key":"k","value":null,"timestamp":-86400001}
{"key":{"base64":"/wA="},"value":{"base64":"AP8="},"timestamp":-1}
{"value":"a \"quoted\" line\nand another","timestamp":1357016400000}
{"key":"","value":"","timestamp":0}
{"key":"n","value":"1.50","timestamp":7}
"#;

/// All files of a folder, with when they were written.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let about =
        |path: &Path| (fs::read(path).unwrap(), path.metadata().unwrap().modified().unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), about(&e.path()))).collect()
}

fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    files(folder).into_iter().map(|(name, (bytes, _))| (name, bytes)).collect()
}

fn export(server: &Server<'_>, topic: &str, to: &str, format: &str, more: &[&str]) -> Ended {
    let all = [&["export", topic, "--to", to, "--format", format], more].concat();
    server.pelton(&all)
}

/// Records of a topic with their places, in the order of those.
fn consumed(server: &Server<'_>, topic: &str) -> Vec<serde_json::Value> {
    let mut records = server.pelton(&["consume", topic, "--offsets"]).expect(0).records();
    records.sort_by_key(|record| (record["partition"].as_u64(), record["offset"].as_u64()));
    records.iter_mut().for_each(|record| record["topic"] = json!("any"));
    records
}

/// Those that have a key, without their offsets: a record without one may go to any partition.
fn keyed(server: &Server<'_>, topic: &str) -> Vec<serde_json::Value> {
    let mut records = consumed(server, topic);
    records.retain(|record| !record["key"].is_null());
    records.iter_mut().for_each(|record| record["offset"] = json!(null));
    records
}

fn create(server: &Server<'_>, topic: &str) {
    server.pelton(&["topic", "create", topic, "--partitions", "3"]).expect(0);
}

#[test]
fn what_is_exported_reads_back_as_it_was_and_a_repeat_changes_nothing() {
    let place = Place::new();
    let server = Server::start(&place);
    create(&server, "t");
    let many: String = (0..200)
        .map(|n| format!("{{\"key\":\"{}\",\"value\":{{\"n\":{n}}},\"timestamp\":{n}}}\n", n % 17))
        .collect();
    server.pelton_with(&["produce", "t"], &(ODD.to_owned() + &many)).expect(0);
    for format in FORMATS {
        let first = export(&server, "t", format, format, &["--file-records", "50"]).expect(0);
        assert!(first.err.contains("exported 206 records of t to "), "{}", first.err);
        let before = files(&place.path().join(format));
        assert!(before.len() >= 4 && before.keys().all(|name| name.starts_with("t-")));
        let again = export(&server, "t", format, format, &[]).expect(0);
        assert!(again.err.contains("nothing new in t"), "{}", again.err);
        assert_eq!(files(&place.path().join(format)), before);
        let back = format!("back-{format}");
        create(&server, &back);
        for name in before.keys() {
            let file = format!("{format}/{name}");
            server.pelton(&["produce", &back, "--input", &file]).expect(0);
        }
        assert_eq!(keyed(&server, &back), keyed(&server, "t"), "{format}");
        assert_eq!(consumed(&server, &back).len(), 206);
    }
}

#[test]
fn new_records_go_into_the_last_file_and_whole_files_are_never_written_again() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    let lines = |range: std::ops::Range<u32>| -> String {
        range.map(|n| format!("{{\"value\":{n},\"timestamp\":{n}}}\n")).collect()
    };
    for format in FORMATS {
        let done = export(&server, "t", &format!("{format}-empty"), format, &[]).expect(0);
        assert!(done.err.contains("nothing new in t: 0 files"), "{}", done.err);
    }
    server.pelton_with(&["produce", "t"], &lines(0..25)).expect(0);
    for format in FORMATS {
        export(&server, "t", format, format, &["--file-records", "10"]).expect(0);
    }
    server.pelton_with(&["produce", "t"], &lines(25..42)).expect(0);
    for format in FORMATS {
        let folder = place.path().join(format);
        let before = files(&folder);
        let more = ["-o", "json"];
        let done = export(&server, "t", format, format, &more).expect(0).json();
        assert_eq!((&done["records"], &done["unchanged"]), (&json!(17), &json!(2)));
        let tail = &done["files"][0];
        assert_eq!((&tail["records"], &tail["replaced"]), (&json!(5), &json!(true)));
        let after = files(&folder);
        let whole: Vec<_> = before.keys().take(2).collect();
        assert!(whole.iter().all(|name| before[*name] == after[*name]));
        assert_eq!(after.len(), 5);
        // In one go it is the same.
        let fresh = format!("{format}-fresh");
        export(&server, "t", &fresh, format, &["--file-records", "10"]).expect(0);
        assert_eq!(bytes(&folder), bytes(&place.path().join(&fresh)));
        // So it is by parts, by offset or by time, in any order.
        let parts = format!("{format}-parts");
        for range in [["33", "1970-01-01T00:00:00.041Z"], ["4", "5"], ["0", "12"]] {
            let [from, until] = range;
            let some = ["--file-records", "10", "--from", from, "--until", until];
            export(&server, "t", &parts, format, &some).expect(0);
        }
        export(&server, "t", &parts, format, &[]).expect(0);
        assert_eq!(bytes(&folder), bytes(&place.path().join(&parts)));
    }
    drop(server);
    // And of the data directory itself.
    for format in FORMATS {
        let to = format!("{format}-offline");
        let offline = ["export", "t", "--to", &to, "--format", format, "--file-records", "10"];
        place.pelton(&[&offline[..], &["--data-dir", "data"]].concat()).expect(0);
        assert_eq!(bytes(&place.path().join(format)), bytes(&place.path().join(&to)));
    }
}

#[test]
fn an_export_that_is_killed_at_any_time_is_finished_by_the_next() {
    let place = Place::new();
    let server = Server::start(&place);
    create(&server, "t");
    let lines: String =
        (0..30_000).map(|n| format!("{{\"value\":{{\"n\":{n}}},\"timestamp\":{n}}}\n")).collect();
    server.pelton_with(&["produce", "t"], &lines).expect(0);
    for format in FORMATS {
        let some = ["--file-records", "500"];
        let whole = format!("{format}-whole");
        export(&server, "t", &whole, format, &some).expect(0);
        let whole = bytes(&place.path().join(&whole));
        let folder = place.path().join(format);
        for seen in [1, 7, 20, 45] {
            let arguments = ["export", "t", "--to", format, "--format", format];
            let mut child = server.command(&[&arguments[..], &some].concat()).spawn().unwrap();
            let files_there = || fs::read_dir(&folder).map_or(0, Iterator::count);
            while files_there() < seen && child.try_wait().unwrap().is_none() {
                std::thread::park_timeout(Duration::from_micros(200));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            for (name, (bytes, _)) in
                files(&folder).iter().filter(|(name, _)| !name.starts_with('.'))
            {
                let is = whole.iter().find(|(whole, _)| whole == name).map(|(_, bytes)| bytes);
                assert_eq!(Some(bytes), is, "{name} is whole or not there");
            }
        }
        export(&server, "t", format, format, &some).expect(0);
        assert!(bytes(&folder) == whole, "{format}");
    }
}

#[test]
fn what_cannot_be_exported_is_refused_with_what_to_do() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    server.pelton_with(&["produce", "t"], ODD).expect(0);
    export(&server, "nope", "to", "jsonl", &[]).expect_error(5, "E-TOPIC-UNKNOWN");
    export(&server, "t", "to", "jsonl", &["--text"]).expect_error(2, "E-USAGE");
    export(&server, "t", "to", "parquet", &["--text"]).expect_error(3, "E-EXPORT-TEXT");
    for wrong in [["--from", "latest"], ["--until", "soon"]] {
        export(&server, "t", "to", "jsonl", &wrong).expect(2);
    }
    for (offsets, code) in [("0", 2), ("1", 0), ("1000000000", 0), ("1000000001", 2)] {
        let to = format!("cells-{offsets}");
        export(&server, "t", &to, "jsonl", &["--file-records", offsets]).expect(code);
    }
    place.write("file", "");
    export(&server, "t", "file", "jsonl", &[]).expect_error(1, "E-FILE");
    export(&server, "t", "to", "jsonl", &["--file-records", "2"]).expect(0);
    let grid = export(&server, "t", "to", "jsonl", &["--file-records", "3"]);
    assert!(grid.expect_error(3, "E-EXPORT-GRID").err.contains("have 2 offsets each"));
    // A topic that was made anew.
    server.pelton(&["topic", "rm", "t", "--yes"]).expect(0);
    server.pelton(&["topic", "create", "t"]).expect(0);
    let lines = "{\"value\":1}\n".repeat(20);
    server.pelton_with(&["produce", "t"], &lines).expect(0);
    let other = export(&server, "t", "to", "jsonl", &[]).expect_error(3, "E-EXPORT-TOPIC");
    assert!(other.err.contains("of another topic of that name"), "{}", other.err);
    drop(server);
    let offline = |arguments: &[&str]| {
        place.pelton(&[&["export", "t", "--data-dir", "data", "--to"], arguments].concat())
    };
    offline(&["data"]).expect_error(3, "E-OUTPUT-FILE");
    offline(&["new"]).expect(0);
    let nope = ["export", "nope", "--to", "new", "--data-dir"];
    place.pelton(&[&nope[..], &["data"]].concat()).expect_error(5, "E-TOPIC-NOT-FOUND");
    place.pelton(&[&nope[..], &["none"]].concat()).expect_error(5, "E-DATA-DIR-NOT-FOUND");
}

/// A batch whose timestamps are all 0 has them nonetheless.
#[test]
fn a_record_of_the_first_moment_of_1970_keeps_its_time() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    server.pelton_with(&["produce", "t"], "{\"value\":1,\"timestamp\":0}\n").expect(0);
    assert_eq!(consumed(&server, "t")[0]["timestamp"], 0);
}

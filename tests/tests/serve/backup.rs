//! Backups: made while everything runs, refused where a byte of them is not right, and as good as
//! the server that they were made of.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::load::{deploy_filter, numbers, records};
use crate::server::Server;
use crate::support::{Ended, Place};

const RECORDS: usize = 30_000;

fn restore(place: &Place, from: &str, to: &str) -> Ended {
    crate::server::ended(place.command(&["restore", from, "--data-dir", to]).spawn().unwrap())
}

fn restore_as_json(place: &Place, from: &str) -> Value {
    let restore = ["restore", from, "--data-dir", "data", "-o", "json"];
    crate::server::ended(place.command(&restore).spawn().unwrap()).expect(0).json()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_backup_under_load_is_a_first_part_of_everything_and_its_functions_go_on_exactly_once() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_filter(&place, &server);
    place.write("records.jsonl", records(0..RECORDS));
    let produce = ["produce", "all", "--input", "records.jsonl"];
    let producer = server.command(&produce).spawn().unwrap();
    server.values("long", 0, 1);
    let mut backups = Vec::new();
    for number in 0..3 {
        let name = format!("backup-{number}");
        let to = place.path().join(&name);
        let made = server.json(&["backup", to.to_str().unwrap()]);
        assert_eq!(made["contents"]["functions"], 1, "{made}");
        backups.push((name, made));
    }
    crate::server::ended(producer).expect(0);
    let max = RECORDS.to_string();
    let all = server.pelton(&["consume", "long", "--follow", "--max", &max]).expect(0).records();
    assert_eq!(numbers(&all), (0..RECORDS).collect::<Vec<_>>());
    let last = place.path().join("backup-last");
    let made = server.json(&["backup", last.to_str().unwrap()]);
    backups.push(("backup-last".to_owned(), made));
    drop(server);
    for (name, made) in backups {
        let into = Place::new();
        let from = place.path().join(&name);
        let restored = restore_as_json(&into, from.to_str().unwrap());
        assert_eq!(restored["contents"], made["contents"]);
        let server = Server::start(&into);
        // What had been produced until then comes through once, whatever the function had done.
        let inputs = server.pelton(&["consume", "all"]).expect(0).records();
        let count = inputs.len().to_string();
        let outputs = ["consume", "long", "--follow", "--max", &count];
        let outputs = server.pelton(&outputs).expect(0).records();
        assert_eq!(numbers(&outputs), numbers(&inputs));
        // The topics are the first parts of those that they were backed up from.
        for partition in [0, 1] {
            let of = |records: &[Value]| {
                let of = records.iter().filter(|record| record["partition"] == partition);
                of.map(|record| record["value"].clone()).collect::<Vec<_>>()
            };
            let (some, whole) = (of(&outputs), of(&all));
            assert_eq!(some, whole[..some.len()]);
        }
        server.pelton_with(&["produce", "all"], &records(RECORDS..RECORDS + 10)).expect(0);
        let count = (inputs.len() + 10).to_string();
        let outputs = ["consume", "long", "--follow", "--max", &count];
        assert_eq!(server.pelton(&outputs).expect(0).records().len(), inputs.len() + 10);
    }
}

#[test]
fn a_damaged_backup_is_refused_and_the_file_is_named() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_filter(&place, &server);
    server.pelton_with(&["produce", "all"], &records(0..100)).expect(0);
    server.values("long", 0, 100);
    drop(server);
    // Of a server that does not run.
    let backup = ["backup", "good", "--data-dir", "data", "-o", "json"];
    let made = crate::server::ended(place.command(&backup).spawn().unwrap()).expect(0).json();
    assert!(made["directory"].as_str().unwrap().starts_with('/'), "{made}");
    let good = place.path().join("good");
    let names = |folder: &Path| -> Vec<String> {
        let all = files(folder).into_iter();
        all.map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
    };
    let names = names(&good);
    assert!(names.iter().any(|name| name.starts_with("artefacts/")), "{names:?}");
    for name in &names {
        for damage in ["missing", "flipped", "shorter", "longer"] {
            let bad = place.path().join("bad");
            let _ = std::fs::remove_dir_all(&bad);
            for other in &names {
                let to = bad.join(other);
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(good.join(other), to).unwrap();
            }
            let path = bad.join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            match damage {
                "missing" => std::fs::remove_file(&path).unwrap(),
                "flipped" => {
                    let at = bytes.len() / 2;
                    bytes[at] ^= 1;
                    std::fs::write(&path, bytes).unwrap();
                }
                "shorter" => std::fs::write(&path, &bytes[..bytes.len() - 2]).unwrap(),
                _ => std::fs::write(&path, [&bytes[..], b"x"].concat()).unwrap(),
            }
            let ended = restore(&place, "bad", "new");
            assert_ne!(ended.code, 0, "{name} {damage}");
            assert!(ended.err.contains(name.as_str()), "{name} {damage}: {}", ended.err);
            assert!(ended.err.contains("E-BACKUP-"), "{name} {damage}: {}", ended.err);
            assert!(!place.path().join("new").exists(), "nothing was written");
        }
    }
    restore(&place, "good", "new").expect(0);
    restore(&place, "good", "new").expect_error(3, "E-RESTORE-TARGET");
    restore(&place, "data", "other").expect_error(5, "E-BACKUP-NOT-FOUND");
    let manifest = place.read("good/BACKUP.json");
    let newer = manifest.replace("\"backup_format\": 1", "\"backup_format\": 2");
    place.write("good/BACKUP.json", newer);
    restore(&place, "good", "other").expect_error(3, "E-BACKUP-NEWER");
}

#[test]
fn a_backup_goes_only_where_nothing_is_and_not_into_the_data() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    std::fs::create_dir(place.path().join("full")).unwrap();
    place.write("full/file", "x");
    for to in ["data", "data/backup", "data/segments/x/y", "full", ".", "full/file"] {
        let ended = server.pelton(&["backup", to]);
        ended.expect_error(3, "E-BACKUP-TARGET");
    }
    std::os::unix::fs::symlink(place.path().join("data"), place.path().join("link")).unwrap();
    server.pelton(&["backup", "link/backup"]).expect_error(3, "E-BACKUP-TARGET");
    let while_it_runs = ["backup", "x", "--data-dir", "data"];
    server.pelton(&while_it_runs).expect_error(1, "E-JOURNAL-LOCKED");
    server.pelton(&["backup", "x", "--data-dir", "none"]).expect_error(5, "E-DATA-DIR-NOT-FOUND");
    let made = server.json(&["backup", "new"]);
    assert_eq!(made["contents"]["topics"], json!([{ "topic": "default/t", "offsets": [[0, 0]] }]));
}

#[test]
fn a_backup_that_the_disk_has_no_room_for_leaves_nothing_and_the_server_goes_on() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "u"]).expect(0);
    let small = place.path().join("small");
    std::fs::create_dir(&small).unwrap();
    // Where this machine lets nobody mount, there is no small disk to fill.
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&small)
        .output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        return;
    }
    let ended = server.pelton(&["backup", "small/backup"]);
    let left = std::fs::read_dir(small.join("backup")).map_or(0, Iterator::count);
    let unmounted = std::process::Command::new("umount").arg(&small).status();
    assert!(unmounted.unwrap().success());
    ended.expect_error(1, "E-JOURNAL-FULL");
    assert_eq!(left, 0);
    server.pelton_with(&["produce", "u"], "{\"value\":1}\n").expect(0);
}

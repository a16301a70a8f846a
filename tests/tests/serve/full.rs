//! A disk without a free byte: what is on it can be read.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::load::numbers;
use crate::server::Server;
use crate::support::{Place, guest};

/// A small file system of its own.
struct Small(PathBuf);

impl Small {
    /// Nothing, and a word about it, where this machine lets nobody mount one; with
    /// `PELTON_TEST_FULL_DISK` (the suite `full-disk` of `cargo xtask`) that is a failure.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at);
        let mounted = mount.output().unwrap();
        if mounted.status.success() {
            return Some(Self(at));
        }
        let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
        let required = std::env::var_os("PELTON_TEST_FULL_DISK").is_some();
        assert!(!required, "a full disk cannot be tested, since no tmpfs can be mounted: {why}");
        // Past the test harness, which keeps what a test that passes says to itself.
        let _ =
            writeln!(std::io::stderr(), "LEFT OUT: a full disk; no tmpfs can be mounted: {why}");
        None
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("fills")).unwrap();
        let piece = vec![1; 4096];
        while file.write_all(&piece).is_ok() {}
    }

    /// Gives it back.
    fn free(&self) {
        std::fs::remove_file(self.0.join("fills")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_data_directory_on_a_full_disk_is_read_and_served() {
    let place = Place::new();
    let Some(small) = Small::mount(place.path().join("data"), "200m") else { return };
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    server.pelton_with(&["produce", "t"], "{\"value\":1}\n{\"value\":2}\n").expect(0);
    server.kill();
    small.fill();
    for _ in 0..2 {
        let read = place.pelton(&["read", "--data-dir", "data", "t"]).expect(0);
        assert_eq!(read.records().len(), 2);
        assert!(!read.err.contains("ERROR"), "{}", read.err);
        let server = Server::start(&place);
        assert_eq!(server.values("t", 0, 2), [json!(1), json!(2)]);
        // The segment that is there has room.
        server.pelton_with(&["produce", "t"], "").expect(0);
        assert_eq!(server.signal(rustix::process::Signal::TERM).code(), Some(0));
    }
}

/// Records of 64 KiB that are numbered on from `first`.
fn large(first: usize) -> String {
    let pad = "x".repeat(64 << 10);
    let line = |number| format!("{{\"value\":\"{number} {pad}\"}}\n");
    (first..first + A_PIECE).map(line).collect()
}

const A_PIECE: usize = 160;
/// Fewer than all segments that the disk has room for hold.
const PIECES_MAX: usize = 40;

#[test]
fn f20_a_disk_that_fills_up_under_a_server_is_told_and_it_goes_on_once_there_is_room() {
    let place = Place::new();
    let Some(small) = Small::mount(place.path().join("data"), "400m") else { return };
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    server.pelton_with(&["produce", "t"], &large(0)).expect(0);
    small.fill();
    let mut pieces = 1;
    let produce = ["produce", "t", "--retry-for", "0s"];
    let refused = loop {
        let produced = server.pelton_with(&produce, &large(pieces * A_PIECE));
        if produced.code != 0 {
            break produced;
        }
        pieces += 1;
        assert!(pieces < PIECES_MAX, "the disk is full and takes everything");
    };
    assert!(refused.expect(1).err.contains("error[E-JOURNAL-FULL]: "));
    // What was acknowledged is read, and the server is well.
    let before = numbers(&server.pelton(&["consume", "t"]).expect(0).records());
    let acknowledged = pieces * A_PIECE;
    assert_eq!(before[..acknowledged], (0..acknowledged).collect::<Vec<_>>());
    assert!(before.len() < acknowledged + A_PIECE, "of the last piece at most a part");

    small.free();
    server.pelton_with(&["produce", "t"], &large(1_000_000)).expect(0);
    let after = numbers(&server.pelton(&["consume", "t"]).expect(0).records());
    assert_eq!(after[..before.len()], before);
    let last: Vec<usize> = (1_000_000..1_000_000 + A_PIECE).collect();
    assert_eq!(after[before.len()..], last);
    assert_eq!(server.signal(rustix::process::Signal::TERM).code(), Some(0));
}

/// A function that reads `t` and sends what it lets pass to its own topic.
fn deploy(place: &Place, server: &Server<'_>, name: &str, module: &str) -> crate::support::Ended {
    let manifest = format!(
        "[function]\nname = \"{name}\"\n[[input]]\ntopic = \"t\"\n[[output]]\nname = \"out\"\n\
         topic = \"{name}.out\"\n"
    );
    place.write(&format!("{name}.toml"), manifest);
    server.pelton(&["deploy", &guest(module), "--manifest", &format!("{name}.toml")])
}

#[test]
fn functions_wait_on_a_full_disk_and_a_deployment_there_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let Some(small) = Small::mount(place.path().join("data"), "400m") else { return };
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    deploy(&place, &server, "first", "filter").expect(0);
    server.pelton_with(&["produce", "t"], &large(0)).expect(0);
    assert_eq!(server.values("first.out", 0, A_PIECE).len(), A_PIECE);
    small.fill();
    let refused = deploy(&place, &server, "second", "windowed_count");
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.err.contains("error[E-JOURNAL-"), "{}", refused.err);
    let names = |server: &Server<'_>| -> Vec<String> {
        let listed = server.json(&["ls"]);
        let names = listed.as_array().unwrap().iter().map(|status| status["function"].to_string());
        names.collect()
    };
    assert_eq!(names(&server), ["\"default/first\""]);
    assert_eq!(server.json(&["status", "first"])["state"], "running");
    small.free();
    deploy(&place, &server, "second", "windowed_count").expect(0);
    server.pelton_with(&["produce", "t"], &large(1_000_000)).expect(0);
    assert_eq!(server.values("first.out", 0, 2 * A_PIECE).len(), 2 * A_PIECE);
    assert_eq!(server.json(&["status", "second"])["state"], "running");
    assert_eq!(server.signal(rustix::process::Signal::TERM).code(), Some(0));
}

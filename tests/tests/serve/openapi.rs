//! The API against the document that describes it, by schemathesis: no fault of the server's, no
//! status, media type or body that the document does not name, and the server goes on.
//!
//! Runs only where `PELTON_TEST_SCHEMATHESIS` names the program (`cargo xtask test openapi` sets it).
#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::load::{deploy_filter, records};
use crate::server::Server;
use crate::support::Place;

/// Time for the requests, s.
const SECONDS: &str = "120";
/// What it may hold at the end beyond what it held at the start: its caches and bounds have been
/// filled by then, and nothing grows with the requests.
const GROWN_KIB_MAX: u64 = 128 << 10;
/// What makes a server that is asked to fence itself do so: tried last, by itself.
const CLOSING: [&str; 3] = ["fence", "frames", "promoteReplica"];

/// Resident memory of a process, KiB; 0 where the system does not tell.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn schemathesis(place: &Place, server: &Server<'_>, token: &str, more: &[&str]) -> Command {
    let program = std::env::var_os("PELTON_TEST_SCHEMATHESIS").unwrap_or_default();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    let mut command = Command::new(program);
    command.arg("--config-file").arg(ours.join("schemathesis.toml")).arg("run");
    command.arg(format!("{}/api/v1/openapi.json", server.address));
    command.args(["-H", &format!("Authorization: Bearer {token}"), "--no-color"]).args(more);
    // Its hooks are found there; what it writes down goes to the place.
    command.env("PYTHONPATH", ours).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(place.path());
    command
}

/// Runs it, with what it says in a file: it says a lot.
#[track_caller]
fn passes(place: &Place, mut command: Command) {
    let log = File::create(place.path().join("schemathesis.log")).unwrap();
    let status = command.stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
    let said = place.read("schemathesis.log");
    let start = ["= ERRORS =", "= FAILURES ="].iter().filter_map(|mark| said.find(mark)).min();
    assert!(status.success(), "{status}: {}", &said[start.unwrap_or(0)..]);
}

#[test]
fn the_api_answers_as_its_document_says_whatever_it_is_asked() {
    if std::env::var_os("PELTON_TEST_SCHEMATHESIS").is_none() {
        eprintln!("LEFT OUT: the API by schemathesis: run `cargo xtask test openapi`");
        return;
    }
    let place = Place::new();
    let name = ["token", "create", "of-this-test", "--data-dir", "data"];
    let token = place.pelton(&name).expect(0).out.trim().to_owned();
    let mut server = Server::start(&place);
    server.token = Some(token.clone());
    deploy_filter(&place, &server);
    server.pelton(&["topic", "create", "more"]).expect(0);
    server.pelton_with(&["produce", "all"], &records(0..100)).expect(0);
    let before = resident_kib(server.pid());

    let mut without: Vec<&str> = vec!["--max-time", SECONDS];
    CLOSING.iter().for_each(|name| without.extend(["--exclude-operation-id", name]));
    passes(&place, schemathesis(&place, &server, &token, &without));
    // It was open to changes until the end.
    server.pelton_with(&["produce", "more"], "{\"value\":1}\n").expect(0);
    assert_eq!(server.values("more", 0, 1).len(), 1);
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown <= GROWN_KIB_MAX, "{grown} KiB more than at the start");

    let only: Vec<&str> =
        CLOSING.iter().flat_map(|name| ["--include-operation-id", name]).collect();
    passes(
        &place,
        schemathesis(&place, &server, &token, &[&only[..], &["--max-time", "10"]].concat()),
    );
    server.pelton(&["topic", "ls"]).expect(0);
    assert_eq!(server.signal(rustix::process::Signal::TERM).code(), Some(0));
}

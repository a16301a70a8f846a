//! `pelton tap`: a function watched while it works, is changed.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use serde_json::{Value, json};

use crate::load::{deploy_filter, records};
use crate::server::{Server, ended};
use crate::support::{Place, guest};

/// A tap that watches.
fn tap(server: &Server<'_>, more: &[&str]) -> Child {
    let mut child = server.command(&[&["tap", "long"], more].concat()).spawn().unwrap();
    let mut told = String::new();
    BufReader::with_capacity(1, child.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("watching long"), "{told}");
    child
}

#[test]
fn a_tap_shows_what_goes_in_and_out_over_a_new_version() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_filter(&place, &server);
    let watching = tap(&server, &["--max", "4"]);
    let short = "{\"key\":\"k\",\"value\":\"short\"}\n";
    server.pelton_with(&["produce", "all", "--partition", "1"], short).expect(0);
    server.pelton_with(&["produce", "all", "--partition", "0"], &records(0..1)).expect(0);
    assert_eq!(server.values("long", 0, 1).len(), 1);
    let text = place.read("filter.toml") + "[config]\nx = \"y\"\n";
    place.write("filter.toml", text);
    server.pelton(&["deploy", &guest("filter"), "--manifest", "filter.toml"]).expect(0);
    server.pelton_with(&["produce", "all", "--partition", "1"], short).expect(0);
    // The first commits of the version have ended its trial.
    server.pelton_with(&["produce", "all", "--partition", "0"], &records(1..2)).expect(0);
    let shown = ended(watching).expect(0);
    let pad = "x".repeat(100);
    let lines: Vec<&str> = shown.out.lines().collect();
    for (place, sent) in [("all:0:0", "0"), ("all:0:1", "1")] {
        let at = lines.iter().position(|line| *line == format!("{place} {sent}={sent} {pad}"));
        let next = lines[at.expect(&shown.out) + 1];
        assert_eq!(next, format!("  -> long {sent}={sent} {pad}"));
    }
    assert!(lines.contains(&"all:1:0 k=short") && lines.contains(&"all:1:1 k=short"), "{lines:?}");
    assert!(
        shown.err.contains("version 1\n") && shown.err.contains("version 2\n"),
        "{}",
        shown.err
    );
}

#[test]
fn a_tap_is_json_a_line_and_ends_with_the_function() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["tap", "long"]).expect_error(5, "E-FUNCTION-UNKNOWN");
    deploy_filter(&place, &server);
    let mut watching =
        server.command(&["tap", "long", "--max", "1", "-o", "json"]).spawn().unwrap();
    let mut number = 0;
    while watching.try_wait().unwrap().is_none() {
        server.pelton_with(&["produce", "all"], &records(number..number + 1)).expect(0);
        number += 1;
    }
    let sample: Value = ended(watching).expect(0).json();
    assert_eq!((&sample["version"], &sample["cause"]["kind"]), (&json!(1), &json!("record")));
    assert_eq!(sample["cause"]["topic"], "default/all");
    assert_eq!(sample["sent"][0]["value"], sample["value"]);
    let watching = tap(&server, &[]);
    server.pelton(&["rm", "long", "--yes"]).expect(0);
    ended(watching).expect_error(5, "E-FUNCTION-UNKNOWN");
}

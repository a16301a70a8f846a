//! Versions beside the one that runs: a shadow, and a canary over a `kill -9`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Place;

fn manifest(place: &Place, more: &str) {
    let text = format!(
        "[function]\nname = 'f'\n[[input]]\ntopic = 'in'\n[[output]]\nname = 'out'\ntopic = \
         'out'\n{more}"
    );
    place.write("f.toml", text);
}

/// An example that is built by `cargo xtask guests`.
fn example(name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-examples/target");
    format!("{root}/wasm32-unknown-unknown/release/{name}.wasm")
}

fn deploy(server: &Server<'_>, wasm: &str, more: &[&str]) -> String {
    let module = example(wasm);
    let arguments = [&["deploy", &module, "--manifest", "f.toml"], more].concat();
    server.pelton(&arguments).expect(0).out
}

/// What a command answers once `holds` of it.
#[track_caller]
fn wait_for(server: &Server<'_>, arguments: &[&str], holds: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let answer = server.json(arguments);
        if holds(&answer) {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{answer}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn produce(server: &Server<'_>, records: &str) {
    server.pelton_with(&["produce", "in"], records).expect(0);
}

#[test]
fn a_shadow_is_compared_and_promoted() {
    let place = Place::new();
    let server = Server::start(&place);
    manifest(&place, "");
    server.pelton(&["diff", "f"]).expect_error(5, "E-FUNCTION-UNKNOWN");
    deploy(&server, "running_stats_v1", &[]);
    server.pelton(&["diff", "f"]).expect_error(5, "E-SHADOW-NONE");
    produce(&server, "{\"key\":\"a\",\"value\":1}\n");
    server.values("out", 0, 1);
    let out = deploy(&server, "running_stats", &["--shadow"]);
    assert!(out.starts_with("f version 2 follows version 1 as its shadow"), "{out}");
    wait_for(&server, &["status", "f"], |status| status["shadow"]["state"] == "following");
    produce(&server, "{\"key\":\"a\",\"value\":3}\n");
    let found = wait_for(&server, &["diff", "f"], |found| found["counts"]["compared"] == 1);
    assert_eq!(found["counts"]["different"], 1);
    let difference = &found["differences"][0];
    assert_eq!(difference["cause"]["offset"], 1);
    assert_eq!(difference["fields"][0]["path"], "[0].value.p95");
    let text = server.pelton(&["diff", "f"]).expect(0).out;
    assert!(text.starts_with("in:0:1, key a: differs\n  [0].value.p95: nothing -> "), "{text}");
    assert!(text.contains("compared 1 with version 2: 0 equal, 1 different"), "{text}");
    let listed = server.pelton(&["ls"]).expect(0).out;
    assert!(listed.contains("1 (shadow 2)"), "{listed}");
    assert_eq!(server.pelton(&["consume", "out"]).expect(0).records().len(), 2);
    // After a kill the shadow begins anew.
    server.kill();
    let server = Server::start(&place);
    let shadow = |status: &Value| status["shadow"]["state"] == "following";
    let status = wait_for(&server, &["status", "f"], shadow);
    assert_eq!(status["shadow"]["counts"]["compared"], 0);
    let out = server.pelton(&["promote", "f"]).expect(0).out;
    assert!(out.starts_with("f version 2 went live in place of 1"), "{out}");
    produce(&server, "{\"key\":\"a\",\"value\":5}\n");
    assert_eq!(server.values("out", 2, 1)[0]["count"], 3);
    server.pelton(&["promote", "f"]).expect_error(3, "E-PROMOTE-NONE");
    deploy(&server, "running_stats_v1", &["--shadow"]);
    server.pelton(&["rm", "f", "--shadow"]).expect(0);
    assert_eq!(server.json(&["status", "f"])["shadow"], Value::Null);
}

#[test]
fn a_canary_goes_on_over_kills_and_every_record_counts_once_in_its_order() {
    let place = Place::new();
    let mut server = Server::start(&place);
    manifest(&place, "");
    deploy(&server, "faulty", &[]);
    manifest(&place, "[config]\nv = '2'\n");
    let flags = ["--canary", "30%", "--canary-for", "1h", "--max-latency-ratio", "1000"];
    let out = deploy(&server, "faulty", &flags);
    assert!(out.starts_with("f version 2 gets a share of the keys as a canary"), "{out}");
    let rounds = 4;
    for round in 0..rounds {
        let line =
            |n: usize| format!("{{\"key\":\"k{}\",\"value\":\"{}\"}}\n", n % 50, round * 5_000 + n);
        produce(&server, &(0..5_000).map(line).collect::<String>());
        // In the middle of what it does with them.
        server.kill();
        server = Server::start(&place);
        let canary = &server.json(&["status", "f"])["canary"];
        assert_eq!((&canary["version"], &canary["percent"]), (&json!(2), &json!(30.0)));
    }
    let out = server.values("out", 0, rounds * 5_000);
    for key in 0..50 {
        let numbers = out.iter().map(|value| value.as_u64().unwrap() as usize);
        let own: Vec<usize> = numbers.filter(|number| number % 50 == key).collect();
        assert!(own.iter().copied().eq((key..rounds * 5_000).step_by(50)), "key {key}");
    }
    assert_eq!(server.pelton(&["consume", "out"]).expect(0).records().len(), rounds * 5_000);
    let counted = |status: &Value| status["canary"]["new"]["units"].as_u64() > Some(0);
    produce(
        &server,
        &(0..50).map(|n| format!("{{\"key\":\"k{n}\",\"value\":\"x\"}}\n")).collect::<String>(),
    );
    wait_for(&server, &["status", "f"], counted);
    let text = server.pelton(&["status", "f"]).expect(0).out;
    assert!(text.contains("canary   version 2: 30% of the keys, promoted in"), "{text}");
    let out = server.pelton(&["rollback", "f"]).expect(0).out;
    assert!(out.starts_with("f version 1"), "{out}");
    assert_eq!(server.json(&["status", "f"])["canary"], Value::Null);
    let flags = ["deploy", "x.wasm", "--shadow", "--canary", "10%"];
    assert_eq!(server.pelton(&flags).code, 2);
}

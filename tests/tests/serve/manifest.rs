//! What a manifest says of batches, commits and canaries, on a real server.

use serde_json::json;

use crate::server::Server;
use crate::support::{Place, faulty};

const FUNCTION: &str = "[function]\nname = 'f'\n[[output]]\nname = 'out'\ntopic = 'out'\n";

#[test]
fn batch_limits_and_a_commit_interval_count_and_change_no_result() {
    let place = Place::new();
    let server = Server::start(&place);
    let deploy = |more: &str, flags: &[&str]| {
        place.write("f.toml", format!("{FUNCTION}[[input]]\ntopic = 'in'\n{more}"));
        let file = faulty();
        let all = ["deploy", &file, "--manifest", "f.toml"];
        server.pelton(&all.iter().chain(flags).copied().collect::<Vec<_>>())
    };
    deploy("batch_records = 5\n[delivery]\ncommit_interval = '20ms'\n", &[]).expect(0);
    let records: String =
        (0..20).map(|n| format!("{{\"key\":\"k\",\"value\":\"{n}\"}}\n")).collect();
    server.pelton_with(&["produce", "in"], &records).expect(0);
    let numbers: Vec<_> = (0..20).map(|n| json!(n)).collect();
    assert_eq!(server.values("out", 0, 20), numbers);
    let calls = server.json(&["status", "f"])["calls"].as_u64().unwrap();
    assert!(calls >= 4, "at most 5 records in each: {calls}");
    let shown = deploy("max_wait = '50ms'\n[delivery]\non_poison = 'skip'\n", &["--dry-run"]);
    let shown = shown.expect(0).out;
    assert!(shown.contains("batches: in 5 records -> in wait 50ms"), "{shown}");
    let expected = "delivery: dead letters to default/f.dead, 9 retries, commit interval 20ms -> skip, \
                    9 retries, commit interval 0";
    assert!(shown.contains(expected), "{shown}");
    let wrong = deploy("batch_record = 5\nmax_wait = '2m'\n", &[]).expect_error(3, "E-MANIFEST");
    for part in ["f.toml:8:1", "did you mean `batch_records`?", "f.toml:9:12", "from 0 to 1m"] {
        assert!(wrong.err.contains(part), "{part}: {}", wrong.err);
    }
}

#[test]
fn a_canary_is_as_the_manifest_says_where_no_flag_says_it() {
    let place = Place::new();
    let server = Server::start(&place);
    let write = |more: &str| {
        place.write("f.toml", format!("{FUNCTION}[[input]]\ntopic = 'in'\n{more}"));
    };
    let file = faulty();
    let deploy = ["deploy", &file, "--manifest", "f.toml"];
    write("");
    server.pelton(&deploy).expect(0);
    write("[config]\na = 'b'\n");
    let canary: Vec<_> = deploy.iter().copied().chain(["--canary"]).collect();
    let refused = server.pelton(&canary).expect_error(2, "E-USAGE");
    assert!(refused.err.contains("share = \"10%\" in [canary]"), "{}", refused.err);
    write("[config]\na = 'b'\n[canary]\nshare = '20%'\nmax_faults = 3\nmax_latency_ratio = 1.5\n");
    let flags: Vec<_> = canary.iter().copied().chain(["--max-faults", "4"]).collect();
    server.pelton(&flags).expect(0);
    let canary = &server.json(&["status", "f"])["canary"];
    assert_eq!(
        (&canary["percent"], &canary["max_faults"], &canary["max_latency_ratio"]),
        (&json!(20.0), &json!(4), &json!(1.5))
    );
}

//! `kill -9` in the middle of a replay: the live function neither loses nor repeats anything, and the
//! replay says that it was interrupted, and what to do.

use crate::server::Server;
use crate::support::{Place, faulty};

const RECORDS: usize = 1_500;

/// A function that takes most of a millisecond for a record, and commits every 20.
fn deploy_slow(place: &Place, server: &Server<'_>) {
    place.write(
        "slow.toml",
        "[function]\nname = 'slow'\n[[input]]\ntopic = 'in'\nbatch_records = 20\n\
         [[output]]\nname = 'out'\ntopic = 'out'\n[config]\nslow-rounds = 600000\n",
    );
    server.pelton(&["deploy", &faulty(), "--manifest", "slow.toml"]).expect(0);
}

fn produce(server: &Server<'_>, keys: std::ops::Range<usize>) {
    let lines: String =
        keys.map(|key| format!("{{\"key\":\"k{key}\",\"value\":\"slow\"}}\n")).collect();
    server.pelton_with(&["produce", "in"], &lines).expect(0);
}

/// The keys of a topic's records, in order.
fn keys(server: &Server<'_>, topic: &str) -> Vec<usize> {
    let records = server.pelton(&["consume", topic]).expect(0).records();
    let key = |record: &serde_json::Value| record["key"].as_str().unwrap()[1..].parse().unwrap();
    records.iter().map(key).collect()
}

#[test]
fn a_replay_that_a_kill_interrupts_leaves_the_function_as_it_was_and_says_so() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_slow(&place, &server);
    produce(&server, 0..RECORDS);
    assert_eq!(server.values("out", 0, RECORDS).len(), RECORDS);
    let replay = ["replay", "slow", "--from", "earliest", "--to", "again", "-o", "json"];
    let running = server.command(&replay).spawn().unwrap();
    while server.pelton(&["consume", "again", "--max", "1"]).out.is_empty() {}
    server.kill();
    assert_ne!(running.wait_with_output().unwrap().status.code(), Some(0));

    let server = Server::start(&place);
    let all = server.json(&["replay", "slow", "--ls"]);
    assert_eq!(all[0]["state"], "interrupted", "{all}");
    assert!(all[0]["error"].as_str().unwrap().contains("pelton topic rm again"), "{all}");
    let (live, part) = (keys(&server, "out"), keys(&server, "again"));
    assert_eq!(live, (0..RECORDS).collect::<Vec<_>>());
    assert!(!part.is_empty() && part.len() < RECORDS, "the kill was in the middle: {}", part.len());
    assert_eq!(part, live[..part.len()], "what was replayed is a beginning, each record once");
    produce(&server, RECORDS..RECORDS + 5);
    assert_eq!(server.values("out", 0, RECORDS + 5).len(), RECORDS + 5);

    server.pelton(&["topic", "rm", "again", "--yes"]).expect(0);
    server.pelton(&replay).expect(0);
    assert_eq!(keys(&server, "again"), keys(&server, "out"));
}

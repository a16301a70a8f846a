//! A second site: it follows, survives every kill, takes over, and keeps the old one out.

use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{deploy_filter, numbers, records};
use crate::server::{FREE, Server, ended, up};
use crate::support::{Place, built, guest};

const RECORDS: usize = 20_000;

fn status(server: &Server<'_>) -> Value {
    server.json(&["replica", "status"])
}

/// Waits until `is_so` of what `look` sees.
#[track_caller]
fn until<T: std::fmt::Debug>(look: impl Fn() -> T, is_so: impl Fn(&T) -> bool) -> T {
    for _ in 0..600 {
        let seen = look();
        if is_so(&seen) {
            return seen;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("it never came: {:?}", look());
}

#[track_caller]
fn caught_up(leader: &Server<'_>, replica: &Server<'_>) {
    let commit = status(leader)["commit"].as_u64().unwrap();
    until(|| status(replica), |status| status["commit"].as_u64().unwrap() >= commit);
}

/// Every output of the inputs that are there, once.
#[track_caller]
fn exactly_once(server: &Server<'_>) -> Vec<usize> {
    let inputs = numbers(&server.pelton(&["consume", "all"]).expect(0).records());
    let count = inputs.len().to_string();
    let follow = ["consume", "long", "--follow", "--max", &count];
    assert_eq!(numbers(&server.pelton(&follow).expect(0).records()), inputs);
    let outputs = server.pelton(&["consume", "long"]).expect(0).records();
    assert_eq!(outputs.len(), inputs.len(), "no more came behind them");
    inputs
}

#[test]
fn a_replica_follows_over_kills_takes_over_exactly_once_and_fences_the_old_leader() {
    let (one, two) = (Place::new(), Place::new());
    let leader = Server::start(&one);
    deploy_filter(&one, &leader);
    let address = leader.address.clone();
    let listen = address.strip_prefix("http://").unwrap().to_owned();
    let mut replica = Server::start_with(&two, FREE, &["--follow", &address]);
    one.write("records.jsonl", records(0..RECORDS));
    let producer = leader.command(&["produce", "all", "--input", "records.jsonl"]).spawn().unwrap();
    leader.values("long", 0, 1);
    // Either side dies in the middle of it, again and again.
    let mut leader = leader;
    for round in 0..6 {
        std::thread::park_timeout(Duration::from_millis(100 + 70 * round));
        if round % 2 == 0 {
            replica.kill();
            replica = Server::start_with(&two, FREE, &["--follow", &address]);
        } else {
            leader.kill();
            leader = Server::start_at(&one, &listen);
        }
    }
    ended(producer).expect(0);
    exactly_once(&leader);
    caught_up(&leader, &replica);
    let seen = status(&replica);
    assert_eq!((&seen["role"], &seen["leader"]), (&json!("replica"), &json!(address)), "{seen}");
    let listed = replica.json(&["ls"]);
    assert_eq!((&listed[0]["state"], &listed[0]["error"]), (&json!("replica"), &json!(null)));
    let shown = replica.pelton(&["status", "long"]).expect(0);
    assert!(!shown.err.contains("pelton resume"), "{}", shown.err);
    // Reads are answered, changes are refused and the leader is named.
    let of = |server: &Server<'_>| server.pelton(&["consume", "long"]).expect(0).out;
    assert_eq!(of(&replica), of(&leader), "byte for byte, with offsets");
    assert_eq!(replica.json(&["topic", "ls"]), leader.json(&["topic", "ls"]));
    for change in [
        &["topic", "create", "x"][..],
        &["pause", "long"],
        &["rm", "long", "--yes"],
        &["deploy", &guest("filter"), "--manifest", "filter.toml"],
        &["token", "create", "x"],
    ] {
        two.write("filter.toml", one.read("filter.toml"));
        let refused = replica.pelton(change).expect_error(1, "E-REPLICA-READ-ONLY");
        assert!(refused.err.contains(&address), "{}", refused.err);
    }
    replica.pelton_with(&["produce", "all"], "{\"value\":1}\n").expect(1);
    // The leader is lost in the middle of its work.
    one.write("more.jsonl", records(RECORDS..2 * RECORDS));
    let mut producer =
        leader.command(&["produce", "all", "--input", "more.jsonl"]).spawn().unwrap();
    leader.values("long", 0, RECORDS + 500);
    leader.kill();
    producer.kill().unwrap();
    producer.wait().unwrap();
    let promoted = replica.json(&["replica", "promote"]);
    assert_eq!((&promoted["epoch"], &promoted["functions"]), (&json!(2), &json!(1)), "{promoted}");
    let inputs = exactly_once(&replica);
    assert!(inputs.len() > RECORDS, "some of the second half was shipped: {}", inputs.len());
    assert_eq!(status(&replica)["untold"], json!(address));
    // It goes on as a leader, also after it was killed.
    let new_address = replica.address.clone();
    let new_listen = new_address.strip_prefix("http://").unwrap().to_owned();
    replica.kill();
    let new = Server::start_at(&two, &new_listen);
    new.pelton_with(&["produce", "all"], &records(3 * RECORDS..3 * RECORDS + 100)).expect(0);
    assert_eq!(exactly_once(&new).len(), inputs.len() + 100);
    new.pelton(&["replica", "promote"]).expect_error(3, "E-REPLICA-NONE");
    // The old one comes back, is told, and takes nothing; also after it was started again.
    let old = Server::start_at(&one, &listen);
    until(|| status(&old), |status| status["role"] == "fenced");
    until(|| status(&new), |status| status["untold"].is_null());
    old.kill();
    let old = Server::start_at(&one, &listen);
    let fenced = old.pelton(&["topic", "create", "x"]).expect_error(1, "E-REPLICA-FENCED");
    assert!(fenced.err.contains(&new_address), "{}", fenced.err);
    old.pelton(&["replica", "promote"]).expect_error(1, "E-REPLICA-FENCED");
    // What only it has can be read, is named, and keeps it from following.
    assert!(old.pelton(&["consume", "all"]).expect(0).records().len() >= inputs.len());
    let own = status(&old)["commit"].as_u64().unwrap();
    drop(old);
    let follow = up(&one, FREE, &["--follow", &new_address]).spawn().unwrap();
    if own >= promoted["first_commit"].as_u64().unwrap() {
        let ended = ended(follow).expect_error(1, "E-REPLICA-DIVERGED");
        assert!(ended.err.contains(&promoted["first_commit"].to_string()), "{}", ended.err);
    } else {
        let mut follow = follow;
        follow.kill().unwrap();
        follow.wait().unwrap();
    }
    // A new site follows the new leader.
    let three = Place::new();
    let third = Server::start_with(&three, FREE, &["--follow", &new_address]);
    caught_up(&new, &third);
    assert_eq!(of(&third), of(&new));
    assert_eq!(status(&third)["epoch"], 2);
}

#[test]
fn an_old_leader_that_was_shipped_whole_follows_the_new_one() {
    let (one, two) = (Place::new(), Place::new());
    let old = Server::start(&one);
    deploy_filter(&one, &old);
    let address = old.address.clone();
    let new = Server::start_with(&two, FREE, &["--follow", &address]);
    old.pelton_with(&["produce", "all"], &records(0..200)).expect(0);
    exactly_once(&old);
    // In order: nothing is committed once the replica has everything.
    old.pelton(&["pause", "long"]).expect(0);
    caught_up(&old, &new);
    new.pelton(&["replica", "promote"]).expect(0);
    // It is told at once, while it runs.
    until(|| status(&old), |status| status["role"] == "fenced");
    old.pelton_with(&["produce", "all"], "{\"value\":1}\n").expect(1);
    assert!(old.pelton(&["resume", "long"]).err.contains("E-REPLICA-FENCED"));
    drop(old);
    new.pelton(&["resume", "long"]).expect(0);
    new.pelton_with(&["produce", "all"], &records(200..300)).expect(0);
    exactly_once(&new);
    let back = Server::start_with(&one, FREE, &["--follow", &new.address]);
    caught_up(&new, &back);
    let of = |server: &Server<'_>| server.pelton(&["consume", "long"]).expect(0).out;
    assert_eq!(of(&back), of(&new));
    // And takes over again.
    new.kill();
    back.pelton(&["replica", "promote"]).expect(0);
    back.pelton_with(&["produce", "all"], &records(300..310)).expect(0);
    assert_eq!(exactly_once(&back).len(), 310);
    assert_eq!(status(&back)["epoch"], 3);
}

#[test]
fn only_a_copy_of_the_same_journal_follows() {
    let (one, two) = (Place::new(), Place::new());
    let (leader, other) = (Server::start(&one), Server::start(&two));
    for server in [&leader, &other] {
        server.pelton(&["topic", "create", "t"]).expect(0);
        server.pelton_with(&["produce", "t"], "{\"value\":1}\n").expect(0);
    }
    let address = leader.address.clone();
    drop(other);
    let ended_with =
        |place: &Place, url: &str| ended(up(place, FREE, &["--follow", url]).spawn().unwrap());
    ended_with(&two, &address).expect_error(1, "E-REPLICA-JOURNAL");
    assert_eq!(Server::start(&two).values("t", 0, 1), [json!(1)], "it was left as it was");
    // Nobody there, and nothing to go on from.
    let three = Place::new();
    ended_with(&three, "http://127.0.0.1:1").expect_error(1, "E-REPLICA-LEADER");
    ended_with(&three, "what is this").expect(3);
    // A replica is no leader.
    let replica = Server::start_with(&three, FREE, &["--follow", &address]);
    let four = Place::new();
    let refused = ended_with(&four, &replica.address).expect_error(1, "E-REPLICA-READ-ONLY");
    assert!(refused.err.contains(&address), "{}", refused.err);
}

#[test]
fn a_replica_without_its_leader_answers_reads_and_says_how_long() {
    let (one, two) = (Place::new(), Place::new());
    let leader = Server::start(&one);
    leader.pelton(&["token", "create", "site"]).expect(0);
    drop(leader);
    let token = ["token", "create", "other", "--data-dir", "data"];
    let token = ended(one.command(&token).spawn().unwrap()).expect(0).out.trim().to_owned();
    let leader = Server::start(&one);
    let with = |server: &Server<'_>, arguments: &[&str]| {
        server.pelton(&[arguments, &["--token", &token]].concat())
    };
    with(&leader, &["topic", "create", "t"]).expect(0);
    let no_token = up(&two, FREE, &["--follow", &leader.address]).spawn().unwrap();
    ended(no_token).expect_error(1, "E-REPLICA-LEADER");
    let address = leader.address.clone();
    let follow = ["--follow", &address, "--follow-token", &token];
    let replica = Server::start_with(&two, FREE, &follow);
    let seen = || with(&replica, &["replica", "status", "-o", "json"]).expect(0).json();
    until(seen, |status| status["connected"] == true);
    with(&replica, &["topic", "ls"]).expect(0);
    replica.pelton(&["topic", "ls"]).expect_error(3, "E-AUTH-MISSING");
    // A token that is made meanwhile is good at both.
    let new = with(&leader, &["token", "create", "late"]).expect(0).out.trim().to_owned();
    until(|| replica.pelton(&["topic", "ls", "--token", &new]).code, |code| *code == 0);
    let followers = with(&leader, &["replica", "status", "-o", "json"]).expect(0).json();
    assert_eq!(followers["followers"].as_array().unwrap().len(), 1, "{followers}");
    leader.kill();
    let alone = until(seen, |status| status["connected"] == false);
    assert!(alone["error"].as_str().unwrap().contains("does not answer"), "{alone}");
    let later = until(seen, |status| status["lag"]["ms"].as_u64().unwrap() > 500);
    assert_eq!(later["lag"]["commits"], 0);
    with(&replica, &["topic", "ls"]).expect(0);
    // Also after it was started again.
    replica.kill();
    let replica = Server::start_with(&two, FREE, &follow);
    with(&replica, &["topic", "ls"]).expect(0);
}

#[test]
fn state_is_looked_at_on_a_replica_and_is_what_was_shipped() {
    let (one, two) = (Place::new(), Place::new());
    let leader = Server::start(&one);
    one.write(
        "stats.toml",
        "[function]\nname = \"stats\"\n[[input]]\ntopic = \"in\"\npartitions = 3\n",
    );
    let deploy = ["deploy", &built("running_stats"), "--manifest", "stats.toml"];
    leader.pelton(&deploy).expect(0);
    let replica = Server::start_with(&two, FREE, &["--follow", &leader.address]);
    let rows: String =
        (0..60).map(|n| format!("{{\"key\":\"k{}\",\"value\":{n}}}\n", n % 20)).collect();
    leader.pelton_with(&["produce", "in"], &rows).expect(0);
    leader.values("out", 0, 60);
    caught_up(&leader, &replica);
    let list = ["state", "ls", "stats", "stats", "--prefix", "k1"];
    let found = replica.json(&list);
    assert_eq!(found.as_array().unwrap().len(), 11, "k1 and k10 to k19: {found}");
    assert_eq!(found, leader.json(&list));
    let get = ["state", "get", "stats", "stats", "k7"];
    assert_eq!(replica.pelton(&get).expect(0).out, leader.pelton(&get).expect(0).out);
    replica.pelton(&["state", "get", "stats", "stats", "none"]).expect_error(5, "E-KEY-NOT-FOUND");
    replica.pelton(&["state", "ls", "stats", "nothing"]).expect_error(5, "E-STORE-UNKNOWN");
    // It moves on with what is shipped, and does not need the leader.
    leader.pelton_with(&["produce", "in"], "{\"key\":\"k7\",\"value\":1000}\n").expect(0);
    leader.values("out", 0, 61);
    caught_up(&leader, &replica);
    let now = leader.pelton(&get).expect(0).out;
    leader.kill();
    assert_eq!(replica.pelton(&get).expect(0).out, now);
}

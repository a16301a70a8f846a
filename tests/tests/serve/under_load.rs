//! Changes by several clients at once, and deleting what is in use, while records come in.

use std::io::Write as _;
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::load::{deploy_filter, numbers, records};
use crate::server::{Server, ended};
use crate::support::{Ended, Place, guest};

const RECORDS: usize = 20_000;
const A_PIECE: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Produces all records to `all`, in so many requests that something can be done meanwhile.
fn produce(server: &Server<'_>) -> JoinHandle<Ended> {
    let mut child = server.command(&["produce", "all", "-o", "json"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::spawn(move || {
        for first in (0..RECORDS).step_by(A_PIECE) {
            // A producer that has ended reads no more.
            if stdin.write_all(records(first..first + A_PIECE).as_bytes()).is_err() {
                break;
            }
            std::thread::park_timeout(PAUSE);
        }
        drop(stdin);
        ended(child)
    })
}

/// All of them have come through once.
#[track_caller]
fn all_came_through_once(server: &Server<'_>) {
    let max = RECORDS.to_string();
    let out = server.pelton(&["consume", "long", "--follow", "--max", &max]).expect(0).records();
    assert_eq!(numbers(&out), (0..RECORDS).collect::<Vec<_>>());
    assert_eq!(server.pelton(&["consume", "long"]).expect(0).records().len(), RECORDS);
}

fn deploy<'a>(place: &Place, server: &Server<'a>, client: usize, round: usize) -> Child {
    let name = format!("client-{client}.toml");
    place.write(
        &name,
        format!(
            "[function]\nname = 'long'\n[[input]]\ntopic = 'all'\npartitions = 2\n\
             [[output]]\nname = 'out'\ntopic = 'long'\n[config]\nby = '{client}-{round}'\n"
        ),
    );
    server.command(&["deploy", &guest("filter"), "--manifest", &name]).spawn().unwrap()
}

#[test]
fn two_clients_that_deploy_one_function_at_once_take_turns_or_are_told_so() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_filter(&place, &server);
    let producer = produce(&server);
    let mut live = 0;
    for round in 0..8 {
        let both: Vec<Child> =
            (0..2).map(|client| deploy(&place, &server, client, round)).collect();
        for Ended { code, err, .. } in both.into_iter().map(ended) {
            match code {
                0 => live += 1,
                _ => assert!(err.contains("error[E-FUNCTION-BUSY]: "), "{code}: {err}"),
            }
        }
    }
    assert!(live >= 8, "one of two is never refused: {live}");
    producer.join().unwrap().expect(0);
    all_came_through_once(&server);
    let status = server.json(&["status", "long"]);
    assert_eq!((&status["state"], &status["version"]), (&json!("running"), &json!(live + 1)));
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_swaps_loses_repeats_and_reorders_nothing() {
    let place = Place::new();
    let mut server = Server::start(&place);
    let listen = server.address.strip_prefix("http://").unwrap().to_owned();
    deploy_filter(&place, &server);
    let producer = produce(&server);
    assert_eq!(server.values("long", 0, A_PIECE).len(), A_PIECE, "it is under way");
    for round in 0..8 {
        let deploying = deploy(&place, &server, 0, round);
        std::thread::park_timeout(Duration::from_millis(20 * round as u64));
        server.kill();
        server = Server::start_at(&place, &listen);
        // It was answered, or not: whoever deploys again is told what there is.
        ended(deploying);
    }
    deploy(&place, &server, 0, 8).wait().unwrap();
    producer.join().unwrap().expect(0);
    all_came_through_once(&server);
    let status = server.json(&["status", "long"]);
    assert_eq!(
        (&status["state"], &status["before"]),
        (&json!("running"), &json!(null)),
        "{status}"
    );
}

#[test]
fn a_function_that_is_removed_under_load_goes_on_with_its_state_when_it_is_deployed_again() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_filter(&place, &server);
    let producer = produce(&server);
    for _ in 0..5 {
        server.pelton(&["rm", "long", "--keep-state"]).expect(0);
        server.pelton(&["status", "long"]).expect_error(5, "E-FUNCTION-UNKNOWN");
        deploy_filter(&place, &server);
    }
    producer.join().unwrap().expect(0);
    all_came_through_once(&server);
}

#[test]
fn a_topic_that_is_removed_under_load_is_gone_for_its_clients_and_nobody_else() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "all", "--partitions", "2"]).expect(0);
    server.pelton(&["topic", "create", "other"]).expect(0);
    server.pelton_with(&["produce", "other"], "{\"value\":1}\n").expect(0);
    let producer = produce(&server);
    let mut reader = server.command(&["consume", "all", "--follow", "-o", "json"]).spawn().unwrap();
    // Both are at work.
    assert_eq!(server.values("all", 0, 300).len(), 300);
    drop(reader.stdin.take());
    let reading = std::thread::spawn(move || ended(reader));
    server.pelton(&["topic", "rm", "all", "--yes"]).expect(0);
    let produced = producer.join().unwrap();
    assert_eq!(produced.code, 5, "{}", produced.err);
    assert!(produced.err.contains("E-TOPIC-UNKNOWN"), "{}", produced.err);
    let read = reading.join().unwrap();
    assert_eq!(read.code, 5, "{}", read.err);
    assert!(read.err.contains("E-TOPIC-UNKNOWN"), "{}", read.err);

    assert_eq!(server.values("other", 0, 1), [json!(1)]);
    // A topic of the same name is another one.
    server.pelton(&["topic", "create", "all"]).expect(0);
    assert!(server.pelton(&["consume", "all"]).expect(0).records().is_empty());
    server.pelton_with(&["produce", "all"], "{\"value\":2}\n").expect(0);
    assert_eq!(server.values("all", 0, 1), [json!(2)]);
}

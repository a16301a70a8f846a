//! How a server ends: what was under way is finished, and nothing is done twice.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::load::{deploy_faulty, deploy_filter, numbers, records};
use crate::server::{Server, ended};
use crate::support::Place;

const RECORDS: usize = 20_000;

/// The numbers of all records that came through, sorted.
fn came_through(server: &Server<'_>) -> Vec<usize> {
    let max = RECORDS.to_string();
    let out = server.pelton(&["consume", "long", "--follow", "--max", &max]).expect(0).records();
    numbers(&out)
}

#[test]
fn sigterm_ends_in_order_under_load_and_nothing_is_done_twice() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_filter(&place, &server);
    let half = RECORDS / 2;
    server.pelton_with(&["produce", "all"], &records(0..half)).expect(0);
    // Whatever the function has not done of it yet is done by the next server.
    assert_eq!(server.signal(Signal::TERM).code(), Some(0));
    assert!(place.read("server.log").is_empty(), "{}", place.read("server.log"));
    let server = Server::start(&place);
    server.pelton_with(&["produce", "all"], &records(half..RECORDS)).expect(0);
    assert_eq!(came_through(&server), (0..RECORDS).collect::<Vec<_>>());
    let consumed = server.pelton(&["consume", "long"]).expect(0).records().len();
    assert_eq!(consumed, RECORDS, "no more came behind them");
    assert_eq!(server.signal(Signal::INT).code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    let server = Server::start(&place);
    let address = server.address.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    // A request whose body does not come: the first signal waits for it.
    let head = "POST /api/v1/tenants/default/topics HTTP/1.1\r\nhost: 127.0.0.1\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).unwrap();
    // Answered on another connection: the server has read the first one by then, or soon.
    server.json(&["ls"]);
    kill_process(Pid::from_raw(server.pid().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(server.signal(Signal::INT).code(), Some(130));
}

#[test]
fn logs_are_followed() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_faulty(&place, &server);
    let mut logs = server.command(&["logs", "faulty", "-f", "-o", "json"]).spawn().unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        server.pelton_with(&["produce", "in"], "{\"value\":\"panic\"}\n").expect(0);
        let line: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert!(line["message"].as_str().unwrap().contains("panicked"), "{line}");
    }
    // It goes on with the next server, and shows nothing again.
    let address = server.address.strip_prefix("http://").unwrap().to_owned();
    assert_eq!(server.signal(Signal::TERM).code(), Some(0));
    let server = Server::start_at(&place, &address);
    server.pelton_with(&["produce", "in"], "{\"value\":\"panic\"}\n").expect(0);
    assert!(lines.next().unwrap().unwrap().contains("panicked"));
    logs.kill().unwrap();
    let told = ended(logs).err;
    assert_eq!(told.matches("; waiting").count(), 1, "{told}");
}

#[test]
fn a_producer_goes_on_over_a_kill_and_every_record_counts_once() {
    let place = Place::new();
    let first = Server::start(&place);
    deploy_filter(&place, &first);
    let address = first.address.strip_prefix("http://").unwrap().to_owned();
    place.write("records.jsonl", records(0..RECORDS));
    let produce = ["produce", "all", "--input", "records.jsonl", "-o", "json"];
    let producer = first.command(&produce).spawn().unwrap();
    // Some requests have been answered once there is output.
    assert_eq!(first.values("long", 0, 1).len(), 1);
    first.kill();
    // On the same port: the producer asks there again.
    let second = Server::start_at(&place, &address);
    let sent = crate::server::ended(producer).expect(0).json();
    assert_eq!(sent["records"], json!(RECORDS));
    assert_eq!(came_through(&second), (0..RECORDS).collect::<Vec<_>>());
    assert_eq!(second.pelton(&["consume", "long"]).expect(0).records().len(), RECORDS);
}

#[test]
fn a_group_goes_on_where_it_stood_before_a_kill() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    server
        .pelton_with(&["produce", "t"], "{\"value\":1}\n{\"value\":2}\n{\"value\":3}\n")
        .expect(0);
    let consume = ["consume", "t", "--group", "g", "--max", "2"];
    let values = |server: &Server<'_>| {
        let records = server.pelton(&consume).expect(0).records();
        records.iter().map(|record| record["value"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(values(&server), [1, 2]);
    server.kill();
    let server = Server::start(&place);
    assert_eq!(values(&server), [3]);
    assert!(values(&server).is_empty());
}

//! What a server tells of its functions: the command line, `/metrics`, the graph, the history.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::deploy_faulty;
use crate::server::Server;
use crate::support::{Place, faulty};

/// Samples are taken every 5 s.
const PATIENCE: usize = 200;
const PAUSE: Duration = Duration::from_millis(100);

fn get(server: &Server<'_>, path: &str) -> String {
    let host = server.address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    body.to_owned()
}

fn json_of(server: &Server<'_>, path: &str) -> Value {
    let body = get(server, path);
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"))
}

fn sum(list: &Value) -> u64 {
    list.as_array().unwrap().iter().filter_map(Value::as_u64).sum()
}

#[test]
fn a_function_s_figures_are_the_same_everywhere() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_faulty(&place, &server);
    let records = "{\"value\":\"fine\"}\n{\"value\":\"reject\"}\n{\"value\":\"trap\"}\n";
    server.pelton_with(&["produce", "in"], records).expect(0);
    assert_eq!(server.values("faulty.dead", 0, 2), ["reject", "trap"]);

    let history = "/api/v1/tenants/default/functions/faulty/history";
    let past = (0..PATIENCE).find_map(|_| {
        let past = json_of(&server, history);
        std::thread::park_timeout(PAUSE);
        (sum(&past["records_in"]) > 0).then_some(past)
    });
    let past = past.unwrap();
    let status = server.json(&["status", "faulty"]);
    assert_eq!((sum(&past["records_in"]), sum(&past["poison"])), (3, 2));
    assert_eq!(status["records_in"], 3);
    for name in ["faults", "calls"] {
        assert_eq!(sum(&past[name]), status[name].as_u64().unwrap(), "{name}");
    }
    assert_eq!((&status["dead_letter_count"], &status["retries"]), (&json!(2), &json!(0)));
    assert!(status["p50_us"].as_u64() <= status["p99_us"].as_u64(), "{status}");
    assert!(status["p50_us"].as_u64().unwrap() > 0 && status["cpu_us"].as_u64().unwrap() > 0);
    assert!(status["recent"]["records_in_rate"].is_number(), "{status}");

    let graph = json_of(&server, "/api/v1/tenants/default/graph");
    let function = &graph["functions"][0];
    assert_eq!(
        (&function["function"], &function["state"]),
        (&json!("default/faulty"), &json!("running"))
    );
    assert_eq!((&function["records_in"], &function["lag"]), (&json!(3), &json!(0)));
    let topics: Vec<_> = graph["topics"].as_array().unwrap().iter().map(|t| &t["topic"]).collect();
    assert_eq!(topics, ["default/faulty.dead", "default/fine", "default/in"]);

    let metrics = get(&server, "/metrics");
    for line in [
        "pelton_function_records_in_total{tenant=\"default\",function=\"faulty\"} 3",
        "pelton_function_dead_letters_total{tenant=\"default\",function=\"faulty\"} 2",
        "pelton_function_lag{tenant=\"default\",function=\"faulty\"} 0",
        "pelton_function_unmigrated{tenant=\"default\",function=\"faulty\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    let count =
        "pelton_function_call_duration_seconds_count{tenant=\"default\",function=\"faulty\"}";
    assert!(metrics.contains(count), "{metrics}");
    assert!(metrics.contains("le=\"+Inf\""), "{metrics}");

    let shown = server.pelton(&["status", "faulty"]).expect(0).out;
    assert!(shown.contains("at the 99th percentile"), "{shown}");
    let listed = server.pelton(&["ls"]).expect(0).out;
    assert!(listed.lines().next().unwrap().contains("p99"), "{listed}");
}

#[test]
fn what_waits_for_a_function_is_its_lag_and_is_gone_once_it_has_caught_up() {
    let place = Place::new();
    let server = Server::start(&place);
    place.write(
        "f.toml",
        "[function]\nname = 'f'\n[[input]]\ntopic = 'in'\npartitions = 2\n\
        [[output]]\nname = 'out'\ntopic = 'fine'\n[config]\nmode = 'retry'\n\
        [delivery]\nretries = 1000\n",
    );
    server.pelton(&["deploy", &faulty(), "--manifest", "f.toml", "--wait", "100ms"]).expect(0);
    server.pelton_with(&["produce", "in"], "{\"value\":1}\n{\"value\":2}\n").expect(0);
    let graph = || json_of(&server, "/api/v1/tenants/default/graph")["functions"][0].clone();
    assert_eq!(graph()["lag"], 2);
    let waits = (0..PATIENCE).find_map(|_| {
        std::thread::park_timeout(PAUSE);
        let retries = server.json(&["status", "f"])["retries"].as_u64().unwrap();
        (retries > 0).then_some(retries)
    });
    assert!(waits.is_some());
    place.write("f.toml", place.read("f.toml").replace("'retry'", "'fine'"));
    server.pelton(&["deploy", &faulty(), "--manifest", "f.toml"]).expect(0);
    assert_eq!(server.values("fine", 0, 2).len(), 2);
    assert_eq!(graph()["lag"], 0);
}

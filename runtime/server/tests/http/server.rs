use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pelton_server::functions::Functions;
use pelton_server::{Action, Hooks, Point};

use crate::support::{Client, RECORDS, Rig, TOPICS, values};

#[test]
fn health_readiness_and_metrics_tell_how_the_server_is() {
    let rig = Rig::start();
    assert_eq!(rig.get("/healthz").expect(200)["status"], "ok");
    assert_eq!(rig.get("/readyz").expect(200)["status"], "ok");
    rig.topic(1);
    rig.produce(r#"{"value":"a"},{"value":"b"}"#);
    rig.get(RECORDS).expect(200);
    rig.get("/nowhere").refused(404, "E-HTTP-ROUTE");
    let metrics = rig.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = metrics.text();
    for line in [
        "pelton_http_records_produced_total 2",
        "pelton_http_records_consumed_total 2",
        "pelton_journal_healthy 1",
        r#"pelton_topic_records_total{tenant="default",topic="t"} 2"#,
        r#"pelton_http_requests_total{method="GET",route="/healthz",status="200"} 1"#,
        r#"pelton_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"pelton_http_requests_total{method="POST",route="/api/v1/tenants/{tenant}/topics/{topic}/records",status="200"} 1"#,
        "# TYPE pelton_http_request_duration_seconds histogram",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
    }
}

#[test]
fn a_journal_that_has_stopped_is_neither_healthy_nor_ready() {
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let hooks = {
        let stop = Arc::clone(&stop);
        Hooks::new(move |point| match point {
            Point::AppendBefore if stop.load(std::sync::atomic::Ordering::SeqCst) => Action::Stop,
            _ => Action::Continue,
        })
    };
    let rig = Rig::with_hooks(hooks, |_| {});
    rig.topic(1);
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    rig.post(RECORDS, r#"{"records":[{}]}"#).refused(503, "E-JOURNAL-POISONED");
    rig.get("/healthz").refused(503, "E-JOURNAL-POISONED");
    rig.get("/readyz").refused(503, "E-JOURNAL-POISONED");
    rig.get(RECORDS).refused(503, "E-JOURNAL-POISONED");
}

#[test]
fn a_shutdown_ends_what_waits_and_answers_what_runs() {
    let mut rig = Rig::start();
    rig.topic(1);
    let mut poll = rig.connect();
    poll.ask("GET", &format!("{RECORDS}?from=latest&wait_ms=30000"), &[], b"");
    let mut half = rig.connect();
    let body = r#"{"records":[{"value":"late"}]}"#;
    let head = format!(
        "POST {RECORDS} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        rig.address(),
        body.len()
    );
    half.write(head.as_bytes());
    half.write(&body.as_bytes()[..5]);
    let mut idle = rig.connect();
    idle.send("GET", "/healthz", &[], b"").expect(200);
    // All of them have arrived once the server counts them.
    while !rig.get("/metrics").text().contains("\npelton_http_connections 4\n") {
        std::thread::yield_now();
    }
    let address = rig.address();
    let server = rig.server.take().unwrap();
    let stopping = std::thread::spawn(move || server.shutdown());
    let answer = poll.answer().expect(200);
    assert!(answer["cursor"].as_str().unwrap().starts_with("0:0@"), "{answer}");
    idle.closed();
    half.write(&body.as_bytes()[5..]);
    let answer = half.answer();
    answer.expect(200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(stopping.join().unwrap(), "everything finished in time");
    assert!(std::net::TcpStream::connect(address).is_err());
    let read: Vec<_> =
        rig.node.read(&pelton_core::TopicName::parse("default/t").unwrap(), 0).collect();
    assert_eq!(read.len(), 1);
}

#[test]
fn a_shutdown_does_not_wait_for_good() {
    let mut rig = Rig::with(|config| config.drain_timeout = Duration::from_millis(100));
    rig.topic(1);
    let mut slow = rig.connect();
    let head = format!(
        "POST {RECORDS} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{",
        rig.address()
    );
    slow.write(head.as_bytes());
    while !rig.get("/metrics").text().contains("\npelton_http_connections 2\n") {
        std::thread::yield_now();
    }
    assert!(!rig.server.take().unwrap().shutdown(), "a request was cut off");
    slow.closed();
}

#[test]
fn the_openapi_document_is_the_one_in_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let now = pelton_server::http::openapi();
    if std::env::var_os("PELTON_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == now,
        "docs/openapi.json is not what the routes say; write it anew with\n\
         PELTON_WRITE_OPENAPI=1 cargo test --release -p pelton-server --test http openapi\n\
         and look at what changed"
    );
}

#[test]
fn the_openapi_document_is_served_and_names_every_error() {
    let rig = Rig::start();
    let document = rig.get("/api/v1/openapi.json").expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    let mut ids: Vec<&str> = operations.map(|one| one["operationId"].as_str().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "every operation has a name of its own");
    assert!(document["components"]["schemas"]["ErrorBody"].is_object());
}

#[test]
fn a_second_server_may_serve_the_same_node() {
    let rig = Rig::start();
    rig.topic(1);
    rig.produce(r#"{"value":"a"}"#);
    let config = pelton_server::http::HttpConfig::loopback(0);
    let second =
        pelton_server::http::Server::bind(Functions::new(Arc::clone(&rig.node)), config).unwrap();
    let mut client = Client::connect(second.address());
    assert_eq!(values(&client.send("GET", RECORDS, &[], b"").expect(200)), ["a"]);
    drop(rig.get(TOPICS));
}

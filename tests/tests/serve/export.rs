//! Metrics of a real server on their way to a collector.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::load::{deploy_filter, records};
use crate::otlp_receiver::{Field, Receiver, fields, only, text};
use crate::server::{FREE, Server, up};
use crate::support::Place;

/// The metrics of a request, by name and what they hold.
fn metrics(request: &[u8]) -> Vec<(String, Vec<u8>)> {
    let scoped = fields(&only(&fields(&only(&fields(request), 1)), 2));
    let all = scoped.into_iter().filter(|(field, _)| *field == 2);
    let named = all.map(|(_, metric)| {
        let parts = fields(&metric.bytes());
        let (_, data) = parts.iter().find(|(field, _)| *field >= 5).unwrap();
        (text(&parts, 1), data.bytes())
    });
    named.collect()
}

/// The whole number of the first point of a metric.
fn value(metrics: &[(String, Vec<u8>)], name: &str) -> Option<u64> {
    let (_, data) = metrics.iter().find(|(found, _)| found == name)?;
    let point = fields(&only_first(data));
    point.iter().find(|(field, _)| *field == 6).map(|(_, value)| value.number())
}

fn only_first(data: &[u8]) -> Vec<u8> {
    let point = fields(data).into_iter().find(|(field, _)| *field == 1);
    point.map(|(_, point): (u64, Field)| point.bytes()).unwrap()
}

/// What `/metrics` names that has figures.
fn exposed(server: &Server<'_>) -> BTreeSet<String> {
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let lines: Vec<&str> = answer.lines().collect();
    let types = lines.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let has_figures = |name: &&str| lines.iter().any(|line| line.starts_with(name));
    types.filter(has_figures).map(str::to_owned).collect()
}

#[test]
fn a_collector_gets_what_metrics_says_under_the_same_names_and_a_last_word() {
    let place = Place::new();
    let receiver = Receiver::start();
    let mut command = up(&place, FREE, &["--otlp-endpoint", &receiver.url()]);
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "100").env("OTEL_SERVICE_NAME", "of-a-test");
    let server = Server::start_by(&place, command, Stdio::inherit());
    deploy_filter(&place, &server);
    server.pelton_with(&["produce", "all"], &records(0..500)).expect(0);
    assert_eq!(server.values("long", 0, 500).len(), 500);
    let done = |request: &[u8]| value(&metrics(request), "pelton_function_records_in") == Some(500);
    let request = loop {
        let (_, request) = receiver.answer("200 OK");
        if done(&request) {
            break request;
        }
    };
    let sent: BTreeSet<String> = metrics(&request).into_iter().map(|(name, _)| name).collect();
    assert_eq!(sent, exposed(&server));

    let ended = std::thread::spawn(move || {
        let mut last = Vec::new();
        while let Some((_, request)) = receiver.answer_within_a_second("200 OK") {
            last = request;
        }
        last
    });
    server.pelton_with(&["produce", "all"], &records(500..501)).expect(0);
    assert_eq!(server.signal(Signal::TERM).code(), Some(0));
    let last = metrics(&ended.join().unwrap());
    assert_eq!(value(&last, "pelton_http_records_produced"), Some(501));
}

//! What a collector is sent, by a receiver that takes the wire format apart on its own.
#![allow(clippy::unwrap_used, reason = "a test")]

mod receiver;

use pelton_otel::{Exporter, Reading, Settings};
use receiver::{Field, Receiver, fields, only, text};

const TEXT: &str = "\
# HELP pelton_http_requests Requests that were answered.
# TYPE pelton_http_requests counter
pelton_http_requests_total{method=\"GET\",status=\"200\"} 7
pelton_http_requests_total{method=\"PUT\",status=\"404\"} 18446744073709551615
# HELP pelton_lag Records that wait.
# TYPE pelton_lag gauge
pelton_lag -2
# HELP pelton_took_seconds Time.
# TYPE pelton_took_seconds histogram
# UNIT pelton_took_seconds seconds
pelton_took_seconds_sum{f=\"a\"} 1.5
pelton_took_seconds_count{f=\"a\"} 6
pelton_took_seconds_bucket{le=\"0.5\",f=\"a\"} 2
pelton_took_seconds_bucket{le=\"2.5\",f=\"a\"} 5
pelton_took_seconds_bucket{le=\"+Inf\",f=\"a\"} 6
pelton_took_seconds_sum{f=\"b\"} 0.0
pelton_took_seconds_count{f=\"b\"} 0
pelton_took_seconds_bucket{le=\"+Inf\",f=\"b\"} 0
# HELP pelton_nothing Has no series.
# TYPE pelton_nothing gauge
# EOF
";

fn settings(url: &str, more: &[(&str, &str)]) -> Settings {
    let variable = |name: &str| {
        let found = more.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::read(Some(url), variable).unwrap().unwrap()
}

/// The metrics of a request, by name: kind (the field that holds the data), data.
fn metrics(request: &[u8]) -> Vec<(String, u64, Vec<u8>)> {
    let of_resource = only(&fields(request), 1);
    let scoped = only(&fields(&of_resource), 2);
    let all = fields(&scoped).into_iter().filter(|(field, _)| *field == 2);
    all.map(|(_, metric)| {
        let parts = fields(&metric.bytes());
        let (kind, data) = parts.iter().find(|(field, _)| *field >= 5).unwrap();
        (text(&parts, 1), *kind, data.bytes())
    })
    .collect()
}

fn points(data: &[u8]) -> Vec<Vec<(u64, Field)>> {
    let all = fields(data).into_iter().filter(|(field, _)| *field == 1);
    all.map(|(_, point)| fields(&point.bytes())).collect()
}

fn attributes(point: &[(u64, Field)], at: u64) -> Vec<String> {
    let all = point.iter().filter(|(field, _)| *field == at);
    all.map(|(_, pair)| {
        let pair = fields(&pair.bytes());
        format!("{}={}", text(&pair, 1), text(&fields(&only(&pair, 2)), 1))
    })
    .collect()
}

fn fixed(point: &[(u64, Field)], at: u64) -> u64 {
    point.iter().find(|(field, _)| *field == at).map(|(_, value)| value.number()).unwrap()
}

#[test]
fn counters_gauges_and_histograms_arrive_as_what_they_are() {
    let settings = settings("http://c", &[("OTEL_RESOURCE_ATTRIBUTES", "zone=1")]);
    let request = pelton_otel::export_request(&settings, TEXT, 1_000, 5_000);
    let resource = fields(&only(&fields(&only(&fields(&request), 1)), 1));
    let said = attributes(&resource, 1);
    assert_eq!((&*said[0], &*said[2]), ("service.name=pelton", "zone=1"));

    let all = metrics(&request);
    let named: Vec<_> = all.iter().map(|(name, kind, _)| (name.as_str(), *kind)).collect();
    assert_eq!(named, [("pelton_http_requests", 7), ("pelton_lag", 5), ("pelton_took_seconds", 9)]);

    let sum = fields(&all[0].2);
    assert_eq!((fixed(&sum, 2), fixed(&sum, 3)), (2, 1), "cumulative, monotonic");
    let requests = points(&all[0].2);
    assert_eq!(attributes(&requests[0], 7), ["method=GET", "status=200"]);
    assert_eq!((fixed(&requests[0], 2), fixed(&requests[0], 3)), (1_000_000_000, 5_000_000_000));
    assert_eq!(fixed(&requests[0], 6), 7);
    // More than a whole number of theirs holds.
    assert_eq!(f64::from_bits(fixed(&requests[1], 4)), 18_446_744_073_709_551_615.0);
    assert_eq!(fixed(&points(&all[1].2)[0], 6).cast_signed(), -2);

    let [a, b] = &points(&all[2].2)[..] else { panic!("two series") };
    assert_eq!((attributes(a, 9), attributes(b, 9)), (vec!["f=a".into()], vec!["f=b".into()]));
    assert_eq!((fixed(a, 4), f64::from_bits(fixed(a, 5))), (6, 1.5));
    let packed = |at| -> Vec<u64> {
        let bytes = only(a, at);
        bytes.chunks(8).map(|eight| u64::from_le_bytes(eight.try_into().unwrap())).collect()
    };
    assert_eq!(packed(6), [2, 3, 1], "what lies in each bucket");
    assert_eq!(packed(7).into_iter().map(f64::from_bits).collect::<Vec<_>>(), [0.5, 2.5]);
}

fn reading() -> Reading {
    Reading { time_ms: 5_000, text: TEXT.into() }
}

#[test]
fn an_exporter_sends_again_and_again_and_once_more_at_its_end() {
    let receiver = Receiver::start();
    let more =
        [("OTEL_METRIC_EXPORT_INTERVAL", "100"), ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k")];
    let exporter = Exporter::start(settings(&receiver.url(), &more), reading).unwrap();
    for _ in 0..2 {
        let (head, body) = receiver.answer("200 OK");
        assert!(head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{head}");
        for line in ["content-type: application/x-protobuf", "api-key: k"] {
            assert!(head.lines().any(|found| found.eq_ignore_ascii_case(line)), "{head}");
        }
        assert_eq!(metrics(&body).len(), 3);
    }
    let ending = std::thread::spawn(move || drop(exporter));
    receiver.answer("200 OK");
    while receiver.answer_within_a_second("200 OK").is_some() {}
    assert!(ending.is_finished(), "nobody asks any more");
}

#[test]
fn a_collector_that_refuses_or_says_nothing_holds_nobody_up() {
    let receiver = Receiver::start();
    let more = [("OTEL_METRIC_EXPORT_INTERVAL", "100"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "100")];
    let exporter = Exporter::start(settings(&receiver.url(), &more), reading).unwrap();
    receiver.answer("503 Service Unavailable");
    // This one is never answered, and the next one comes all the same.
    let silent = receiver.accept();
    receiver.answer("200 OK");
    drop(silent);
    drop(receiver);
    // Nobody listens any more.
    drop(exporter);
}

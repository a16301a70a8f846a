use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, RECORDS, Rig, TOPICS, values};

#[test]
fn connections_are_served_up_to_the_limit_and_one_more_is_told_so() {
    let rig = Rig::with(|config| config.connections_max = 3);
    let mut all: Vec<Client> = (0..3).map(|_| rig.connect()).collect();
    for client in &mut all {
        client.send("GET", "/healthz", &[], b"").expect(200);
    }
    let mut refused = rig.connect();
    let answer = refused.send("GET", "/healthz", &[], b"");
    answer.refused(503, "E-HTTP-CONNECTIONS");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    refused.closed();
    for client in &mut all {
        client.send("GET", "/healthz", &[], b"").expect(200);
    }
    drop(all.pop());
    // Its place is free as soon as the server has seen it leave.
    while rig.connect().send("GET", "/healthz", &[], b"").status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn a_body_is_taken_up_to_the_limit_and_no_further() {
    let rig = Rig::with(|config| config.body_bytes_max = 10_000);
    rig.topic(1);
    let body = |bytes: usize| {
        let frame = r#"{"records":[{"value":""}]}"#.len();
        json!({"records": [{"value": "x".repeat(bytes - frame)}]}).to_string()
    };
    rig.post(RECORDS, &body(10_000)).expect(200);
    rig.post(RECORDS, &body(10_001)).refused(413, "E-HTTP-BODY-SIZE");
    // Announced and never sent.
    let mut client = rig.connect();
    client.write(head(&rig, "content-length: 1073741824").as_bytes());
    client.answer().refused(413, "E-HTTP-BODY-SIZE");
    // In chunks, without a length.
    let mut client = rig.connect();
    client.write(head(&rig, "transfer-encoding: chunked").as_bytes());
    for _ in 0..11 {
        client.write(format!("3e8\r\n{}\r\n", " ".repeat(1_000)).as_bytes());
    }
    client.answer().refused(413, "E-HTTP-BODY-SIZE");
}

fn head(rig: &Rig, length: &str) -> String {
    format!(
        "POST {RECORDS} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{length}\r\n\r\n",
        rig.address()
    )
}

#[test]
fn a_body_in_chunks_is_a_body() {
    let rig = Rig::start();
    rig.topic(1);
    let mut client = rig.connect();
    client.write(head(&rig, "transfer-encoding: chunked").as_bytes());
    for piece in [r#"{"records":"#, r#"[{"value":"#, r#""a"}]}"#] {
        client.write(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
    }
    client.write(b"0\r\n\r\n");
    client.answer().expect(200);
    assert_eq!(values(&rig.get(RECORDS).expect(200)), ["a"]);
}

#[test]
fn the_bodies_of_all_requests_together_are_bounded() {
    let rig = Rig::with(|config| config.bodies_bytes_max = 64 << 10);
    rig.topic(1);
    let mut slow = rig.connect();
    slow.write(head(&rig, "content-length: 60000").as_bytes());
    slow.write(&[b' '; 50_000]);
    let body = json!({"records": [{"value": "x".repeat(30_000)}]}).to_string();
    // Once its bytes have arrived there is no room for another large one.
    while !rig.get("/metrics").text().contains("\npelton_http_body_bytes 50176\n") {
        std::thread::yield_now();
    }
    rig.post(RECORDS, &body).refused(503, "E-HTTP-BUSY");
    rig.produce(r#"{"value":"small"}"#);
    drop(slow);
    while rig.post(RECORDS, &body).status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn a_head_is_taken_up_to_the_limit_and_no_further() {
    let rig = Rig::with(|config| config.head_bytes_max = 4_000);
    let send = |bytes: usize| {
        let start = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nx: ", rig.address());
        let filling = "x".repeat(bytes - start.len() - 4);
        let mut client = rig.connect();
        client.write(format!("{start}{filling}\r\n\r\n").as_bytes());
        client.head().0
    };
    assert_eq!(send(3_999), 200);
    assert_eq!(send(4_001), 431);
}

#[test]
fn a_head_that_does_not_end_ends_the_connection() {
    let rig = Rig::with(|config| config.head_timeout = Duration::from_millis(200));
    let started = Instant::now();
    let mut slow = rig.connect();
    slow.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n");
    let mut idle = rig.connect();
    idle.send("GET", "/healthz", &[], b"").expect(200);
    slow.closed();
    idle.closed();
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_head_that_drips_is_given_no_more_time_than_a_silent_one() {
    let rig = Rig::with(|config| config.head_timeout = Duration::from_millis(300));
    let mut slow = rig.connect();
    slow.write(b"GET /healthz HTTP/1.1\r\n");
    let stream = slow.stream.get_mut();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let started = Instant::now();
    let mut byte = [0];
    loop {
        use std::io::{Read as _, Write as _};
        let _ = stream.write_all(b"x");
        match stream.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        assert!(started.elapsed() < Duration::from_secs(10), "it may drip for good");
    }
}

#[test]
fn a_body_that_does_not_end_is_told_so() {
    let rig = Rig::with(|config| config.body_timeout = Duration::from_millis(200));
    rig.topic(1);
    let mut slow = rig.connect();
    slow.write(head(&rig, "content-length: 100").as_bytes());
    slow.write(b"{");
    slow.answer().refused(408, "E-HTTP-TIMEOUT");
    slow.closed();
}

#[test]
fn a_client_that_leaves_in_the_middle_harms_nobody() {
    let rig = Rig::start();
    rig.topic(1);
    for bytes in [
        head(&rig, "content-length: 100"),
        head(&rig, "transfer-encoding: chunked") + "5\r\n{\"rec",
        format!("GET {RECORDS}?wait_ms=30000&from=latest HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ] {
        rig.connect().write(bytes.as_bytes());
        // Half closed: the request is not whole, or nobody waits for the answer.
        let mut half = rig.connect();
        half.write(bytes.as_bytes());
        half.end_writing();
        half.closed();
    }
    rig.produce(r#"{"value":"still fine"}"#);
    let open = || {
        let text = rig.get("/metrics").text();
        text.lines().any(|line| line == "pelton_http_connections 1")
    };
    while !open() {
        std::thread::yield_now();
    }
}

#[test]
fn a_connection_may_send_so_many_requests_at_once_and_one_more_waits() {
    let rig = Rig::with(|config| config.connection_rate = NonZeroU32::new(5).unwrap());
    let mut client = rig.connect();
    for _ in 0..5 {
        client.send("GET", TOPICS, &[], b"").expect(200);
    }
    let refused = client.send("GET", TOPICS, &[], b"");
    refused.refused(429, "E-HTTP-RATE");
    assert_eq!(refused.header("retry-after"), Some("1"));
    rig.get(TOPICS).expect(200);
}

#[test]
fn a_token_may_send_so_many_requests_at_once_over_all_its_connections() {
    let rig = Rig::with(|config| config.token_rate = NonZeroU32::new(4).unwrap());
    let token = rig.server().tokens().create("a").unwrap();
    let other = rig.server().tokens().create("b").unwrap();
    let get = |token: &str| {
        let value = format!("Bearer {token}");
        rig.connect().send("GET", TOPICS, &[("authorization", &value)], b"")
    };
    for _ in 0..4 {
        get(&token).expect(200);
    }
    get(&token).refused(429, "E-HTTP-RATE");
    get(&other).expect(200);
}

#[test]
fn requests_that_are_sent_ahead_are_answered_in_their_order() {
    let rig = Rig::start();
    rig.topic(1);
    let mut client = rig.connect();
    for n in 0..20 {
        let body = format!(r#"{{"records":[{{"value":{n}}}]}}"#);
        client.ask("POST", RECORDS, &[("content-type", "application/json")], body.as_bytes());
    }
    for n in 0..20 {
        assert_eq!(client.answer().expect(200)["partitions"][0]["offset"], n);
    }
}

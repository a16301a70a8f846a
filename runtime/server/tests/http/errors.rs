use crate::support::{RECORDS, Rig, TOPICS, values};

#[test]
fn every_path_and_method_that_is_not_there_is_told_as_json() {
    let rig = Rig::start();
    for path in
        ["/nothing", "/api", "/api/v2/tenants/default/topics", "/api/v1/tenants/default", "/x%00y"]
    {
        rig.get(path).refused(404, "E-HTTP-ROUTE");
    }
    let wrong = rig.connect().send("PUT", TOPICS, &[], b"");
    wrong.refused(405, "E-HTTP-METHOD");
    let allowed = wrong.header("allow").unwrap();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    rig.connect().send("BREW", TOPICS, &[], b"").refused(405, "E-HTTP-METHOD");
    rig.get("/api/v1/tenants/%ff/topics").refused(400, "E-HTTP-PATH");
    rig.get("/api/v1/tenants/a%2Fb/topics").refused(400, "E-NAME");
}

#[test]
fn a_body_of_another_type_or_none_is_refused() {
    let rig = Rig::start();
    rig.topic(1);
    let send = |headers: &[(&str, &str)]| rig.connect().send("POST", RECORDS, headers, b"{}");
    send(&[]).refused(415, "E-HTTP-TYPE");
    send(&[("content-type", "text/plain")]).refused(415, "E-HTTP-TYPE");
    send(&[("content-type", "application/json"), ("content-encoding", "gzip")])
        .refused(415, "E-HTTP-TYPE");
    send(&[("content-type", "Application/JSON; charset=utf-8")]).refused(400, "E-JSON");
    rig.connect().send("POST", TOPICS, &[], b"{}").refused(415, "E-HTTP-TYPE");
    rig.post(TOPICS, "{").refused(400, "E-JSON");
    rig.post(TOPICS, "\u{feff}{}").refused(400, "E-JSON");
    let deep = "[".repeat(100_000);
    rig.post(TOPICS, &deep).refused(400, "E-JSON");
}

#[test]
fn json_that_is_nested_deeply_is_answered_as_text() {
    let rig = Rig::start();
    rig.topic(1);
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for depth in [64, 65, 5_000] {
        rig.produce(&format!(r#"{{"value":{}}}"#, nested(depth)));
    }
    let read = values(&rig.get(RECORDS).expect(200));
    assert_eq!((&read[0].to_string(), &read[1]), (&nested(64), &nested(65).into()));
    assert_eq!(read[2], nested(5_000));
}

#[test]
fn bytes_that_are_no_http_end_the_connection_and_harm_nobody() {
    let rig = Rig::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: \x01\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: nonsense\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = rig.connect();
        client.write(bytes);
        client.end_writing();
        let said = String::from_utf8_lossy(&client.closed()).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{bytes:?}: {said}");
    }
    rig.get("/healthz").expect(200);
}

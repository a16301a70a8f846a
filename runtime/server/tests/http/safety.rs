use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use pelton_server::Hooks;
use pelton_server::functions::Functions;
use pelton_server::http::{HttpConfig, Server};

use crate::support::{Client, RECORDS, Rig, TOPICS, node_in};

fn anywhere() -> HttpConfig {
    HttpConfig::new(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let node = node_in(directory.path(), Hooks::default());
    let error = Server::bind(Functions::new(Arc::clone(&node)), anywhere()).err().unwrap();
    assert_eq!(error.code, "E-HTTP-OPEN");
    let loopback =
        Server::bind(Functions::new(Arc::clone(&node)), HttpConfig::loopback(0)).unwrap();
    loopback.tokens().create("ops").unwrap();
    let server = Server::bind(Functions::new(node), anywhere()).unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.address().port()));
    Client::connect(address).send("GET", TOPICS, &[], b"").refused(401, "E-AUTH-MISSING");
    Client::connect(address).send("GET", "/healthz", &[], b"").expect(200);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let rig = Rig::start();
    let config = HttpConfig::loopback(rig.address().port());
    let error = Server::bind(Functions::new(Arc::clone(&rig.node)), config).err().unwrap();
    assert_eq!(error.code, "E-HTTP-ADDRESS");
}

#[test]
fn once_there_is_a_token_every_request_needs_one() {
    let rig = Rig::start();
    let token = rig.server().tokens().create("ops").unwrap();
    assert!(token.starts_with("pelton_") && token.len() == 7 + 43, "{token}");
    let get = |path: &str, authorization: Option<&str>| {
        let headers: Vec<_> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        rig.connect().send("GET", path, &headers, b"")
    };
    for path in [TOPICS, "/metrics", "/api/v1/openapi.json", "/nothing"] {
        let refused = get(path, None);
        refused.refused(401, "E-AUTH-MISSING");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    for wrong in ["Bearer x", "Bearer", "Bearer ", "Basic abc"] {
        assert_eq!(get(TOPICS, Some(wrong)).status, 401, "{wrong}");
    }
    let almost = format!("Bearer {}", &token[..token.len() - 1]);
    get(TOPICS, Some(&almost)).refused(401, "E-AUTH-TOKEN");
    get(TOPICS, Some(&format!("Bearer {token}"))).expect(200);
    get(TOPICS, Some(&format!("bearer {token}"))).expect(200);

    let second = rig.server().tokens().create("dev").unwrap();
    assert_eq!(rig.server().tokens().create("dev").unwrap_err().code, "E-TOKEN-EXISTS");
    rig.server().tokens().revoke("ops").unwrap();
    assert_eq!(rig.server().tokens().revoke("ops").unwrap_err().code, "E-TOKEN-NOT-FOUND");
    get(TOPICS, Some(&format!("Bearer {token}"))).refused(401, "E-AUTH-TOKEN");
    get(TOPICS, Some(&format!("Bearer {second}"))).expect(200);

    let rig = rig.restart();
    let names: Vec<String> = rig.server().tokens().list().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["dev"]);
    let get = |token: &str| {
        let value = format!("Bearer {token}");
        rig.connect().send("GET", TOPICS, &[("authorization", &value)], b"")
    };
    get(&second).expect(200);
    get(&token).refused(401, "E-AUTH-TOKEN");
    for (key, value) in rig.node.journal().entries("token/") {
        let value = String::from_utf8_lossy(&value).into_owned();
        assert!(!value.contains(&second[7..]), "{key} keeps the token itself");
    }
}

#[test]
fn revoking_the_last_token_of_an_open_address_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let node = node_in(directory.path(), Hooks::default());
    let loopback =
        Server::bind(Functions::new(Arc::clone(&node)), HttpConfig::loopback(0)).unwrap();
    loopback.tokens().create("ops").unwrap();
    let server = Server::bind(Functions::new(node), anywhere()).unwrap();
    server.tokens().revoke("ops").unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.address().port()));
    Client::connect(address).send("GET", TOPICS, &[], b"").refused(401, "E-AUTH-MISSING");
}

#[test]
fn tokens_are_made_listed_and_revoked_by_requests() {
    let rig = Rig::start();
    let made = rig.post("/api/v1/tokens", r#"{"name":"ops"}"#).expect(201);
    let value = format!("Bearer {}", made["token"].as_str().unwrap());
    rig.get("/api/v1/tokens").refused(401, "E-AUTH-MISSING");
    let send = |method: &str, path: &str, body: &str| {
        let headers = [("authorization", value.as_str()), ("content-type", "application/json")];
        rig.connect().send(method, path, &headers, body.as_bytes())
    };
    let listed = send("GET", "/api/v1/tokens", "");
    assert_eq!(listed.expect(200)["tokens"][0]["name"], "ops");
    assert!(!listed.text().contains(made["token"].as_str().unwrap()));
    send("POST", "/api/v1/tokens", r#"{"name":"ops"}"#).refused(409, "E-TOKEN-EXISTS");
    send("POST", "/api/v1/tokens", r#"{"name":"a/b"}"#).refused(400, "E-NAME");
    send("DELETE", "/api/v1/tokens/other", "").refused(404, "E-TOKEN-NOT-FOUND");
    send("DELETE", "/api/v1/tokens/ops", "").expect(204);
    rig.get(TOPICS).expect(200);
}

#[test]
fn there_are_tokens_up_to_the_limit_and_no_more() {
    let rig = Rig::start();
    let tokens = rig.server().tokens();
    for number in 0..1_000 {
        tokens.create(&number.to_string()).unwrap();
    }
    assert_eq!(tokens.create("more").unwrap_err().code, "E-TOKEN-LIMIT");
    tokens.revoke("7").unwrap();
    tokens.create("more").unwrap();
}

#[test]
fn without_a_token_pages_of_other_sites_are_refused() {
    let rig = Rig::start();
    let send = |headers: &[(&str, &str)]| rig.connect().send("GET", TOPICS, headers, b"");
    let port = rig.address().port();
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.1", ""] {
        send(&[("host", host)]).refused(403, "E-HTTP-HOST");
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
    {
        send(&[("host", &host)]).expect(200);
        send(&[("host", &host), ("origin", &format!("http://{host}"))]).expect(200);
        send(&[("host", &host), ("sec-fetch-site", "same-origin")]).expect(200);
        for origin in ["http://evil.example", "null", "http://localhost:1", "https://localhost"] {
            send(&[("host", &host), ("origin", origin)]).refused(403, "E-HTTP-ORIGIN");
        }
        send(&[("host", &host), ("sec-fetch-site", "cross-site")]).refused(403, "E-HTTP-ORIGIN");
    }
}

#[test]
fn what_a_token_has_begun_ends_when_it_is_revoked() {
    let rig = Rig::start();
    rig.topic(1);
    let one = rig.server().tokens().create("one").unwrap();
    let other = rig.server().tokens().create("other").unwrap();
    let open = |token: &str| {
        let mut client = rig.connect();
        let token = format!("Bearer {token}");
        let headers = [("accept", "text/event-stream"), ("authorization", token.as_str())];
        client.ask("GET", RECORDS, &headers, b"");
        assert_eq!(client.head().0, 200);
        client
    };
    let (mut ended, mut goes_on) = (open(&one), open(&other));
    rig.server().tokens().revoke("one").unwrap();
    let mut text = String::new();
    while let Some(chunk) = ended.chunk() {
        text += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(text.contains("event: error\ndata: {\"error\":{\"code\":\"E-AUTH-TOKEN\""), "{text}");
    let token = format!("Bearer {other}");
    let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
    let body = br#"{"records":[{"value":"after"}]}"#;
    rig.connect().send("POST", RECORDS, &headers, body).expect(200);
    let mut text = String::new();
    while !text.contains("after") {
        text += std::str::from_utf8(&goes_on.chunk().expect("it goes on")).unwrap();
    }
}

#[test]
fn a_name_that_a_token_cannot_have_is_told_as_one() {
    let rig = Rig::start();
    let text = rig.post("/api/v1/tokens", r#"{"name":"a b"}"#).refused(400, "E-NAME");
    assert!(text.starts_with("a token cannot be called \"a b\""), "{text}");
}

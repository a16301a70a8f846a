//! The console's page, and what it asks for.

use serde_json::{Value, json};

use crate::support::{Rig, TOPICS};

#[test]
fn a_browser_that_is_sent_to_the_server_finds_the_console() {
    let rig = Rig::start();
    for path in ["/", "/console"] {
        let answer = rig.get(path);
        assert_eq!((answer.status, answer.header("location")), (307, Some("/console/")), "{path}");
    }
    let page = rig.get("/console/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().starts_with("<!doctype html>"));
    for (file, kind) in
        [("main.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")]
    {
        let answer = rig.get(&format!("/console/{file}"));
        assert_eq!(answer.status, 200, "{file}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{file}");
    }
}

#[test]
fn the_console_may_load_nothing_from_elsewhere_and_nothing_inline() {
    let rig = Rig::start();
    for path in ["/console/", "/console/main.js"] {
        let answer = rig.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let text = answer.text();
        assert!(!text.contains("http://") && !text.contains("https://"), "{path}");
    }
}

#[test]
fn a_file_that_a_browser_has_already_is_not_sent_again() {
    let rig = Rig::start();
    let first = rig.get("/console/main.js");
    let tag = first.header("etag").unwrap();
    let again = rig.connect().send("GET", "/console/main.js", &[("if-none-match", tag)], b"");
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)));
    let other = rig.connect().send("GET", "/console/main.js", &[("if-none-match", "\"x\"")], b"");
    assert_eq!((other.status, &other.body), (200, &first.body));
}

#[test]
fn nothing_but_its_files_is_below_the_console() {
    let rig = Rig::start();
    for path in ["/console/nope.js", "/console/../Cargo.toml", "/console/a/b", "/console/%2e%2e"] {
        rig.get(path).refused(404, "E-HTTP-ROUTE");
    }
    rig.post("/console/", "{}").refused(405, "E-HTTP-METHOD");
}

#[test]
fn the_page_needs_no_token_and_what_it_asks_for_does() {
    let rig = Rig::start();
    let token = rig.server().tokens().create("ops").unwrap();
    assert_eq!(rig.get("/console/").status, 200);
    assert_eq!(rig.get("/console/main.js").status, 200);
    let bearer = format!("Bearer {token}");
    for path in [TOPICS, "/api/v1/history", "/api/v1/tenants/default/graph"] {
        rig.get(path).refused(401, "E-AUTH-MISSING");
        rig.connect().send("GET", path, &[("authorization", &bearer)], b"").expect(200);
    }
}

#[test]
fn the_graph_names_topics_and_the_history_is_there_from_the_start() {
    let rig = Rig::start();
    let graph = "/api/v1/tenants/default/graph";
    assert_eq!(rig.get(graph).expect(200), json!({ "functions": [], "topics": [] }));
    rig.topic(2);
    rig.produce(r#"{"value":1},{"value":2}"#);
    let topics = rig.get(graph).expect(200)["topics"].clone();
    assert_eq!(topics[0]["topic"], "default/t");
    assert_eq!((&topics[0]["partitions"], &topics[0]["records"]), (&json!(2), &json!(2)));
    rig.get("/api/v1/tenants/a%2Fb/graph").refused(400, "E-NAME");
    let past = rig.get("/api/v1/history").expect(200);
    assert_eq!(past["step_ms"], 5_000);
    let length = |name: &str| past[name].as_array().map(Vec::len);
    for name in ["produced", "consumed", "commits", "records_in", "records_out", "faults", "lag"] {
        assert_eq!(length(name), length("times_ms"), "{name}");
    }
    let none = rig.get("/api/v1/tenants/default/functions/none/history");
    none.refused(404, "E-FUNCTION-UNKNOWN");
    assert!(matches!(past["times_ms"], Value::Array(_)));
}

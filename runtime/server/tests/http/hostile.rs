//! Requests that nobody means well: whatever they say, the server is not at fault.

use crate::support::{Rig, TOPICS};

const WORDS: &[&str] = &[
    "",
    "0",
    "-1",
    "1",
    "18446744073709551615",
    "18446744073709551616",
    "t",
    "..",
    "%2e%2e",
    "%00",
    "%ff",
    "a%0d%0ab",
    "null",
    "true",
    "earliest",
    "0:0",
    "0:1,0:1",
    "time:",
    "time:99999999999999999999",
    "time:-9223372036854775808",
    "time:9999-12-31T23:59:60Z",
    "4294967296",
    "1e3",
    "+1",
    "%20",
];

/// The n-th number of a sequence that is the same in every run.
fn mixed(n: u64) -> u64 {
    let n = (n ^ n >> 31).wrapping_mul(0x7fb5_d329_728e_a185);
    (n ^ n >> 27).wrapping_mul(0x81da_def4_bc2d_d44d) >> 16
}

#[test]
fn no_request_is_answered_with_a_fault_of_the_server() {
    let rig = Rig::start();
    rig.topic(2);
    rig.produce(r#"{"key":"a","value":1},{"key":"b","value":2}"#);
    let names = [
        "partition",
        "from",
        "max_records",
        "max_bytes",
        "group",
        "commit",
        "producer",
        "epoch",
        "sequence",
        "wait_ms",
    ];
    let bodies = [
        "",
        "{}",
        "[]",
        "null",
        r#"{"records":[{}]}"#,
        r#"{"records":[{"partition":4294967296}]}"#,
        r#"{"name":"x","partitions":-1}"#,
        r#"{"topic":"t","cursor":"0:99"}"#,
        r#"{"topic":"t","from":"time:5"}"#,
        r#"{"positions":[{"topic":"t","partition":9,"offset":0}]}"#,
        r#"{"retention_ms":18446744073709551615}"#,
        "\u{0}",
        r#"{"name":"\ud800"}"#,
    ];
    let methods = ["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let kinds = ["application/json", "application/x-ndjson", "application/x-pelton-batch", "x"];
    let pick = |n: u64, of: usize| (mixed(n) % of as u64) as usize;
    for n in 0..4_000u64 {
        let word = |salt: u64| WORDS[pick(n * 31 + salt, WORDS.len())];
        let base = match pick(n * 31 + 1, 6) {
            0 => format!("{TOPICS}/{}", word(2)),
            1 | 2 => format!("{TOPICS}/t/records"),
            3 => format!("/api/v1/tenants/{}/topics", word(2)),
            4 => format!("/api/v1/tenants/default/groups/{}", word(2)),
            _ => format!("/api/v1/tenants/default/groups/g/{}", ["commit", "reset"][pick(n, 2)]),
        };
        let name = |salt| names[pick(n * 31 + salt, names.len() - 1)];
        let path = format!("{base}?{}={}&{}={}", name(3), word(4), name(5), word(6));
        let method = methods[pick(n * 31 + 7, methods.len())];
        if method == "DELETE" && base.ends_with("/t") {
            continue;
        }
        let body = bodies[pick(n * 31 + 8, bodies.len())];
        let kind = kinds[pick(n * 31 + 9, kinds.len())];
        let mut client = rig.connect();
        client.ask(method, &path, &[("content-type", kind)], body.as_bytes());
        let (status, head) = client.head();
        assert!(status < 500, "{method} {path} {kind} {body}: {head}");
    }
    rig.get("/healthz").expect(200);
}

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, RECORDS, Rig, TOPICS};

/// An event: id, name, data.
#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

/// What a cursor says but for the topic that it is of.
fn place(cursor: &str) -> &str {
    cursor.split_once('@').expect(cursor).0
}

struct Events {
    client: Client,
    text: String,
}

impl Events {
    fn open(rig: &Rig, query: &str, resume: Option<&str>) -> Self {
        let mut client = rig.connect();
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(resume.map(|id| ("last-event-id", id)));
        client.ask("GET", &format!("{RECORDS}?{query}"), &headers, b"");
        let (status, head) = client.head();
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        Self { client, text: String::new() }
    }

    /// The next block, comments included; none at the end of the stream.
    fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            self.text += std::str::from_utf8(&self.client.chunk()?).unwrap();
        }
    }

    fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block()?;
            if block.starts_with(':') {
                continue;
            }
            let field = |name: &str| {
                let mut found = block.lines().filter_map(|line| line.strip_prefix(name));
                found.next().unwrap_or_default().to_owned()
            };
            let data = serde_json::from_str(&field("data: ")).unwrap();
            return Some(Event { id: field("id: "), name: field("event: "), data });
        }
    }

    fn values(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.next().unwrap().data["value"].as_u64().unwrap()).collect()
    }
}

fn fill(rig: &Rig, values: std::ops::Range<u64>) {
    let records: Vec<Value> = values.map(|n| json!({"key": n.to_string(), "value": n})).collect();
    rig.post(RECORDS, &json!({"records": records}).to_string()).expect(200);
}

#[test]
fn a_stream_gives_what_is_there_and_then_what_comes() {
    let rig = Rig::start();
    rig.topic(1);
    fill(&rig, 0..3);
    let mut events = Events::open(&rig, "from=1", None);
    let first = events.next().unwrap();
    assert_eq!((place(&first.id), first.name.as_str()), ("0:2", ""));
    assert_eq!((&first.data["offset"], &first.data["value"]), (&json!(1), &json!(1)));
    assert_eq!(events.values(1), [2]);
    fill(&rig, 3..5);
    assert_eq!(events.values(2), [3, 4]);
}

#[test]
fn a_stream_resumes_behind_any_event_without_loss_or_repetition() {
    let rig = Rig::start();
    rig.topic(3);
    fill(&rig, 0..30);
    let mut whole = Events::open(&rig, "", None);
    let all: Vec<Event> = (0..30).map(|_| whole.next().unwrap()).collect();
    for cut in [0, 1, 13, 28] {
        let mut rest = Events::open(&rig, "", Some(&all[cut].id));
        let mut seen: Vec<u64> =
            all[..=cut].iter().map(|event| event.data["value"].as_u64().unwrap()).collect();
        seen.extend(rest.values(29 - cut));
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..30), "cut behind event {cut}");
    }
    let bad = rig.connect().send(
        "GET",
        RECORDS,
        &[("accept", "text/event-stream"), ("last-event-id", "x")],
        b"",
    );
    bad.refused(400, "E-CURSOR");
}

#[test]
fn an_idle_stream_is_kept_alive_by_comments() {
    let rig = Rig::with(|config| config.heartbeat = Duration::from_millis(30));
    rig.topic(1);
    let mut events = Events::open(&rig, "", None);
    assert_eq!(events.block().unwrap(), ": pelton");
    for _ in 0..3 {
        assert_eq!(events.block().unwrap(), ": still here");
    }
    fill(&rig, 0..1);
    assert_eq!(events.values(1), [0]);
}

#[test]
fn a_stream_ends_with_a_word_when_the_server_shuts_down_or_its_topic_goes() {
    let mut rig = Rig::start();
    rig.topic(1);
    let mut events = Events::open(&rig, "", None);
    rig.delete(&format!("{TOPICS}/t")).expect(204);
    let event = events.next().unwrap();
    assert_eq!(
        (event.name.as_str(), &event.data["error"]["code"]),
        ("error", &json!("E-TOPIC-UNKNOWN"))
    );
    assert_eq!(events.next(), None);

    rig.topic(1);
    let mut events = Events::open(&rig, "", None);
    assert!(rig.server.take().unwrap().shutdown());
    assert_eq!(events.next().unwrap().name, "end");
    assert_eq!(events.next(), None);
}

#[test]
fn what_retention_removed_is_an_event_of_its_own() {
    let rig = Rig::start();
    rig.topic(1);
    for n in 0..4 {
        rig.produce(&format!(r#"{{"value":{n},"timestamp":{}}}"#, n * 100));
    }
    rig.patch(&format!("{TOPICS}/t"), r#"{"retention_ms":1}"#).expect(200);
    rig.node.journal().clean(201).unwrap();
    let mut events = Events::open(&rig, "from=1", None);
    let skipped = events.next().unwrap();
    assert_eq!((place(&skipped.id), skipped.name.as_str()), ("0:2", "skipped"));
    assert_eq!(skipped.data, json!({"partition": 0, "from": 1, "to": 2}));
    assert_eq!(events.values(2), [2, 3]);
}

#[test]
fn a_consumer_that_takes_nothing_holds_little_and_is_given_up() {
    let rig = Rig::with(|config| config.write_timeout = Duration::from_millis(300));
    rig.topic(1);
    let record = json!({"value": "x".repeat(100_000)}).to_string();
    for _ in 0..20 {
        rig.produce(&vec![record.clone(); 20].join(","));
    }
    // 40 MB wait for a client that reads nothing: more than sockets hold.
    let mut events = Events::open(&rig, "", None);
    let consumed = || {
        let metrics = rig.get("/metrics").text();
        let line =
            metrics.lines().find(|line| line.starts_with("pelton_http_records_consumed_total"));
        line.unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    let open = || {
        let metrics = rig.get("/metrics").text();
        let line = metrics.lines().find(|line| line.starts_with("pelton_http_connections "));
        line.unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    while open() > 1 {
        std::thread::yield_now();
    }
    assert!(consumed() < 400, "{} records were read for it", consumed());
    // A healthy one is not harmed.
    fill(&rig, 0..1);
    let mut other = Events::open(&rig, "from=400", None);
    assert_eq!(other.values(1), [0]);
    let _ = events.client.closed();
}

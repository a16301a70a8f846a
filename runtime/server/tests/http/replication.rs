//! The routes of replication and backups: what they refuse, and that nothing of it changes anything.

use std::sync::Arc;

use pelton_server::Hooks;
use pelton_server::functions::Functions;
use pelton_server::http::{HttpConfig, Server};
use pelton_server::replication::{LeaderClient, Prepared, prepare};
use serde_json::{Value, json};

use crate::support::{Answer, Rig, TOPICS, node_in};

const REPLICATION: &str = "/api/v1/replication";

struct Asked {
    after: u64,
    chain: u32,
    epoch: u64,
    journal: String,
    format: u32,
}

impl Asked {
    /// What a replica asks for that has all of this server's journal.
    fn all_of(rig: &Rig) -> Self {
        let journal = rig.node.journal();
        let (after, chain) = journal.log_end().unwrap();
        let status = rig.get(REPLICATION).expect(200);
        let name = status["journal"].as_str().unwrap().to_owned();
        Self { after, chain, epoch: 1, journal: name, format: journal.format() }
    }

    fn of(&self, rig: &Rig, more: &str) -> Answer {
        let Self { after, chain, epoch, journal, format } = self;
        rig.get(&format!(
            "{REPLICATION}/frames?after={after}&chain={chain}&epoch={epoch}&journal={journal}\
             &format={format}&durable=0{more}"
        ))
    }
}

fn status(rig: &Rig) -> Value {
    rig.get(REPLICATION).expect(200)
}

#[test]
fn frames_are_shipped_behind_what_a_replica_has_and_to_no_other() {
    let rig = Rig::start();
    rig.topic(1);
    let before = Asked::all_of(&rig);
    assert!(before.of(&rig, "").body.is_empty());
    for value in 0..3 {
        rig.produce(&format!(r#"{{"value":{value}}}"#));
    }
    let all = before.of(&rig, "&wait_ms=30000&max_bytes=67108864&name=here");
    assert_eq!(all.status, 200, "{}", all.text());
    assert_eq!(all.header("pelton-epoch"), Some("1"));
    assert_eq!(all.header("pelton-records"), Some("3"));
    // One frame at least, and none where none is wanted.
    let one = before.of(&rig, "&max_bytes=1");
    assert!(one.body.len() * 3 <= all.body.len() && all.body.starts_with(&one.body));
    assert!(before.of(&rig, "&max_bytes=0").body.is_empty());
    let seen = status(&rig);
    assert_eq!(seen["followers"][0]["name"], "a replica", "{seen}");
    assert_eq!(seen["followers"][1]["name"], "here", "{seen}");

    let asked = |change: fn(&mut Asked)| {
        let mut asked = Asked::all_of(&rig);
        change(&mut asked);
        asked.of(&rig, "")
    };
    asked(|asked| asked.journal = "00000000".into()).refused(409, "E-REPLICA-JOURNAL");
    asked(|asked| asked.chain ^= 1).refused(409, "E-REPLICA-DIVERGED");
    asked(|asked| asked.after += 1).refused(409, "E-REPLICA-DIVERGED");
    asked(|asked| asked.after = u64::MAX - 1).refused(409, "E-REPLICA-DIVERGED");
    asked(|asked| asked.after = u64::MAX).refused(400, "E-HTTP-QUERY");
    asked(|asked| asked.format = 1).refused(409, "E-REPLICA-FORMAT");
    for more in ["&wait_ms=30001", "&max_bytes=67108865", "&what=1", "&after=x"] {
        before.of(&rig, more).refused(400, "E-HTTP-QUERY");
    }
    let name = |len| format!("&name={}", "n".repeat(len));
    assert_eq!(before.of(&rig, &name(100)).status, 200);
    before.of(&rig, &name(101)).refused(400, "E-HTTP-QUERY");
    rig.produce(r#"{"value":3}"#);
}

#[test]
fn files_that_frames_name_are_shipped_and_no_others() {
    let rig = Rig::start();
    let digest = rig.node.journal().put_artefact(b"a module").unwrap();
    let artefact = rig.get(&format!("{REPLICATION}/artefacts/{digest}"));
    assert_eq!((artefact.status, &artefact.body[..]), (200, &b"a module"[..]));
    for name in ["x", "..", "%2e%2e%2fFORMAT", &"0".repeat(64)] {
        let path = format!("{REPLICATION}/artefacts/{name}");
        assert_eq!(rig.get(&path).status, 404, "{name}");
        let path = format!("{REPLICATION}/snapshots/{name}");
        assert_eq!(rig.get(&path).status, 404, "{name}");
    }
    rig.get(&format!("{REPLICATION}/snapshots/1-1.snap")).refused(404, "E-SNAPSHOT-NOT-FOUND");
    let copy = rig.get(&format!("{REPLICATION}/copy"));
    assert_eq!(copy.status, 200);
    let last = copy.text().trim_end().rsplit('\n').next().unwrap().to_owned();
    assert!(last.contains("\"end\":"), "{last}");
}

/// The body that tells the server of a copy which was promoted behind `after`.
fn fencing(rig: &Rig, epoch: u64, after: u64, chain: u32) -> Value {
    json!({
        "journal": status(rig)["journal"],
        "leader": "http://new:1",
        "epochs": [
            { "epoch": 1, "first_commit": 1, "time_ms": 0 },
            { "epoch": epoch, "first_commit": after + 1, "time_ms": 5, "chain": chain },
        ],
    })
}

fn fence(rig: &Rig, body: &Value) -> Answer {
    rig.post(&format!("{REPLICATION}/fence"), &body.to_string())
}

#[test]
fn nobody_but_a_promoted_copy_of_this_journal_fences_the_server() {
    let rig = Rig::start();
    rig.topic(1);
    let (after, chain) = rig.node.journal().log_end().unwrap();
    rig.produce(r#"{"value":1}"#);
    let mut asked = Asked::all_of(&rig);
    for epoch in [2, 1_001, u64::MAX] {
        asked.epoch = epoch;
        asked.of(&rig, "").refused(409, "E-REPLICA-EPOCH");
        assert_eq!(status(&rig)["role"], "leader", "who asks changes nothing");
    }
    let mut other = fencing(&rig, 2, after, chain);
    other["journal"] = json!("00000000");
    fence(&rig, &other).refused(409, "E-REPLICA-JOURNAL");
    fence(&rig, &fencing(&rig, 1, after, chain)).refused(409, "E-REPLICA-EPOCH");
    let end = asked.after;
    for (epoch, after, chain) in [
        (2, after, chain ^ 1),
        (2, after - 1, chain),
        (2, end, chain),
        (2, end + 1, chain),
        (2, 0, asked.chain),
        (1_002, after, chain),
        (u64::MAX, after, chain),
    ] {
        fence(&rig, &fencing(&rig, epoch, after, chain)).refused(409, "E-REPLICA-PROOF");
    }
    let mut bare = fencing(&rig, 2, after, chain);
    bare["epochs"][1]["chain"] = Value::Null;
    fence(&rig, &bare).refused(409, "E-REPLICA-PROOF");
    bare["epochs"] = json!([]);
    fence(&rig, &bare).refused(409, "E-REPLICA-EPOCH");
    rig.post(&format!("{REPLICATION}/fence"), "{}").refused(400, "E-JSON");
    rig.post(&format!("{REPLICATION}/promote"), "").refused(409, "E-REPLICA-NONE");
    assert_eq!(status(&rig)["role"], "leader");
    rig.produce(r#"{"value":2}"#);
    // As many promotions later as the limit.
    fence(&rig, &fencing(&rig, 1_001, after, chain)).expect(200);
    assert_eq!(status(&rig)["fenced"], 1_001);
}

#[test]
fn a_fenced_server_takes_nothing_until_it_is_told_to_lead_again() {
    let rig = Rig::start();
    rig.topic(1);
    let (after, chain) = rig.node.journal().log_end().unwrap();
    rig.produce(r#"{"value":1}"#);
    fence(&rig, &fencing(&rig, 3, after, chain)).expect(200);
    let rig = rig.restart();
    assert_eq!(status(&rig)["role"], "fenced");
    rig.get("/readyz").refused(421, "E-REPLICA-FENCED");
    let topic = |rig: &Rig| rig.post(TOPICS, r#"{"name":"x"}"#).refused(421, "E-REPLICA-FENCED");
    assert!(topic(&rig).contains("http://new:1"));
    // It hears of it again, and of an earlier one.
    fence(&rig, &fencing(&rig, 3, after, chain)).expect(200);
    fence(&rig, &fencing(&rig, 2, after, chain)).expect(200);
    assert_eq!(status(&rig)["leader"], "http://new:1");
    rig.get(&format!("{TOPICS}/t/records")).expect(200);
    rig.get(&format!("{REPLICATION}/copy")).refused(421, "E-REPLICA-FENCED");
    assert!(rig.get("/metrics").text().contains("pelton_journal_writable 0"));
    let unfence = |epoch: u64| {
        rig.post(&format!("{REPLICATION}/unfence"), &json!({ "epoch": epoch }).to_string())
    };
    unfence(2).refused(409, "E-REPLICA-EPOCH");
    assert_eq!(unfence(3).expect(200)["epoch"], 4);
    unfence(3).refused(409, "E-REPLICA-NONE");
    rig.produce(r#"{"value":2}"#);
    // The copy is the one of an older epoch now.
    fence(&rig, &fencing(&rig, 3, after, chain)).refused(409, "E-REPLICA-EPOCH");
    let rig = rig.restart();
    assert_eq!((&status(&rig)["role"], &status(&rig)["epoch"]), (&json!("leader"), &json!(4)));
    rig.produce(r#"{"value":3}"#);
}

#[test]
fn a_backup_by_http_goes_only_where_it_may() {
    let rig = Rig::start();
    rig.topic(1);
    rig.produce(r#"{"value":1}"#);
    let place = tempfile::tempdir().unwrap();
    let make = |to: &str| rig.post("/api/v1/backup", &json!({ "directory": to }).to_string());
    let to = place.path().join("a/b");
    let made = make(to.to_str().unwrap()).expect(200);
    assert_eq!(made["contents"]["topics"][0]["offsets"], json!([[0, 1]]));
    make(to.to_str().unwrap()).refused(409, "E-BACKUP-TARGET");
    make("relative").refused(409, "E-BACKUP-TARGET");
    make("").refused(409, "E-BACKUP-TARGET");
    let inside = rig.node.directory().join("backup");
    make(inside.to_str().unwrap()).refused(409, "E-BACKUP-TARGET");
    rig.post("/api/v1/backup", r#"{"to":"/x"}"#).refused(400, "E-JSON");
    // One bit of it.
    let segment = to.join("segments/00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let error = pelton_server::backup::restore(&to, &place.path().join("c")).unwrap_err();
    assert_eq!(error.code, "E-BACKUP-DAMAGED");
    assert!(error.to_string().contains("00000001.seg"), "{error}");
}

/// Hands connections on to `to`, each at most `bytes` bytes of the answers, of which the next
/// connection gets twice as many.
fn cut_off(to: std::net::SocketAddr, mut bytes: u64) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut client), Ok(server)) = (stream, std::net::TcpStream::connect(to)) else {
                return;
            };
            let (mut asked, mut up) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut asked, &mut up));
            let _ = std::io::copy(&mut std::io::Read::take(&server, bytes), &mut client);
            let _ = client.shutdown(std::net::Shutdown::Both);
            let _ = server.shutdown(std::net::Shutdown::Both);
            bytes *= 2;
        }
    });
    address
}

fn fill(rig: &Rig, batches: u64) {
    let topic = pelton_server::data::topic_name("default", "t").unwrap();
    for _ in 0..batches {
        let mut records = pelton_batch::RecordsBuilder::new();
        records.push(None, Some(&vec![7; 1 << 20]), 0);
        rig.node.append(&topic, 0, &mut records).unwrap();
    }
    rig.node.sync().unwrap();
}

#[test]
fn a_replica_that_was_away_for_too_long_takes_a_new_copy_and_one_that_is_cut_off_begins_anew() {
    let rig = Rig::start();
    let topic = r#"{"name":"t","partitions":1,"retention_bytes":1000000}"#;
    rig.post(TOPICS, topic).expect(201);
    let url = format!("http://{}", rig.address());
    let leader = LeaderClient::new(&url, None, "a");
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("replica");
    // Cut off in the middle of the copy, again and again.
    fill(&rig, 3);
    let through = LeaderClient::new(&cut_off(rig.address(), 500), None, "b");
    let mut cuts = 0;
    let first = loop {
        match prepare(&folder, &through) {
            Ok(prepared) => break prepared,
            Err(error) => {
                assert!(error.retryable, "{error}");
                assert!(!folder.join("FORMAT").exists(), "nothing is there before all is");
                cuts += 1;
            }
        }
    };
    assert!(cuts > 5, "{cuts}");
    let commit = rig.node.journal().appended();
    assert_eq!(first, Prepared::Copied(commit));
    assert_eq!(prepare(&folder, &leader).unwrap(), Prepared::GoesOn(commit));
    // The leader forgets what the replica needs next.
    fill(&rig, 40);
    rig.node.journal().clean(0).unwrap();
    let commit = rig.node.journal().appended();
    assert_eq!(prepare(&folder, &leader).unwrap(), Prepared::Copied(commit));
    assert!(!folder.join("copy").exists());
    let replica =
        pelton_journal::Journal::open(&folder, pelton_journal::Config::default()).unwrap();
    assert_eq!(replica.log_end().unwrap(), rig.node.journal().log_end().unwrap());
    assert!(matches!(replica.role(), pelton_journal::Role::Replica { leader } if leader == url));
    drop(replica);
    // Without its leader it waits; a restored backup may join.
    let nobody = LeaderClient::new("http://127.0.0.1:1", None, "c");
    assert!(matches!(prepare(&folder, &nobody), Ok(Prepared::Waits(at, _)) if at == commit));
    let (to, restored) = (place.path().join("backup"), place.path().join("restored"));
    pelton_server::backup::backup(rig.node.journal(), rig.node.directory(), &to, 5).unwrap();
    pelton_server::backup::restore(&to, &restored).unwrap();
    assert_eq!(prepare(&restored, &leader).unwrap(), Prepared::Joined(commit));
}

#[test]
fn a_replica_whose_connections_break_in_the_middle_of_frames_gets_there() {
    let rig = Rig::start();
    rig.topic(1);
    let directory = tempfile::tempdir().unwrap();
    let direct = LeaderClient::new(&format!("http://{}", rig.address()), None, "a");
    prepare(directory.path(), &direct).unwrap();
    fill(&rig, 6);
    let node = node_in(directory.path(), Hooks::default());
    let server = Server::bind(Functions::new(Arc::clone(&node)), HttpConfig::loopback(0)).unwrap();
    let broken = LeaderClient::new(&cut_off(rig.address(), 1_000_000), None, "b");
    server.replication().follow(broken).unwrap();
    for _ in 0..600 {
        if node.journal().log_end().unwrap() == rig.node.journal().log_end().unwrap() {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    assert_eq!(node.journal().log_end().unwrap(), rig.node.journal().log_end().unwrap());
    assert_eq!(server.replication().status().role, "replica");
    assert!(server.replication().failure().is_none());
}

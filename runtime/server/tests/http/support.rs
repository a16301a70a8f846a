//! A node with a server, and a client that says exactly what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pelton_core::Clock;
use pelton_server::functions::Functions;
use pelton_server::http::{HttpConfig, Server};
use pelton_server::{Hooks, LoadOptions, Node, NodeConfig, SystemClock};
use serde_json::Value;
use tempfile::TempDir;

/// No test waits longer than this for bytes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn node_in(directory: &Path, hooks: Hooks) -> Arc<Node> {
    node_at(directory, hooks, Arc::new(SystemClock))
}

fn node_at(directory: &Path, hooks: Hooks, clock: Arc<dyn Clock>) -> Arc<Node> {
    let mut config = NodeConfig::new(directory, LoadOptions::in_process());
    config.workers = 1;
    config.segment_bytes = 16 << 20;
    config.hooks = hooks;
    Arc::new(Node::open_at(config, clock).unwrap())
}

/// A server on a directory of its own.
pub(crate) struct Rig {
    pub(crate) server: Option<Server>,
    pub(crate) node: Arc<Node>,
    directory: TempDir,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut HttpConfig)) -> Self {
        Self::with_hooks(Hooks::default(), change)
    }

    pub(crate) fn with_hooks(hooks: Hooks, change: impl FnOnce(&mut HttpConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = node_in(directory.path(), hooks);
        Self::on(directory, node, change)
    }

    /// With a clock of the test's own.
    pub(crate) fn at(clock: Arc<dyn Clock>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = node_at(directory.path(), Hooks::default(), clock);
        Self::on(directory, node, |_| {})
    }

    fn on(directory: TempDir, node: Arc<Node>, change: impl FnOnce(&mut HttpConfig)) -> Self {
        let mut config = HttpConfig::loopback(0);
        change(&mut config);
        let server = Some(Server::bind(Functions::new(Arc::clone(&node)), config).unwrap());
        Self { server, node, directory }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server().address()
    }

    /// Ends server and node in order, and starts them again on the same directory.
    pub(crate) fn restart(mut self) -> Self {
        assert!(self.server.take().unwrap().shutdown());
        let Self { node, directory, .. } = self;
        drop(Arc::into_inner(node).expect("nobody else holds the node"));
        let node = node_in(directory.path(), Hooks::default());
        let server =
            Server::bind(Functions::new(Arc::clone(&node)), HttpConfig::loopback(0)).unwrap();
        Self { server: Some(server), node, directory }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.connect().send("GET", path, &[], b"")
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.connect().send("DELETE", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, json: &str) -> Answer {
        self.connect().json("POST", path, json)
    }

    pub(crate) fn patch(&self, path: &str, json: &str) -> Answer {
        self.connect().json("PATCH", path, json)
    }

    /// Creates the topic `t`.
    pub(crate) fn topic(&self, partitions: u32) {
        let body = format!(r#"{{"name":"t","partitions":{partitions}}}"#);
        self.post("/api/v1/tenants/default/topics", &body).expect(201);
    }

    /// Produces records, given as JSON objects, to the topic `t`.
    pub(crate) fn produce(&self, records: &str) -> Value {
        self.post(RECORDS, &format!(r#"{{"records":[{records}]}}"#)).expect(200)
    }
}

pub(crate) const TOPICS: &str = "/api/v1/tenants/default/topics";
pub(crate) const RECORDS: &str = "/api/v1/tenants/default/topics/t/records";
pub(crate) const GROUPS: &str = "/api/v1/tenants/default/groups";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body, where the status is this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// That it is an error of this status and code, told as JSON.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        let error = &self.json()["error"];
        assert_eq!((self.status, error["code"].as_str()), (status, Some(code)), "{error}");
        for part in ["message", "fault"] {
            assert!(!error[part].as_str().unwrap().is_empty(), "{error}");
        }
        assert!(error["retryable"].is_boolean(), "{error}");
        error["message"].as_str().unwrap().to_owned()
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), host: address.to_string() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Ends what this side sends; what the server says can still be read.
    pub(crate) fn end_writing(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head += &format!("host: {}\r\n", self.host);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method != "GET" {
            head += &format!("content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        // In one piece: an answer may come before all of it is sent.
        let bytes = [head.as_bytes(), body].concat();
        let _ = self.stream.get_mut().write_all(&bytes);
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.ask(method, path, headers, body);
        self.answer()
    }

    pub(crate) fn json(&mut self, method: &str, path: &str, json: &str) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], json.as_bytes())
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let (status, head) = self.head();
        let mut answer = Answer { status, head, body: Vec::new() };
        if let Some(length) = answer.header("content-length") {
            answer.body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut answer.body).unwrap();
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk() {
                answer.body.extend_from_slice(&chunk);
            }
        }
        answer
    }

    /// The status and the head of an answer.
    pub(crate) fn head(&mut self) -> (u16, String) {
        let mut head = String::new();
        loop {
            let read = self.stream.read_line(&mut head).unwrap();
            assert!(read > 0, "the connection ended within a head: {head:?}");
            if head.ends_with("\r\n\r\n") {
                break;
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head)
    }

    /// The next chunk of a body; none at its orderly end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.stream.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("{size:?}"));
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        assert_eq!(&chunk[size..], b"\r\n");
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// That the server closes the connection, after however many bytes.
    pub(crate) fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
        rest
    }
}

/// The values of an answer's records, as JSON.
pub(crate) fn values(answer: &Value) -> Vec<Value> {
    answer["records"].as_array().unwrap().iter().map(|record| record["value"].clone()).collect()
}

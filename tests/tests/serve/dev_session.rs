//! A `pelton dev` that runs, its events one by one.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::Place;

/// The first build compiles all dependencies.
const PATIENCE: Duration = Duration::from_secs(400);

pub(crate) struct Session<'a> {
    place: &'a Place,
    child: Child,
    stdin: ChildStdin,
    events: Receiver<Value>,
    /// What came while something else was waited for.
    passed: Vec<Value>,
}

impl<'a> Session<'a> {
    pub(crate) fn start(place: &'a Place, more: &[&str]) -> Self {
        let mut command = place.command(&["dev", "hello", "-o", "json", "--listen", "127.0.0.1:0"]);
        command.args(more).env("TMPDIR", place.path().join("tmp"));
        let log = File::options().create(true).append(true).open(place.path().join("dev.log"));
        let mut child = command.stderr(log.unwrap()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                sender.send(serde_json::from_str(&line).expect(&line)).unwrap();
            }
        });
        Self { place, child, stdin, events, passed: Vec::new() }
    }

    /// The next event of a kind that nobody has asked for yet.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        if let Some(at) = self.passed.iter().position(|event| event["event"] == kind) {
            return self.passed.remove(at);
        }
        loop {
            let Ok(event) = self.events.recv_timeout(PATIENCE) else {
                panic!("no {kind}: {}", self.place.read("dev.log"));
            };
            if event["event"] == kind {
                return event;
            }
            self.passed.push(event);
        }
    }

    /// The count of the next output.
    #[track_caller]
    pub(crate) fn count(&mut self) -> u64 {
        self.wait_for("output")["value"]["count"].as_u64().unwrap()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// Ends it in order; answers what it said on stderr.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.place.read("dev.log"));
        self.place.read("dev.log")
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A server in a process of its own, and the command line that talks to it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Ended, Place};

/// Any free port.
pub(crate) const FREE: &str = "127.0.0.1:0";

/// A `pelton up` on a free port, in the folder `data` of a place.
pub(crate) struct Server<'a> {
    place: &'a Place,
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) address: String,
    /// What commands call it with.
    pub(crate) token: Option<String>,
}

impl<'a> Server<'a> {
    pub(crate) fn start(place: &'a Place) -> Self {
        Self::start_at(place, FREE)
    }

    pub(crate) fn start_at(place: &'a Place, listen: &str) -> Self {
        Self::start_with(place, listen, &[])
    }

    pub(crate) fn start_with(place: &'a Place, listen: &str, more: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(place.path().join("server.log"));
        Self::start_by(place, up(place, listen, more), log.unwrap().into())
    }

    /// By this command, which says there what is no data.
    pub(crate) fn start_by(place: &'a Place, mut command: Command, log: Stdio) -> Self {
        command.args(["-o", "json"]).stdin(Stdio::null()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{line:?}, see server.log in {:?}", place.path()));
        let address = started["address"].as_str().unwrap().to_owned();
        Self { place, child, stdout, address, token: None }
    }

    /// A command against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.env("PELTON_SERVER", &self.address);
        command.envs(self.token.iter().map(|token| ("PELTON_TOKEN", token)));
        command
    }

    pub(crate) fn pelton(&self, arguments: &[&str]) -> Ended {
        self.pelton_with(arguments, "")
    }

    pub(crate) fn pelton_with(&self, arguments: &[&str], stdin: &str) -> Ended {
        let mut child = self.command(arguments).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        ended(child)
    }

    /// What a command answers as JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.pelton(&[arguments, &["-o", "json"]].concat()).expect(0).json()
    }

    /// The values of `count` records of a topic from an offset on, as soon as they are there.
    #[track_caller]
    pub(crate) fn values(&self, topic: &str, from: u64, count: usize) -> Vec<Value> {
        // An offset is one partition's.
        let from = if from == 0 { "earliest".to_owned() } else { from.to_string() };
        let max = count.to_string();
        let consume = ["consume", topic, "--follow", "--from", &from, "--max", &max];
        let records = self.pelton(&consume).expect(0).records();
        records.iter().map(|record| record["value"].clone()).collect()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn signal(mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "stdout carries data only");
        self.child.wait().unwrap()
    }

    /// Waits until it ends by itself; answers how, and what it said, where it says that to a pipe.
    pub(crate) fn ends(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).unwrap();
        }
        (self.child.wait().unwrap(), said)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `pelton up` that does not run yet.
pub(crate) fn up(place: &Place, listen: &str, more: &[&str]) -> Command {
    let mut command = place.command(&["up", "--data-dir", "data", "--listen", listen]);
    command.args(more);
    command
}

/// How a process ended.
pub(crate) fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

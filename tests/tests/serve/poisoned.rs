//! F21: a write of the journal fails under a server, and it ends by itself.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::load::{deploy_filter, numbers, records};
use crate::server::{FREE, Server, up};
use crate::support::Place;

/// `pelton up` in a process that is not killed by the signal that comes with a refused write.
fn without_the_signal(up: &Command, place: &Place) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(up.get_program());
    shell.args(up.get_args()).current_dir(place.path()).stdout(Stdio::piped());
    shell
}

/// From now on the system refuses every write to a file of this process.
fn refuse_writes(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed());
    let none = Rlimit { current: Some(0), maximum: None };
    prlimit(pid, Resource::Fsize, none).unwrap();
}

#[test]
fn f21_a_write_that_fails_ends_the_server_and_the_next_one_goes_on() {
    let place = Place::new();
    let command = without_the_signal(&up(&place, FREE, &[]), &place);
    let server = Server::start_by(&place, command, Stdio::piped());
    deploy_filter(&place, &server);
    server.pelton_with(&["produce", "all"], &records(0..1_000)).expect(0);
    assert_eq!(server.values("long", 0, 1).len(), 1);

    refuse_writes(server.pid());
    // What is refused is not said to be there; soon nobody answers any more.
    let produce = ["produce", "all", "--retry-for", "0s"];
    let refused = server.pelton_with(&produce, &records(1_000..1_001));
    assert_eq!(refused.code, 1, "{}", refused.err);
    let codes = ["E-JOURNAL-POISONED", "E-SERVER-DOWN"];
    assert!(codes.iter().any(|code| refused.err.contains(code)), "{}", refused.err);

    let (ended, said) = server.ends();
    assert_eq!(ended.code(), Some(1), "{said}");
    let told: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(told["error"]["code"], "E-JOURNAL-POISONED");
    assert!(told["error"]["next"].as_str().unwrap().contains("start it again"), "{said}");
    assert!(!said.contains("panicked"), "{said}");

    let server = Server::start(&place);
    server.pelton_with(&["produce", "all"], &records(1_001..2_000)).expect(0);
    let out = ["consume", "long", "--follow", "--max", "1999"];
    let expected: Vec<usize> = (0..2_000).filter(|number| *number != 1_000).collect();
    assert_eq!(numbers(&server.pelton(&out).expect(0).records()), expected);
    assert_eq!(server.pelton(&["consume", "long"]).expect(0).records().len(), expected.len());
    assert_eq!(server.signal(rustix::process::Signal::TERM).code(), Some(0));
}

//! How a server starts, or why it does not.

use crate::server::{FREE, Server, ended, up};
use crate::support::{Ended, Place};

fn up_ends(place: &Place, listen: &str, more: &[&str]) -> Ended {
    ended(up(place, listen, more).spawn().unwrap())
}

#[test]
fn a_second_server_on_the_same_directory_says_who_has_it() {
    let place = Place::new();
    let server = Server::start(&place);
    let refused = up_ends(&place, FREE, &[]).expect_error(1, "E-JOURNAL-LOCKED");
    assert!(refused.err.contains(&format!("by process {}", server.pid())), "{}", refused.err);
    server.pelton(&["topic", "ls"]).expect(0);
}

#[test]
fn all_errors_of_a_configuration_are_told_at_once() {
    let place = Place::new();
    place.write("server.toml", "listen = 'nowhere'\nwrokers = 2\n");
    let more = ["--config", "server.toml", "--sync", "sometimes"];
    let refused = up_ends(&place, FREE, &more).expect_error(3, "E-CONFIG");
    for part in ["server.toml:1: `listen`", "server.toml:2: unknown key `wrokers`", "--sync:"] {
        assert!(refused.err.contains(part), "{part} in {}", refused.err);
    }
    assert!(!place.path().join("data").exists(), "nothing was begun");
    up_ends(&place, FREE, &["--config", "nope.toml"]).expect_error(5, "E-FILE-NOT-FOUND");
}

#[test]
fn what_is_refused_leaves_no_data_directory_behind_and_other_folders_as_they_are() {
    let place = Place::new();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    let refused = up_ends(&place, &taken, &[]).expect_error(3, "E-HTTP-ADDRESS");
    assert!(refused.err.contains("another process listens there"), "{}", refused.err);
    up_ends(&place, "0.0.0.0:0", &[]).expect_error(3, "E-HTTP-OPEN");
    for what in ["ls", "rm"] {
        let name = if what == "rm" { &["ops"][..] } else { &[] };
        let command = [&["token", what, "--data-dir", "data"], name].concat();
        place.pelton(&command).expect_error(5, "E-DATA-DIR-NOT-FOUND");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");

    std::fs::create_dir(place.path().join("data")).unwrap();
    place.write("data/notes.txt", "precious");
    let refused = up_ends(&place, FREE, &[]).expect_error(3, "E-DATA-DIR");
    assert!(refused.err.contains("a folder that is empty"), "{}", refused.err);
    place.pelton(&["token", "create", "x", "--data-dir", "data"]).expect_error(3, "E-DATA-DIR");
    assert_eq!(std::fs::read_dir(place.path().join("data")).unwrap().count(), 1);
    // An empty one is fine.
    std::fs::remove_file(place.path().join("data/notes.txt")).unwrap();
    Server::start(&place);
}

#[test]
fn a_server_that_others_can_reach_needs_a_token() {
    let place = Place::new();
    let refused = up_ends(&place, "0.0.0.0:0", &[]).expect_error(3, "E-HTTP-OPEN");
    assert!(refused.err.contains("pelton token create"), "{}", refused.err);
    let token = place.pelton(&["token", "create", "ops", "--data-dir", "data"]).expect(0).out;
    let server = Server::start(&place);
    server.pelton(&["topic", "ls"]).expect_error(3, "E-AUTH-MISSING");
    let wrong = ["topic", "ls", "--token", "pelton_wrong"];
    server.pelton(&wrong).expect_error(3, "E-AUTH-TOKEN");
    let with = |arguments: &[&str]| {
        server.pelton(&[arguments, &["--token", token.trim()]].concat()).expect(0)
    };
    with(&["topic", "ls"]);
    assert!(with(&["token", "ls"]).out.contains("ops"));
    let second = with(&["token", "create", "second", "-o", "json"]).json();
    assert!(second["token"].as_str().unwrap().starts_with("pelton_"));
    with(&["token", "rm", "second"]);
    server
        .pelton(&["token", "rm", "second", "--token", token.trim()])
        .expect_error(5, "E-TOKEN-NOT-FOUND");
}

#[test]
fn a_command_without_a_server_says_how_to_start_one() {
    let place = Place::new();
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("http://127.0.0.1:{port}");
    for command in [
        &["ls"][..],
        &["topic", "ls"],
        &["status", "x"],
        &["consume", "x"],
        &["produce", "x", "--input", "/dev/null"],
        &["logs", "x", "-f"],
    ] {
        let with = [command, &["--server", &server]].concat();
        if command[0] == "produce" {
            // Nothing to send: nobody is asked.
            place.pelton(&with).expect(0);
            continue;
        }
        let ended = place.pelton(&with).expect_error(1, "E-SERVER-DOWN");
        assert!(ended.err.contains("pelton up"), "{}", ended.err);
    }
    let produce = ["produce", "x", "--server", &server];
    place.pelton_with(&produce, "{\"value\":1}\n").expect_error(1, "E-SERVER-DOWN");
    place.pelton(&["ls", "--server", "not an address"]).expect_error(2, "E-USAGE");
}

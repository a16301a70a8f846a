//! `pelton doctor`: what it says of a folder and of a server.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Ended, Place, faulty};

/// Its checks, by name.
#[track_caller]
fn check<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let found = checks.as_array().unwrap().iter().find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("{name} in {checks:#}"))
}

/// The doctor here, whatever server the machine may have.
fn doctor(place: &Place, more: &[&str]) -> Ended {
    let mut command = place.command(&[&["doctor"], more].concat());
    command.env_remove("PELTON_SERVER").env_remove("PELTON_DATA_DIR");
    crate::server::ended(command.spawn().unwrap())
}

#[test]
fn a_healthy_directory_and_none_are_told_apart() {
    let place = Place::new();
    let none = doctor(&place, &["-o", "json", "--data-dir", "data"]).json();
    assert_eq!(check(&none, "data directory")["status"], "warn");
    assert!(!place.path().join("data").exists(), "nothing was made");
    place.pelton(&["token", "create", "ops", "--data-dir", "data"]).expect(0);
    let shown = doctor(&place, &["--data-dir", "data"]);
    assert!(shown.out.contains("journal format 2"), "{}", shown.out);
    let checks = doctor(&place, &["-o", "json", "--data-dir", "data"]).json();
    for name in ["data directory", "format", "lock", "compile cache"] {
        assert_eq!(check(&checks, name)["status"], "ok", "{name} in {checks:#}");
    }
}

#[test]
fn a_directory_of_a_newer_version_and_a_wrong_manifest_fail_with_a_next_step() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("data")).unwrap();
    place.write("data/FORMAT", "pelton-journal 99\nsalt 00000000\n");
    place.write("pelton.toml", "[function]\nnmae = 'x'\n[[inptu]]\n");
    let checks = doctor(&place, &["-o", "json", "--data-dir", "data"]).expect(1).json();
    let format = check(&checks, "format");
    assert_eq!(format["status"], "fail");
    assert!(format["next"].as_str().unwrap().contains("newer pelton"), "{format}");
    let detail = check(&checks, "pelton.toml")["detail"].as_str().unwrap();
    assert!(detail.contains("nmae") && detail.contains("inptu"), "all at once: {detail}");
    let shown = doctor(&place, &["--data-dir", "data"]).expect(1).out;
    assert!(shown.contains("\n      → run the newer pelton on it"), "{shown}");
}

#[test]
fn a_server_that_was_named_and_does_not_answer_fails() {
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("http://127.0.0.1:{port}");
    let checks = doctor(&place, &["-o", "json", "--server", &address]).expect(1).json();
    assert_eq!(check(&checks, "server")["status"], "fail");
}

#[test]
fn a_function_that_has_halted_is_named_and_the_directory_of_its_server_is_looked_at() {
    let place = Place::new();
    let server = Server::start(&place);
    let manifest = "[function]\nname = 'faulty'\n[[input]]\ntopic = 'in'\n[[output]]\nname = 'out'\n\
                    topic = 'fine'\n[delivery]\non_poison = 'halt'\n";
    place.write("faulty.toml", manifest);
    let data = ["doctor", "-o", "json", "--data-dir", "data"];
    server.pelton(&["deploy", &faulty(), "--manifest", "faulty.toml"]).expect(0);
    let calm = server.pelton(&data).json();
    for name in ["server", "clocks", "readiness", "topics", "replication", "refused"] {
        assert_eq!(check(&calm, name)["status"], "ok", "{name} in {calm:#}");
    }
    let holder = check(&calm, "lock")["detail"].as_str().unwrap();
    assert_eq!(holder, format!("process {} has it open", server.pid()));
    server.pelton_with(&["produce", "in"], "{\"value\":\"trap\"}\n").expect(0);
    while server.json(&["ls"])[0]["state"] != "stopped" {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let checks = server.pelton(&data).expect(1).json();
    let function = check(&checks, "function faulty");
    assert_eq!(function["status"], json!("fail"));
    assert!(function["next"].as_str().unwrap().contains("pelton resume faulty"), "{function}");
}

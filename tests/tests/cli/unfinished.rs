//! Runs that are stopped in the middle of their input.

use std::fs;
use std::process::Child;
use std::time::Duration;

use super::support::{Place, guest};

/// More than a segment of the journal holds, so that a kill finds it half appended.
const RECORDS: usize = 300_000;
/// Tries to kill it there.
const ATTEMPTS: usize = 10;

fn input() -> String {
    let value = "x".repeat(260);
    (0..RECORDS).map(|n| format!("{{\"key\":\"{n}\",\"value\":\"{value}\"}}\n")).collect()
}

/// Waits until the journal is in its second segment, and kills the process.
fn kill_in_second_segment(place: &Place, child: &mut Child) {
    let folder = place.path().join("data/segments");
    let segments = || {
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        files.filter(|file| !file.file_name().to_string_lossy().starts_with("spare-")).count()
    };
    while segments() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::park_timeout(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// `kill -9` while an input is appended, then the same command: each record counts once.
#[test]
fn after_a_kill_the_same_command_counts_every_record_once() {
    let place = Place::new();
    place.write("in.jsonl", input());
    let filter = guest("filter");
    let arguments =
        ["run", &filter, "--input", "in.jsonl", "--output", "out.jsonl", "--data-dir", "data"];
    // What is missing would be lost without a word.
    let nothing = ["run", &filter, "--input", "/dev/null", "--data-dir", "data"];
    let refused = (0..ATTEMPTS).find_map(|_| {
        let mut child = place.command(&arguments).spawn().unwrap();
        kill_in_second_segment(&place, &mut child);
        assert!(!place.path().join("out.jsonl").exists());
        let ended = place.pelton(&nothing);
        // On a busy machine the kill may come behind the last record: again, from the start.
        let came_late = ended.code == 0;
        if came_late {
            fs::remove_dir_all(place.path().join("data")).unwrap();
        }
        (!came_late).then_some(ended)
    });
    let ended = refused.expect("a kill in the middle").expect_error(3, "E-INPUT-UNFINISHED");
    assert!(ended.err.contains("records of in.jsonl were appended"), "{}", ended.err);
    assert!(ended.err.contains("--abandon-unfinished"), "{}", ended.err);

    place.pelton(&arguments).expect(0);
    let read = place.pelton(&["read", "--data-dir", "data", "filter.in"]).expect(0);
    let mut keys: Vec<usize> = read
        .out
        .lines()
        .map(|line| line.split('"').nth(7).and_then(|key| key.parse().ok()).expect(line))
        .collect();
    assert_eq!(keys.len(), RECORDS);
    keys.sort_unstable();
    assert!(keys.iter().enumerate().all(|(index, key)| index == *key));
    // It was run to its end: now the same input is a new one.
    place.write("in.jsonl", "{\"key\":\"0\",\"value\":\"x\"}\n");
    place.pelton(&arguments).expect(0);
}

/// As `run | head` leaves it: all is appended, but not all was written out.
#[test]
fn an_input_whose_outputs_were_not_written_out_is_not_appended_twice() {
    let place = Place::new();
    let input = "{\"key\":\"a\",\"value\":{\"dep_delay\":1}}\n";
    let arguments = ["run", &guest("flights_stats"), "--data-dir", "data"];
    let first = place.pelton_with(&arguments, input).expect(0);
    fs::remove_dir_all(place.path().join("data/written")).unwrap();
    let again = place.pelton_with(&arguments, input).expect(0);
    assert_eq!(first.out, again.out);
    let third = place.pelton_with(&arguments, input).expect(0);
    assert_eq!(third.records()[0]["value"]["flights"], 2);
}

#[test]
fn a_function_that_reads_what_it_writes_is_refused_before_anything_runs() {
    let place = Place::new();
    let input = "{\"key\":\"a\",\"value\":{\"dep_delay\":1}}\n";
    for (manifest, what) in [
        ("[[input]]\ntopic = \"t\"\n[[output]]\nname = \"out\"\ntopic = \"t\"\n", "an [[output]]"),
        ("[[input]]\ntopic = \"t\"\n[delivery]\ndead_letter = \"t\"\n", "dead_letter"),
    ] {
        place.write("pelton.toml", format!("[function]\nname = \"f\"\n{manifest}"));
        let arguments = ["run", &guest("flights_stats"), "--manifest", "pelton.toml"];
        let ended = place.pelton_with(&arguments, input).expect_error(3, "E-INPUT-LOOP");
        let text = format!("the topic t is an [[input]] and {what} at once");
        assert!(ended.err.contains(&text), "{}", ended.err);
    }
}

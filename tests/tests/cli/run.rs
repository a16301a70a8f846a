use rustix::process::Signal;

use super::support::{Ended, Place, faulty, guest};

const FLIGHTS: &str = "\
{\"key\":\"UA\",\"value\":{\"dep_delay\":2,\"dep_time\":1357034400000},\"timestamp\":1357034400000}
{\"key\":\"AA\",\"value\":{\"dep_delay\":null,\"dep_time\":null},\"timestamp\":1357034460000}
{\"key\":\"UA\",\"value\":{\"dep_delay\":4,\"dep_time\":1357034520000},\"timestamp\":1357034520000}
";

fn values(ended: &Ended, part: &str) -> Vec<String> {
    ended.records().iter().map(|record| record["value"][part].to_string()).collect()
}

#[test]
fn outputs_go_to_stdout_as_lines_by_topic() {
    let place = Place::new();
    let ended = place.pelton_with(&["run", &guest("router")], FLIGHTS).expect(0);
    let topics: Vec<_> = ended.records().iter().map(|r| r["topic"].clone()).collect();
    assert_eq!(topics, ["departed", "departed", "cancelled"]);
    let first = FLIGHTS.lines().next().unwrap();
    let first = first.replacen('{', "{\"topic\":\"departed\",", 1);
    assert_eq!(ended.out.lines().next().unwrap(), first);
    assert!(ended.err.contains("router: 3 records in, 3 out"), "{}", ended.err);
}

#[test]
fn the_output_of_one_function_is_the_input_of_another() {
    let place = Place::new();
    place.write("in.jsonl", FLIGHTS);
    let arguments = ["run", &guest("router"), "--input", "in.jsonl", "--output", "mid.jsonl"];
    assert!(place.pelton(&arguments).expect(0).out.is_empty());
    let ended = place.pelton(&["run", &guest("flights_stats"), "-i", "mid.jsonl"]).expect(0);
    assert_eq!(values(&ended, "flights"), ["1", "2", "1"]);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let place = Place::new();
    let lines: String = (0..3_000)
        .map(|n| {
            let delay = n % 97;
            let key = n % 13;
            format!(
                "{{\"key\":\"c{key}\",\"value\":{{\"dep_delay\":{delay}}},\"timestamp\":{n}}}\n"
            )
        })
        .collect();
    let stats = guest("flights_stats");
    let once = place.pelton_with(&["run", &stats], &lines).expect(0);
    let again = place.pelton_with(&["run", &stats], &lines).expect(0);
    assert_eq!(once.records().len(), 3_000);
    assert_eq!(once.out, again.out);
}

#[test]
fn state_goes_on_in_a_data_directory_and_only_new_records_come_out() {
    let place = Place::new();
    let stats = guest("flights_stats");
    let arguments = ["run", &stats, "--data-dir", "data"];
    let first = place.pelton_with(&arguments, FLIGHTS).expect(0);
    assert_eq!(values(&first, "flights"), ["1", "1", "2"]);
    let second = place.pelton_with(&arguments, FLIGHTS).expect(0);
    assert_eq!(values(&second, "flights"), ["3", "2", "4"]);
    let nothing = place.pelton_with(&arguments, "").expect(0);
    assert_eq!(nothing.records().len(), 0);
}

#[test]
fn a_second_process_on_a_data_directory_is_refused() {
    let place = Place::new();
    let folder = place.path().join("data");
    let journal = pelton_journal::Journal::open(&folder, pelton_journal::Config::default());
    let ended = place.pelton_with(&["run", &guest("router"), "--data-dir", "data"], FLIGHTS);
    let ended = ended.expect_error(1, "E-JOURNAL-LOCKED");
    assert!(ended.err.contains("stop that process"), "{}", ended.err);
    drop(journal);
}

#[test]
fn a_bad_line_stops_the_run_with_file_line_and_column() {
    let place = Place::new();
    place.write("in.jsonl", format!("{FLIGHTS}{{\"value\" 1}}\n"));
    let arguments = ["run", &guest("router"), "--input", "in.jsonl"];
    let ended = place.pelton(&arguments).expect_error(3, "E-INPUT-JSON");
    assert!(ended.err.contains("in.jsonl:4:10: "), "{}", ended.err);
    let skipped = [&arguments[..], &["--skip-bad-lines"]].concat();
    let ended = place.pelton(&skipped).expect(0);
    assert_eq!(ended.records().len(), 3);
    assert!(ended.err.contains("left out 1 bad line"), "{}", ended.err);
}

#[test]
fn a_bad_line_leaves_nothing_in_the_data_directory() {
    let place = Place::new();
    let stats = guest("flights_stats");
    let arguments = ["run", &stats, "--data-dir", "data"];
    let many = FLIGHTS.repeat(700) + "x\n";
    place.pelton_with(&arguments, &many).expect_error(3, "E-INPUT-JSON");
    let ended = place.pelton_with(&arguments, FLIGHTS).expect(0);
    assert_eq!(values(&ended, "flights"), ["1", "1", "2"]);
}

#[test]
fn outputs_that_were_not_written_out_are_written_by_the_next_run() {
    let place = Place::new();
    let stats = guest("flights_stats");
    let arguments = ["run", &stats, "--data-dir", "data"];
    let first = place.pelton_with(&arguments, FLIGHTS).expect(0);
    // As after a kill between the last commit and the end of the output.
    std::fs::remove_dir_all(place.path().join("data/written")).unwrap();
    let again = place.pelton_with(&arguments, "").expect(0);
    assert_eq!(first.out, again.out);
    assert_eq!(place.pelton_with(&arguments, "").expect(0).out, "");
}

#[test]
fn dead_letters_are_written_down_with_their_reasons() {
    let place = Place::new();
    let lines = format!("{{\"key\":\"k\",\"value\":\"no flight\"}}\n{FLIGHTS}");
    let arguments = ["run", &guest("router"), "--dead-letters", "dead.jsonl"];
    place.pelton_with(&arguments, &lines).expect(6);
    let dead: serde_json::Value = serde_json::from_str(&place.read("dead.jsonl")).unwrap();
    assert_eq!((&dead["key"], &dead["value"]), (&"k".into(), &"no flight".into()));
    let headers = dead["headers"].to_string();
    assert!(headers.contains(r#"["pelton-code","E-GUEST-FAILURE"]"#), "{headers}");
}

#[test]
fn a_record_that_the_function_cannot_do_is_shown_and_the_exit_code_tells() {
    let place = Place::new();
    let lines = format!("{FLIGHTS}{{\"key\":\"UA\",\"value\":\"no flight\"}}\n");
    let ended = place.pelton_with(&["run", &guest("router")], &lines).expect(6);
    assert_eq!(ended.records().len(), 3);
    assert!(ended.err.contains("1 record rejected"), "{}", ended.err);
    assert!(ended.err.contains("router.in:0:3"), "{}", ended.err);
}

#[test]
fn a_rejected_record_is_named_by_file_and_line_in_every_format() {
    let place = Place::new();
    place.write("in.jsonl", format!("{FLIGHTS}\n{{\"key\":\"UA\",\"value\":\"no flight\"}}\n"));
    place.write("in.txt", "{}\nno flight\n");
    // `flights_stats` needs a key: the row in line 4 has none.
    place.write("in.csv", "carrier,note,dep_delay\nUA,\"two\nlines\",2\n,,3\n");
    let run = |guest: &str, more: &[&str]| place.pelton(&[&["run", guest][..], more].concat());
    let router = guest("router");
    for (input, line) in [("in.jsonl", 5), ("in.txt", 2)] {
        let ended = run(&router, &["-i", input]).expect(6);
        assert!(ended.err.contains(&format!("{input}:{line} (router.in:")), "{}", ended.err);
    }
    let csv = ["-i", "in.csv", "--key-column", "carrier", "--data-dir", "data", "-o", "json"];
    for _ in 0..2 {
        // The second run appends behind the records of the first.
        let ended = run(&guest("flights_stats"), &csv).expect(6);
        let report: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
        assert_eq!(report["dead_letters"][0]["input"], "in.csv:4", "{}", ended.err);
    }
    let ended = place.pelton_with(&["run", &router], "{\"value\":\"x\"}").expect(6);
    assert!(ended.err.contains("<stdin>:1 ("), "{}", ended.err);
}

#[test]
fn configuration_that_the_function_never_reads_is_warned_of() {
    let place = Place::new();
    let count = guest("windowed_count");
    let arguments = ["run", &count, "--config", "size-ms=1000", "--config", "sise-ms=5"];
    let ended = place.pelton_with(&arguments, HOURS).expect(0);
    let warning = "warning: the function never read the configuration entry `sise-ms`; it read: ";
    assert!(ended.err.contains(warning), "{}", ended.err);
    assert!(!ended.err.contains("entry `size-ms`"), "{}", ended.err);
    let ended = place.pelton_with(&arguments, "").expect(0);
    assert!(!ended.err.contains("never read"), "it was not called: {}", ended.err);
}

#[test]
fn a_folder_is_no_input_and_one_of_its_files_is_offered() {
    let place = Place::new();
    let router = guest("router");
    let ended = place.pelton(&["run", &router, "-i", "."]).expect_error(3, "E-INPUT-FOLDER");
    assert!(ended.err.contains("next: give --input FILE"), "{}", ended.err);
    place.write("b.jsonl", "");
    place.write("a.wasm", "");
    let ended = place.pelton(&["run", &router, "-i", "."]).expect_error(3, "E-INPUT-FOLDER");
    assert!(ended.err.contains("such as --input b.jsonl"), "{}", ended.err);
}

#[test]
fn a_quote_that_is_never_closed_stops_the_run() {
    let place = Place::new();
    place.write("in.csv", "a,b\n1,\"2\n3,4\n");
    let ended = place.pelton(&["run", &guest("router"), "-i", "in.csv", "--skip-bad-lines"]);
    let ended = ended.expect_error(3, "E-INPUT-CSV");
    assert!(ended.err.contains("in.csv:2: a quote opens"), "{}", ended.err);
}

#[test]
fn a_data_directory_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    let arguments = ["run", &guest("router"), "--data-dir", "data"];
    place.pelton_with(&arguments, FLIGHTS).expect(0);
    let format = place.read("data/FORMAT");
    place.write("data/FORMAT", format.replace("journal 2", "journal 7"));
    let ended = place.pelton_with(&arguments, FLIGHTS).expect_error(1, "E-JOURNAL-NEWER");
    assert!(ended.err.contains("has journal format 7, this build reads up to 2"), "{}", ended.err);
    assert!(ended.err.contains("next: run the newer pelton"), "{}", ended.err);
    place.write("data/FORMAT", format);
    place.pelton_with(&arguments, FLIGHTS).expect(0);
}

#[test]
fn a_panic_is_told_in_one_line_with_its_place() {
    let place = Place::new();
    let line = "{\"value\":\"panic\"}\n";
    let ended = place.pelton_with(&["run", &faulty()], line).expect(6);
    let in_log = |line: &str| {
        line.contains(": panicked at ") && line.ends_with(": this function panics on purpose")
    };
    assert!(ended.err.lines().any(in_log), "{}", ended.err);
    let letter = "the function panicked at ";
    assert!(ended.err.contains(letter), "{}", ended.err);
}

/// The folders that are left in the place for temporary files.
fn temporary(place: &Place) -> usize {
    std::fs::read_dir(place.path().join("tmp")).unwrap().count()
}

/// Starts a command, sends it a signal once it has its folder, and expects nothing left.
fn interrupt(signal: Signal, arguments: &[&str], ready: impl Fn(&Place) -> bool) -> i32 {
    let place = Place::new();
    std::fs::create_dir(place.path().join("tmp")).unwrap();
    let mut command = place.command(arguments);
    let mut child = command.env("TMPDIR", place.path().join("tmp")).spawn().unwrap();
    while !ready(&place) {
        std::thread::park_timeout(std::time::Duration::from_millis(5));
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
    }
    assert_eq!(temporary(&place), 1);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, signal).unwrap();
    // Its stdin is open till here: it waits for records.
    let code = child.wait().unwrap().code();
    assert_eq!(temporary(&place), 0);
    code.unwrap_or(-1)
}

#[test]
fn neither_ctrl_c_nor_sigterm_leaves_a_temporary_folder() {
    let made = |place: &Place| temporary(place) > 0;
    let router = guest("router");
    assert_eq!(interrupt(Signal::INT, &["run", &router], made), 130);
    // With a journal in it, too.
    let opened = |place: &Place| {
        let folder = std::fs::read_dir(place.path().join("tmp")).unwrap().next();
        folder.is_some_and(|folder| folder.unwrap().path().join("segments").is_dir())
    };
    assert_eq!(interrupt(Signal::INT, &["run", &router], opened), 130);
    assert_eq!(interrupt(Signal::TERM, &["run", &router], opened), 130);
    assert_eq!(interrupt(Signal::INT, &["demo", "--once", "--port", "0"], opened), 130);
}

#[test]
fn a_manifest_can_stop_the_run_at_a_bad_record() {
    let place = Place::new();
    place.write("halt.toml", "[function]\nname = 'r'\n[delivery]\non_poison = 'halt'\n");
    let lines = format!("{{\"value\":\"no flight\"}}\n{FLIGHTS}");
    let arguments = ["run", &guest("router"), "--manifest", "halt.toml"];
    let ended = place.pelton_with(&arguments, &lines);
    assert_eq!(ended.code, 4, "{}", ended.err);
}

#[test]
fn csv_with_key_and_time_columns_is_read() {
    let place = Place::new();
    place.write("in.csv", "carrier,at,dep_delay\nUA,2013-01-01 05:00,2\nUA,2013-01-01 05:10,\n");
    let stats = guest("flights_stats");
    let csv = ["run", &stats, "-i", "in.csv", "--key-column", "carrier", "--time-column", "at"];
    let with_format = [&csv[..], &["--time-format", "%Y-%m-%d %H:%M"]].concat();
    let ended = place.pelton(&with_format).expect(0);
    assert_eq!(values(&ended, "cancelled"), ["0", "1"]);
    assert_eq!(ended.records()[1]["timestamp"], 1_357_017_000_000_i64);
    let ended = place.pelton(&csv).expect_error(3, "E-INPUT-CSV");
    assert!(ended.err.contains("in.csv:2: "), "{}", ended.err);
    let ended = place.pelton_with(&["run", &stats, "--key-column", "x"], "");
    ended.expect_error(2, "E-USAGE");
}

const HOURS: &str = "\
{\"key\":\"JFK\",\"value\":1,\"timestamp\":0}
{\"key\":\"JFK\",\"value\":1,\"timestamp\":1800000}
{\"key\":\"JFK\",\"value\":1,\"timestamp\":3600000}
{\"key\":\"JFK\",\"value\":1,\"timestamp\":5}
";

#[test]
fn windows_fire_by_the_flags_and_late_records_are_told() {
    let place = Place::new();
    let count = guest("windowed_count");
    let ended = place.pelton_with(&["run", &count], HOURS).expect(0);
    let by_topic = |ended: &Ended, topic: &str| {
        ended.records().iter().filter(|record| record["topic"] == topic).count()
    };
    assert_eq!((by_topic(&ended, "out"), by_topic(&ended, "late")), (2, 1));
    assert_eq!(values(&ended, "count")[0], "2");
    let half = place.pelton_with(&["run", &count, "--window", "30m"], HOURS).expect(0);
    assert_eq!(by_topic(&half, "out"), 3);
    let arguments = ["run", &count, "--out-of-orderness", "2h"];
    let none_late = place.pelton_with(&arguments, HOURS).expect(0);
    assert_eq!((by_topic(&none_late, "out"), by_topic(&none_late, "late")), (2, 0));
    assert_eq!(values(&none_late, "count")[0], "3");
}

#[test]
fn a_record_without_a_key_is_rejected_by_windows_and_the_exit_code_tells() {
    let place = Place::new();
    let lines = format!("{{\"value\":1}}\n{HOURS}");
    let ended = place.pelton_with(&["run", &guest("windowed_count")], &lines).expect(6);
    assert!(ended.err.contains("1 record rejected"), "{}", ended.err);
    assert!(ended.err.contains("<stdin>:1 ("), "{}", ended.err);
    assert!(ended.err.contains("the record has no key"), "{}", ended.err);
}

#[test]
fn a_wrong_manifest_names_every_line() {
    let place = Place::new();
    place.write("pelton.toml", "[function]\nname = 'f'\nnme = 1\n[window]\nsize = '1x'\n");
    let arguments = ["run", &guest("router"), "-m", "pelton.toml"];
    let ended = place.pelton(&arguments).expect_error(3, "E-MANIFEST");
    assert!(ended.err.contains("pelton.toml:3:1: `function.nme`: unknown key"), "{}", ended.err);
    assert!(ended.err.contains("pelton.toml:5:8: `window.size`"), "{}", ended.err);
}

#[test]
fn a_secret_that_is_not_set_is_missed_before_anything_runs() {
    let place = Place::new();
    let manifest = |name: &str| format!("[function]\nname = 'f'\n[secrets]\nnames = ['{name}']\n");
    place.write("pelton.toml", manifest("token"));
    let arguments = ["run", &guest("router"), "-m", "pelton.toml"];
    let ended = place.pelton_with(&arguments, FLIGHTS).expect(0);
    assert!(!ended.err.contains("s3cret"));
    place.write("pelton.toml", manifest("other-token"));
    let ended = place.pelton_with(&arguments, FLIGHTS).expect_error(3, "E-SECRET-MISSING");
    assert!(ended.err.contains("PELTON_SECRET_OTHER_TOKEN"), "{}", ended.err);
}

#[test]
fn the_report_is_json_on_request_and_never_among_the_records() {
    let place = Place::new();
    let arguments = ["run", &guest("router"), "-o", "json", "--output", "out.jsonl"];
    let ended = place.pelton_with(&arguments, FLIGHTS).expect(0);
    assert_eq!(ended.json()["records_in"], 3);
    assert_eq!(ended.json()["topics"]["departed"], 2);
    assert_eq!(place.read("out.jsonl").lines().count(), 3);
    let ended = place.pelton_with(&arguments[..4], FLIGHTS).expect(0);
    assert_eq!(ended.records().len(), 3);
    let report: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!(report["records_out"], 3);
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    place.pelton(&["run", "nope.wasm"]).expect_error(5, "E-FILE-NOT-FOUND");
    let ended = place.pelton(&["run", &guest("router"), "-i", "nope.jsonl"]);
    ended.expect_error(5, "E-FILE-NOT-FOUND");
    let ended = place.pelton(&["run", &guest("router"), "--output", "no/such/folder"]);
    ended.expect_error(5, "E-FILE-NOT-FOUND");
}

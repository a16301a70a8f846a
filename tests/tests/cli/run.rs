use super::support::{Ended, Place, guest};

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
    assert!(ended.err.contains("router.in partition 0 offset 3"), "{}", ended.err);
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

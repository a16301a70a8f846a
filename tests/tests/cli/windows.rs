//! Kinds of windows, in real WebAssembly: as the function declares them, and as the manifest and flags
//! replace them.

use super::support::{Place, built, guest};

const MINUTE: i64 = 60_000;

/// Records of two visitors in three hours, each up to twenty minutes out of order.
fn pages() -> String {
    let mut numbers = 1_u64;
    let mut below = |end: u64| {
        numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (numbers >> 33) % end
    };
    let line = |minute: i64, name: &str| {
        format!("{{\"key\":\"{name}\",\"value\":\"page\",\"timestamp\":{}}}\n", minute * MINUTE)
    };
    let lines = (0..60).map(|at| {
        let name = if below(2) == 0 { "ann" } else { "bob" };
        line(at * 3 - below(20) as i64 + 20, name)
    });
    lines.collect()
}

/// The visits of a plain recomputation: sorted times, cut where two are further apart than the gap.
fn visits(pages: &str, gap_minutes: i64) -> Vec<(String, i64, i64, u64)> {
    let mut times: Vec<(String, i64)> = pages
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            (record["key"].as_str().unwrap().to_owned(), record["timestamp"].as_i64().unwrap())
        })
        .collect();
    times.sort();
    let mut visits: Vec<(String, i64, i64, u64)> = Vec::new();
    for (name, time) in times {
        match visits.last_mut() {
            Some((last, _, until, records))
                if *last == name && time - *until <= gap_minutes * MINUTE =>
            {
                (*until, *records) = (time, *records + 1);
            }
            _ => visits.push((name, time, time, 1)),
        }
    }
    visits
}

fn told(records: &[serde_json::Value]) -> Vec<(String, i64, i64, u64)> {
    let visit = |record: &serde_json::Value| {
        let (key, value) = (record["key"].as_str().unwrap().to_owned(), &record["value"]);
        let number = |name: &str| value[name].as_i64().unwrap();
        (key, number("first"), number("last"), number("records") as u64)
    };
    let mut visits: Vec<_> = records.iter().map(visit).collect();
    visits.sort();
    visits
}

#[test]
fn sessions_are_those_of_a_plain_recomputation_however_the_input_is_cut() {
    let place = Place::new();
    let (module, pages) = (built("visits"), pages());
    place.write("pages.jsonl", &pages);
    for gap in [2, 5, 9] {
        let flag = format!("{gap}m");
        let mut answers = Vec::new();
        for records in [1, 7, 1_000] {
            let manifest = format!(
                "[function]\nname = \"visits\"\n\n[[input]]\ntopic = \"pages\"\n\n\
                 [[output]]\nname = \"out\"\ntopic = \"visits\"\n\n\
                 [[output]]\nname = \"late\"\ntopic = \"late\"\n\n[limits]\nbatch_records = {records}\n"
            );
            place.write("pelton.toml", manifest);
            let arguments = ["run", &module, "-m", "pelton.toml", "--input", "pages.jsonl"];
            let window = ["--gap", &flag, "--out-of-orderness", "30m"];
            answers.push(place.pelton(&[&arguments[..], &window].concat()).expect(0));
        }
        assert_eq!(told(&answers[0].records()), visits(&pages, gap), "gap {gap}");
        assert!(answers.iter().all(|answer| answer.out == answers[0].out), "gap {gap}");
    }
}

#[test]
fn the_manifest_replaces_the_kind_of_windows_and_one_that_cannot_be_is_refused() {
    let place = Place::new();
    let count = guest("windowed_count");
    let lines: String =
        (0..5).map(|at| format!("{{\"key\":\"a\",\"timestamp\":{at}}}\n")).collect();
    let with = |window: &str| {
        let manifest = format!("[function]\nname = \"count\"\n\n[window]\n{window}\n");
        place.write("pelton.toml", manifest);
        place.pelton_with(&["run", &count, "-m", "pelton.toml"], &lines)
    };
    let counts = |window: &str| -> Vec<i64> {
        let records = with(window).expect(0).records();
        records.iter().map(|record| record["value"]["count"].as_i64().unwrap()).collect()
    };
    assert_eq!(counts("count = 2"), [2, 2, 1]);
    assert_eq!(counts("global = true"), [5]);
    assert_eq!(counts("early_records = 2"), [2, 4, 5]);
    assert_eq!(counts("early_records = 2\ndiscard = true"), [2, 2, 1]);
    // Five records, a millisecond apart: windows of 3 ms that slide over them.
    assert_eq!(counts("sliding = \"3ms\""), [1, 2, 3, 3, 3, 2, 1]);
    assert_eq!(counts("calendar = \"day\"\ntime_zone = \"Asia/Tokyo\""), [5]);
    assert_eq!(counts("size = \"1h\"\nearly_every = \"2ms\""), [3, 5, 5]);
    let error = with("time_zone = \"Mars/Olympus\"").expect_error(3, "E-MANIFEST");
    assert!(error.err.contains("\"Mars/Olympus\" is no time zone"), "{}", error.err);
    let error = with("gap = \"1m\"").expect_error(3, "E-MANIFEST-WINDOW");
    assert!(error.err.contains("declare sessions in its code"), "{}", error.err);
    let error = with("gap = \"1m\"\ncount = 3").expect_error(3, "E-MANIFEST");
    assert!(error.err.contains("pelton.toml:") && error.err.contains("of different kinds"));
}

#[test]
fn the_time_of_a_record_is_what_it_tells_itself() {
    let place = Place::new();
    let count = guest("windowed_count");
    let line = |value: &str| format!("{{\"key\":\"a\",\"value\":{value},\"timestamp\":7}}\n");
    let lines = [
        line(r#"{"at":"2026-03-29T00:30:00+01:00"}"#),
        line(r#"{"at":"2026-03-29T23:30:00+02:00"}"#),
        line(r#"{"at":"2026-03-30T00:00:00+02:00"}"#),
    ]
    .concat();
    let manifest = "[function]\nname = \"count\"\n\n[[input]]\ntopic = \"in\"\nevent_time = \"/at\"\n\n\
                    [window]\ncalendar = \"day\"\ntime_zone = \"Europe/Berlin\"\n";
    place.write("pelton.toml", manifest);
    let run = |lines: &str, flags: &[&str]| {
        let arguments = [&["run", &count, "-m", "pelton.toml"], flags].concat();
        place.pelton_with(&arguments, lines)
    };
    let days: Vec<_> = run(&lines, &[])
        .expect(0)
        .records()
        .iter()
        .map(|record| {
            let number = |name: &str| record["value"][name].as_i64().unwrap();
            (number("count"), (number("end") - number("start")) / (60 * MINUTE))
        })
        .collect();
    assert_eq!(days, [(2, 23), (1, 24)], "the day on which summer time begins has 23 hours");

    let untimed = run(&line("{}"), &[]).expect(6);
    assert!(untimed.err.contains("E-RECORD-TIME"), "{}", untimed.err);
    let by_flag =
        run(&line(r#"{"t":3600.5}"#), &["--event-time", "/t", "--event-time-format", "s"]);
    assert_eq!(by_flag.expect(0).records()[0]["value"]["count"], 1);
    let no_field = run(&lines, &["--event-time", "at"]);
    assert!(no_field.err.contains("JSON pointer"), "{}", no_field.err);
}

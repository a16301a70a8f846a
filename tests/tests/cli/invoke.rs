use super::support::{Place, faulty, guest};

#[test]
fn the_operations_of_one_call_are_shown_by_name() {
    let place = Place::new();
    let stats = guest("flights_stats");
    let arguments = ["invoke", &stats, "--key", "UA", "--value", "{\"dep_delay\":5}"];
    let ended = place.pelton(&arguments).expect(0);
    for word in ["put", "carriers", "emit", "out", "\"flights\":1"] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    let ended = place.pelton(&[&arguments[..], &["-o", "json"]].concat()).expect(0).json();
    let kinds: Vec<_> = ended.as_array().unwrap().iter().map(|op| &op["operation"]).collect();
    assert!(kinds.contains(&&"put".into()) && kinds.contains(&&"emit".into()), "{kinds:?}");
}

#[test]
fn what_is_stored_is_shown_decoded() {
    let place = Place::new();
    let arguments =
        ["invoke", &guest("flights_stats"), "--key", "UA", "--value", "{\"dep_delay\":5}"];
    let ended = place.pelton(&arguments).expect(0);
    let put = ended.out.lines().find(|line| line.contains("put")).unwrap();
    assert!(put.contains("\"cancelled\":0"), "{put}");
    let ended = place.pelton(&[&arguments[..], &["-o", "json"]].concat()).expect(0).json();
    let all = ended.as_array().unwrap();
    let put = all.iter().find(|op| op["operation"] == "put").unwrap();
    assert_eq!(put["value"]["cancelled"], 0, "{put}");
}

#[test]
fn a_record_that_is_refused_shows_the_reason_and_the_exit_code_tells() {
    let place = Place::new();
    let ended = place.pelton(&["invoke", &guest("router"), "--value", "no flight"]).expect(6);
    assert!(ended.out.contains("reject"), "{}", ended.out);
}

#[test]
fn a_record_that_the_function_fails_on_is_an_error_of_the_function() {
    let place = Place::new();
    place.pelton(&["invoke", &faulty(), "--value", "trap"]).expect_error(4, "E-GUEST-TRAP");
    place.pelton(&["invoke", &faulty(), "--value", "loop"]).expect_error(4, "E-GUEST-DEADLINE");
}

#[test]
fn a_function_on_windows_shows_the_window_and_what_it_sends_at_its_end() {
    let place = Place::new();
    let count = guest("windowed_count");
    let arguments = ["invoke", &count, "-k", "JFK", "-V", "1", "-t", "2013-01-01T05:30:00Z"];
    let ended = place.pelton(&arguments).expect(0);
    let window = "window 2013-01-01T05:00:00Z to 2013-01-01T06:00:00Z";
    assert!(ended.err.contains(window), "{}", ended.err);
    for word in ["sent to", "out", "\"JFK\"", "\"count\":1"] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    let json = [&arguments[..], &["-o", "json", "--window", "1m"]].concat();
    let shown = place.pelton(&json).expect(0).json();
    assert_eq!(shown["windows"][0]["start"], 1_357_018_200_000_i64);
    assert_eq!(shown["windows"][0]["end"], 1_357_018_260_000_i64);
    assert_eq!(shown["sent"][0]["value"]["count"], 1);
    let no_key = place.pelton(&["invoke", &count, "-V", "1"]).expect(6);
    assert!(no_key.err.contains("the record has no key"), "{}", no_key.err);
}

#[test]
fn a_timestamp_before_1970_is_taken_and_one_beyond_all_dates_refused() {
    let place = Place::new();
    let router = guest("router");
    let at = |time: &'static str| {
        let arguments = ["invoke", &router, "--value", "{\"dep_delay\":1}", "--timestamp", time];
        place.pelton(&arguments)
    };
    at("-1000").expect(0);
    at("-9223372036854775808").expect_error(3, "E-RECORD-TIMESTAMP");
}

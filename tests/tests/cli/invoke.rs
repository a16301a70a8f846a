use super::support::{Place, guest};

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
fn a_record_that_is_refused_shows_the_reason() {
    let place = Place::new();
    let ended = place.pelton(&["invoke", &guest("router"), "--value", "no flight"]).expect(0);
    assert!(ended.out.contains("reject"), "{}", ended.out);
}

#[test]
fn a_function_on_windows_says_what_to_do_instead() {
    let place = Place::new();
    let ended = place.pelton(&["invoke", &guest("windowed_count"), "--value", "1"]);
    ended.expect_error(3, "E-INVOKE-WINDOW");
}

use super::support::{Place, guest};

/// A data directory that the router has run in.
fn place() -> Place {
    let place = Place::new();
    let lines: String = (0..5)
        .map(|n| format!("{{\"key\":\"UA\",\"value\":{{\"dep_delay\":{n},\"dep_time\":{n}}},\"timestamp\":{n}}}\n"))
        .collect();
    place.pelton_with(&["run", &guest("router"), "--data-dir", "data"], &lines).expect(0);
    place
}

#[test]
fn the_records_of_a_topic_are_printed_from_an_offset_on() {
    let place = place();
    let all = place.pelton(&["read", "--data-dir", "data", "departed"]).expect(0);
    assert_eq!(all.records().len(), 5);
    assert_eq!(all.records()[4]["value"]["dep_delay"], 4);
    let rest = place.pelton(&["read", "--data-dir", "data", "departed", "--from", "3"]).expect(0);
    let timestamps: Vec<_> = rest.records().iter().map(|r| r["timestamp"].clone()).collect();
    assert_eq!(timestamps, [3, 4]);
    let none = place.pelton(&["read", "--data-dir", "data", "departed", "--from", "5"]).expect(0);
    assert_eq!(none.out, "");
    let past = place.pelton(&["read", "--data-dir", "data", "departed", "--from", "99"]).expect(0);
    assert_eq!(past.out, "");
    // What is printed can be read again.
    let again = place.pelton_with(&["run", &guest("router")], &all.out).expect(0);
    assert_eq!(again.out, all.out);
}

#[test]
fn without_a_topic_the_topics_are_listed() {
    let place = place();
    let table = place.pelton(&["read", "--data-dir", "data"]).expect(0).out;
    assert!(table.contains("router.in") && table.contains("departed"), "{table}");
    let list = place.pelton(&["read", "--data-dir", "data", "-o", "json"]).expect(0).json();
    let departed = list.as_array().unwrap().iter().find(|topic| topic["topic"] == "departed");
    assert_eq!(departed.unwrap()["records"], 5);
}

#[test]
fn what_is_not_there_is_named_and_nothing_is_made() {
    let place = place();
    let ended = place.pelton(&["read", "--data-dir", "data", "nope"]);
    let ended = ended.expect_error(5, "E-TOPIC-NOT-FOUND");
    assert!(ended.err.contains("there are: ") && ended.err.contains("departed"), "{}", ended.err);
    place.pelton(&["read", "--data-dir", "other"]).expect_error(5, "E-DATA-DIR-NOT-FOUND");
    assert!(!place.path().join("other").exists());
    place.pelton(&["read", "--data-dir", "data", "x", "--from", "latest"]).expect(2);
}

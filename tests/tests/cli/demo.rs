use super::support::Place;

#[test]
fn the_demo_agrees_with_the_recomputation_and_shows_its_tables() {
    let ended = Place::new().pelton(&["demo", "--once"]).expect(0);
    for word in [
        "United Air Lines",
        "ExpressJet",
        "06:00",
        "JFK",
        "checked: 51,955 flights of 16 carriers",
        "agree with a plain recomputation",
        "windowed-count",
    ] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
}

#[test]
fn the_demo_as_json_has_every_figure() {
    let demo = Place::new().pelton(&["demo", "--once", "-o", "json"]).expect(0).json();
    assert_eq!(demo["agrees"], true);
    assert_eq!(demo["results"]["departed"], 50_173);
    assert_eq!(demo["results"]["carriers"].as_object().unwrap().len(), 16);
}

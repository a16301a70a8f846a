//! Profiles of a manifest, and its schema.

use crate::support::{Place, guest};

const MANIFEST: &str = "\
[function]
name = \"f\"
[[input]]
topic = \"in\"
[profile.strict.delivery]
on_poison = \"halt\"
";

#[test]
fn a_profile_is_in_force_where_it_is_asked_for() {
    let place = Place::new();
    place.write("pelton.toml", MANIFEST);
    let run = ["run", &guest("router"), "--manifest", "pelton.toml"];
    let rejected = "{\"value\":\"not a flight\"}\n";
    place.pelton_with(&run, rejected).expect(6);
    place.pelton_with(&[&run[..], &["--profile", "strict"]].concat(), rejected).expect(4);
    let ended = place.pelton_with(&[&run[..], &["--profile", "prod"]].concat(), rejected);
    let ended = ended.expect_error(3, "E-MANIFEST");
    assert!(
        ended.err.contains("there is no profile \"prod\"; the file has: strict"),
        "{}",
        ended.err
    );
}

#[test]
fn a_function_that_keeps_other_state_than_the_manifest_lists_is_refused() {
    let place = Place::new();
    place.write("pelton.toml", format!("{MANIFEST}[[store]]\nname = \"seen\"\n"));
    let run = ["run", &guest("router"), "--manifest", "pelton.toml"];
    let ended = place.pelton_with(&run, "").expect_error(3, "E-MANIFEST-STORE");
    assert!(ended.err.contains("lists `seen`"), "{}", ended.err);
}

#[test]
fn the_schema_is_printed_and_a_new_project_has_it() {
    let place = Place::new();
    let printed = place.pelton(&["schema"]).expect(0).out;
    let schema: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(schema["properties"]["limits"]["properties"]["panes"]["minimum"], 1);
    place.pelton(&["new", "hello"]).expect(0);
    assert_eq!(place.read("hello/.pelton/pelton.schema.json"), printed);
    let line = place.read("hello/pelton.toml").lines().next().unwrap().to_owned();
    assert_eq!(line, "#:schema .pelton/pelton.schema.json");
}

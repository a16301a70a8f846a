//! Parquet in, as users give it.

use std::path::PathBuf;

use super::support::{Place, guest};

/// A file that another program has written.
fn types() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures/parquet/types.parquet").display().to_string()
}

#[test]
fn a_function_runs_over_exported_records_as_over_those_that_they_were() {
    let place = Place::new();
    let lines: String = (0..50)
        .map(|n| {
            let (carrier, delay) = (["UA", "AA", "B6"][n % 3], n * 7 % 31);
            format!(
                "{{\"key\":\"{carrier}\",\"value\":{{\"carrier\":\"{carrier}\",\"dep_delay\":{delay},\
                 \"dep_time\":517}},\"timestamp\":{n},\"headers\":{{\"n\":\"{n}\"}}}}\n"
            )
        })
        .collect();
    let router = guest("router");
    let live = place.pelton_with(&["run", &router, "--data-dir", "data"], &lines).expect(0);
    assert!(live.records().len() >= 50);
    for format in ["parquet", "jsonl"] {
        let export = ["export", "router.in", "--data-dir", "data", "--to", "out"];
        place.pelton(&[&export[..], &["--format", format]].concat()).expect(0);
        let file = format!("out/router.in-0-{:020}-{:020}.{format}", 0, 999_999);
        let again = place.pelton(&["run", &router, "--input", &file]).expect(0);
        assert_eq!(again.out, live.out, "{format}");
    }
}

#[test]
fn rows_of_any_parquet_file_are_records_by_their_columns() {
    let place = Place::new();
    let router = guest("router");
    let run = ["run", &router, "--input"];
    let some = ["--key-column", "name", "--time-column", "ms", "--skip-bad-lines"];
    let ended = place.pelton(&[&run[..], &[&types()], &some].concat()).expect(0);
    let why = "types.parquet:3: the column \"ms\": timestamp is missing";
    assert!(ended.err.contains(why), "{}", ended.err);
    let first = &ended.records()[0];
    assert_eq!(
        (&first["key"], &first["timestamp"]),
        (&"ann".into(), &1_357_016_400_000_i64.into())
    );
    assert_eq!(first["value"]["list"], serde_json::json!([1, 2, null]));
    let nope = place.pelton(&[&run[..], &[&types(), "--key-column", "nope"]].concat());
    nope.expect_error(3, "E-INPUT-PARQUET");
    place.write("cut.parquet", &std::fs::read(types()).unwrap()[..1_000]);
    let cut = place.pelton(&[&run[..], &["cut.parquet"]].concat());
    assert!(cut.expect_error(3, "E-INPUT-PARQUET").err.contains("cut.parquet: "));
    let lines = place.pelton(&[&run[..], &["x.jsonl", "--key-column", "a"]].concat());
    assert!(lines.expect_error(2, "E-USAGE").err.contains("CSV and Parquet only"));
}

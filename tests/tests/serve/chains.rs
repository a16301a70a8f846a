//! Functions that read what others write, and tables that each task reads as a whole.

use serde_json::Value;

use crate::server::Server;
use crate::support::{Place, built};

fn deploy(place: &Place, server: &Server<'_>, name: &str, wasm: &str, rest: &str) {
    let manifest = format!("{name}.toml");
    place.write(&manifest, format!("[function]\nname = \"{name}\"\n{rest}"));
    server.pelton(&["deploy", &built(wasm), "--manifest", &manifest]).expect(0);
}

/// Records of all keys for one partition after the other: what the tasks of the first function write is
/// hours apart.
#[test]
fn windows_of_what_another_function_writes_are_complete_though_its_tasks_are_hours_apart() {
    let place = Place::new();
    let server = Server::start(&place);
    let long = "x".repeat(120);
    deploy(
        &place,
        &server,
        "long",
        "filter",
        "[[input]]\ntopic = \"in\"\npartitions = 4\n\
         [[output]]\nname = \"out\"\ntopic = \"mid\"\npartitions = 1\n",
    );
    deploy(
        &place,
        &server,
        "counts",
        "windowed_count",
        "[[input]]\ntopic = \"mid\"\n[[output]]\nname = \"out\"\ntopic = \"counts\"\n\
         [[output]]\nname = \"late\"\ntopic = \"late\"\n",
    );
    let hour = 3_600_000_i64;
    for partition in 0..4 {
        // Eight hours of one partition, then those of the next; the last record closes them.
        let record = |at: i64| {
            format!("{{\"key\":\"p{partition}\",\"value\":\"{long}\",\"timestamp\":{at}}}\n")
        };
        let mut lines: String = (0..80).map(|n| record(n * hour / 10)).collect();
        lines.push_str(&record(9 * hour));
        let partition = partition.to_string();
        server.pelton_with(&["produce", "in", "--partition", &partition], &lines).expect(0);
    }
    let mut counts = server.values("counts", 0, 32);
    counts.sort_by_key(|count| count["start"].as_i64());
    for (at, count) in counts.iter().enumerate() {
        assert_eq!(count["start"].as_i64().unwrap(), at as i64 / 4 * hour);
        assert_eq!(count["count"], 10, "{count}");
    }
    assert_eq!(server.json(&["status", "counts"])["late"], 0);
}

#[test]
fn a_table_that_is_broadcast_is_read_by_each_task_as_a_whole() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "carriers", "--compacted", "--partitions", "3"]).expect(0);
    let inputs = "[[input]]\ntopic = \"flights\"\npartitions = 2\nidle_timeout = \"1s\"\n\
                  [[input]]\ntopic = \"carriers\"\n";
    let output = "[[output]]\nname = \"out\"\ntopic = \"named\"\n";
    place.write("unequal.toml", format!("[function]\nname = \"n\"\n{inputs}{output}"));
    let wasm = built("carrier_names");
    let refused = server.pelton(&["deploy", &wasm, "--manifest", "unequal.toml"]);
    let refused = refused.expect_error(3, "E-INPUT-PARTITIONS");
    assert!(refused.err.contains("`broadcast = true`"), "{}", refused.err);
    let rest = format!("{inputs}broadcast = true\nidle_timeout = \"1s\"\n{output}");
    deploy(&place, &server, "named", "carrier_names", &rest);
    let names: String = ["UA", "AA", "DL", "US", "B6"]
        .iter()
        .map(|carrier| {
            format!("{{\"key\":\"{carrier}\",\"value\":{{\"name\":\"{carrier} Inc\"}},\"timestamp\":1}}\n")
        })
        .collect();
    server.pelton_with(&["produce", "carriers"], &names).expect(0);
    for partition in ["0", "1"] {
        let flights: String = ["UA", "AA", "DL", "US", "B6"]
            .iter()
            .map(|carrier| format!("{{\"value\":{{\"carrier\":\"{carrier}\"}},\"timestamp\":5}}\n"))
            .collect();
        let last = "{\"value\":{\"carrier\":\"UA\"},\"timestamp\":9}\n";
        let flights = flights + last;
        server.pelton_with(&["produce", "flights", "--partition", partition], &flights).expect(0);
    }
    let told = server.values("named", 0, 10);
    for flight in &told {
        let name = format!("{} Inc", flight["carrier"].as_str().unwrap());
        assert_eq!(flight["name"], Value::String(name), "{flight}");
    }
    let status = server.json(&["status", "named"]);
    let inputs = status["tasks"][0]["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 4, "one of the flights, three of the table: {inputs:?}");
    assert_eq!(server.json(&["status", "named"])["lag"], 0);
}

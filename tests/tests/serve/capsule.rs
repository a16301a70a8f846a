//! A capsule on the command line: exported from a server, run without one.

use crate::server::Server;
use crate::support::{Place, built};

const MANIFEST: &str = "[function]\nname = \"stats\"\n[[input]]\ntopic = \"in\"\npartitions = 1\n";

#[test]
fn a_fault_is_exported_and_runs_again_without_the_server() {
    let place = Place::new();
    let server = Server::start(&place);
    place.write("stats.toml", MANIFEST);
    server.pelton(&["deploy", &built("running_stats"), "--manifest", "stats.toml"]).expect(0);
    server.pelton(&["capsule", "export", "stats"]).expect_error(3, "E-CAPSULE-NONE");
    let records = "{\"key\":\"a\",\"value\":1}\n{\"key\":\"a\",\"value\":\"oops\"}\n";
    server.pelton_with(&["produce", "in"], records).expect(0);
    server.values("stats.dead", 0, 1);
    let exported = server.json(&["capsule", "export", "stats"]);
    assert_eq!((&exported["file"], &exported["version"]), (&"stats.capsule".into(), &1.into()));
    assert_eq!(exported["recorded"]["faults"][0]["place"], "in:0:1", "{exported}");
    // What is there already is not written over, and a wrong place is named.
    server.pelton(&["capsule", "export", "stats"]).expect_error(3, "E-CAPSULE-FILE");
    let wrong = ["capsule", "export", "stats", "--file", "x", "--record", "in:one"];
    assert!(server.pelton(&wrong).expect(2).err.contains("TOPIC:PARTITION:OFFSET"));
    let by_letter = ["--dead-letter", "stats.dead:0:0", "--file", "letter.capsule"];
    server.pelton(&[&["capsule", "export", "stats"][..], &by_letter].concat()).expect(0);
    drop(server);
    for file in ["stats.capsule", "letter.capsule"] {
        let again = place.pelton(&["capsule", "run", file]).expect(0);
        assert!(again.out.contains("fault: in:0:1: "), "{}", again.out);
        assert!(again.out.contains("the same fault as recorded"), "{}", again.out);
        let report = place.pelton(&["capsule", "run", file, "-o", "json"]).expect(0).json();
        assert_eq!((&report["verdict"], &report["unknown_reads"]), (&"same".into(), &0.into()));
        // A module that mends it, and one that does not.
        let mended = ["capsule", "run", file, "--wasm", &built("deduplicate")];
        assert!(place.pelton(&mended).expect(0).out.contains("passes"));
        place.pelton(&["capsule", "run", file, "--wasm", &built("running_stats_v1")]).expect(6);
    }
    let mut bytes = std::fs::read(place.path().join("stats.capsule")).unwrap();
    std::fs::write(place.path().join("short"), &bytes[..bytes.len() - 1]).unwrap();
    bytes[8] = 9;
    std::fs::write(place.path().join("newer"), &bytes).unwrap();
    place.write("text", "hello");
    for (file, code) in [
        ("short", "E-CAPSULE-DAMAGED"),
        ("newer", "E-CAPSULE-VERSION"),
        ("text", "E-CAPSULE-FORMAT"),
    ] {
        place.pelton(&["capsule", "run", file]).expect_error(3, code);
    }
    place.pelton(&["capsule", "run", "none"]).expect_error(5, "E-FILE-NOT-FOUND");
}

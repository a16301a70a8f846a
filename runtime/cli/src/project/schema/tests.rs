mod conform;
mod reference;

use std::path::Path;

use pelton_core::Manifest;
use pelton_core::manifest::ManifestFile;

use super::*;

/// Each key that the schema knows is one that the manifest knows. (That it knows all of them is
/// asserted where it is made.)
#[test]
fn the_schema_has_the_keys_of_the_manifest() {
    let schema = schema();
    for (table, value) in schema["properties"].as_object().unwrap() {
        let keys = value["properties"].as_object();
        let keys = keys.or_else(|| value["items"]["properties"].as_object());
        let Some(keys) = keys else { continue };
        let head =
            if value["type"] == "array" { format!("[[{table}]]") } else { format!("[{table}]") };
        // The tables of a pipeline are read where there is one.
        let before = if table == "topic" { "[pipeline]\nname = \"p\"\n" } else { "" };
        for key in keys.keys() {
            // A date is no key's type: known keys complain about it, unknown ones about themselves.
            let text = format!("{before}{head}\n{key} = 2020-01-01\n");
            let error = Manifest::parse(&text, "f").unwrap_err().to_string();
            assert!(error.contains(key.as_str()), "{error}");
            assert!(!error.contains("unknown key"), "{error}");
        }
        let text = format!("{before}{head}\nno-such-key = 1\n");
        assert!(Manifest::parse(&text, "f").unwrap_err().to_string().contains("unknown key"));
    }
    let limits = schema["properties"]["limits"]["properties"].as_object().unwrap();
    assert_eq!(limits.len(), Limits::default().all().count());
    let member = &schema["properties"]["functions"]["additionalProperties"]["properties"];
    assert_eq!(member["limits"], schema["properties"]["limits"]);
    let profile = &schema["properties"]["profile"]["additionalProperties"]["properties"];
    assert_eq!(profile["limits"], schema["properties"]["limits"]);
    assert!(profile.get("profile").is_none());
}

#[test]
fn the_schema_in_docs_is_up_to_date() {
    is_up_to_date("pelton.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_reference_in_docs_is_up_to_date() {
    is_up_to_date("manifest.md", &reference::page(&schema()));
}

fn is_up_to_date(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("PELTON_UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "docs/{name} is not what the code says: write it with \
         `PELTON_UPDATE=1 cargo test --release --workspace --lib schema`"
    );
}

/// Every manifest that this repository shows to people is right by the schema and by the parser.
#[test]
fn manifests_of_the_repository_are_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let template = crate::project::template::files("hello", "sdk");
    let mut manifests: Vec<String> =
        template.filter(|(path, _)| *path == "pelton.toml").map(|(_, text)| text).collect();
    for page in ["README.md", "docs/cli.md", "docs/pipelines.md"] {
        let page = std::fs::read_to_string(root.join(page)).unwrap();
        let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let whole =
            |block: &str| match ["[function]", "[pipeline]"].iter().any(|t| block.contains(t)) {
                true => block.to_owned(),
                false => format!("[function]\nname = \"f\"\n{block}"),
            };
        manifests.extend(blocks.map(whole));
    }
    assert!(manifests.len() >= 3, "{}", manifests.len());
    let schema = schema();
    for text in manifests {
        ManifestFile::parse(&text, "f", None).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let value: Value = toml::from_str(&text).unwrap();
        conform::check(&schema, &value).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

/// What the schema says of a key's value is what the parser says of it.
#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let wrong = [
        "[[input]]\ntopic = \"t\"\nbatch_records = 0",
        "[[input]]\ntopic = \"t\"\nbatch_records = 65537",
        "[[input]]\ntopic = \"t\"\nbatch_bytes = 16777217",
        "[[input]]\ntopic = \"t\"\nmax_wait = \"soon\"",
        "[[input]]\nname = \"t\"",
        "[[store]]\nname = \"s\"\nttl = 5",
        "[delivery]\non_poison = \"drop\"",
        "[canary]\nmax_latency_ratio = 0.01",
        "[canary]\nmin_calls = 0",
        "[limits]\nbatch_records = 0",
        "[profile.p.delivery]\nretry = 1",
    ];
    let schema = schema();
    for more in wrong {
        let text = format!("[function]\nname = \"f\"\n{more}\n");
        assert!(Manifest::parse(&text, "f").is_err(), "{text}");
        let value: Value = toml::from_str(&text).unwrap();
        assert!(conform::check(&schema, &value).is_err(), "{text}");
    }
    let pipeline = "[pipeline]\nname = \"p\"\n[[functions.f.input]]\ntopic = \"t\"\n";
    let wrong = [
        "",
        "[function]\nname = \"f\"",
        "[[topic]]\nname = \"t\"\npartitions = 0",
        "[[topic]]\nname = \"t\"\ninternal = \"yes\"",
        "[functions.f]\nname = \"g\"",
        "[functions.g]\npath = \"g\"",
        "[profile.x.functions.f.limits]\nbatch_records = 0",
    ];
    for more in wrong {
        let text = format!("{pipeline}{more}\n");
        let value: Value = toml::from_str(&text).unwrap();
        let by_parser = ManifestFile::parse(&text, "f", None).is_err();
        assert_eq!(conform::check(&schema, &value).is_err(), by_parser, "{text}");
        assert_eq!(by_parser, !more.is_empty(), "{text}");
    }
}

/// What is said to be the default is it, and what stands as an example is right.
#[test]
fn defaults_and_examples_are_right() {
    let schema = schema();
    for (table, of) in schema["properties"].as_object().unwrap() {
        let keys = of["properties"].as_object().or_else(|| of["items"]["properties"].as_object());
        for (key, value) in keys.into_iter().flatten() {
            let examples = value["examples"].as_array().into_iter().flatten();
            for example in examples.chain(value.get("default")) {
                conform::check(value, example)
                    .unwrap_or_else(|error| panic!("{table}.{key} = {example}: {error}"));
            }
        }
    }
    let manifest =
        Manifest::parse("[function]\nname = \"f\"\n[[input]]\ntopic = \"t\"", "f").unwrap();
    let [input] = &manifest.inputs[..] else { panic!("one input") };
    assert_eq!((input.partitions, input.out_of_orderness_ms, input.batch.max_wait_ms), (1, 0, 0));
    assert_eq!(input.start, pelton_core::Start::Earliest);
    assert_eq!(manifest.delivery, pelton_core::manifest::Delivery::default());
}

//! The repository held to its own rules.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may depend on, of Pelton's own crates. The binary may use any.
const MAY_USE: &[(&str, &[&str])] = &[
    ("pelton-batch", &[]),
    ("pelton-core", &["pelton-batch"]),
    // Beyond the batch layout only for its native test harness, never for wasm.
    (
        "pelton-sdk",
        &["pelton-batch", "pelton-sdk-macros", "pelton-core", "pelton-state", "pelton-engine"],
    ),
    ("pelton-journal", &["pelton-core", "pelton-batch"]),
    ("pelton-otel", &[]),
    ("pelton-state", &["pelton-core", "pelton-batch"]),
    ("pelton-kafka", &["pelton-core", "pelton-batch"]),
    ("pelton-host", &["pelton-core", "pelton-batch"]),
    ("pelton-engine", &["pelton-state", "pelton-core", "pelton-batch"]),
    (
        "pelton-server",
        &[
            "pelton-engine",
            "pelton-host",
            "pelton-journal",
            "pelton-kafka",
            "pelton-state",
            "pelton-core",
            "pelton-batch",
        ],
    ),
];
/// Crates that only one crate of the runtime may name.
const SOLE_USER: &[(&str, &str)] = &[("wasmtime", "pelton-host"), ("rdkafka", "pelton-kafka")];
const LINES_MAX: usize = 600;
/// How a file begins that a test writes.
const GENERATED: &str = "// Made by tests/";

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_path_buf()
}

/// Every file of the repository with one of these extensions, build results left out.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", ".kafka", "node_modules", "corpus"].contains(&&*name) {
                    directories.push(path);
                }
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found.sort();
    found
}

/// Names under `[dependencies]` (and target and build dependencies, not those of tests), by crate.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let mut crates = BTreeMap::new();
    for manifest in files(&["Cargo.toml"]) {
        let text = fs::read_to_string(&manifest).unwrap();
        let (mut name, mut found, mut section) = (None, Vec::new(), "");
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']');
            } else if section == "package" && line.starts_with("name") {
                name = line.split('"').nth(1).map(str::to_owned);
            } else if section.ends_with("dependencies")
                && !section.contains("dev-")
                && section != "workspace.dependencies"
                && let Some(word) = line.split(['.', ' ', '=']).next()
                && !word.is_empty()
                && !word.starts_with('#')
            {
                found.push(word.to_owned());
            }
        }
        if let Some(name) = name {
            crates.insert(name, found);
        }
    }
    crates
}

#[test]
fn crates_depend_only_downwards() {
    let crates = dependencies();
    for (name, allowed) in MAY_USE {
        let Some(used) = crates.get(*name) else {
            continue;
        };
        for other in used.iter().filter(|other| other.starts_with("pelton")) {
            assert!(allowed.contains(&other.as_str()), "{name} may not depend on {other}");
        }
    }
}

#[test]
fn only_host_names_wasmtime_and_only_kafka_names_rdkafka() {
    for (name, used) in dependencies() {
        for (crate_name, owner) in SOLE_USER {
            let names = used.iter().any(|used| used.starts_with(crate_name));
            let bench = name == "pelton-benches";
            assert!(
                !names || bench || name == *owner,
                "{name} names {crate_name}; only {owner} may"
            );
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for manifest in files(&["Cargo.toml"]) {
        let text = fs::read_to_string(&manifest).unwrap();
        let guest = manifest.starts_with(root().join("guest-examples"));
        let own_workspace =
            guest || text.contains("[workspace]") || !text.contains("workspace = true");
        let takes = text.contains("[lints]\nworkspace = true");
        assert!(own_workspace || takes, "{}: no `[lints] workspace = true`", manifest.display());
    }
}

#[test]
fn files_are_short_and_finished() {
    // Spelt in two so that this file passes its own test.
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[", "ignore"),
    ];
    let mut complaints = Vec::new();
    for file in files(&[".rs", ".js", ".mjs", ".css"]) {
        let text = fs::read_to_string(&file).unwrap();
        if text.starts_with(GENERATED) {
            continue;
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            complaints.push(format!("{}: {lines} lines, at most {LINES_MAX}", file.display()));
        }
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", file.display(), number + 1);
            for word in banned.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{place}: {word}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn no_file_names_a_place_outside_the_repository() {
    let banned = [
        concat!("/wo", "rk/"),
        concat!("/tmp/", "target"),
        concat!("..", "/shared/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let mut complaints = Vec::new();
    for file in files(&[".rs", ".toml", ".md", ".sh", ".wit", ".json", ".js", ".mjs", ".ci/run"]) {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in banned.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_npm_locks_is_told_by_its_hash_and_not_by_where_it_was_fetched() {
    for file in files(&["package-lock.json"]) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"integrity\": \"sha512-"), "{}", file.display());
        let complaint = "strip `resolved`: npm's omit-lockfile-registry-resolved does";
        assert!(!text.contains("\"resolved\""), "{}: {complaint}", file.display());
    }
}

/// What `cargo tree` says of every package that this selection builds: its name, version, features.
fn packages(selection: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--locked", "--offline", "--prefix", "none", "--no-dedupe"]);
    command.args(["--format", "{p} [{f}]"]).args(selection).current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_demo_is_built_from_what_the_tests_have_built() {
    let demo = packages(&["--package", "pelton", "--edges", "normal,build"]);
    let tests = packages(&["--workspace", "--edges", "normal,build,dev"]);
    let other: Vec<_> = demo.difference(&tests).map(String::as_str).collect();
    assert!(
        other.is_empty(),
        "`cargo run` after `cargo xtask test` would build these again, and what uses them; turn on \
         in runtime/cli/Cargo.toml the features that the tests turn on:\n{}",
        other.join("\n")
    );
}

//! The test suites: what each runs, and what it needs.
//!
//! Suites select their tests out of the whole workspace (`--workspace --test NAME`) and not by
//! package: with another set of packages, cargo would unify features anew and build wasmtime again.

use anyhow::{Result, bail};

use crate::report::{Outcome, Report};
use crate::workspace::{cargo, cargo_in, run};
use crate::{console, guests, kafka, openapi};

/// What is done where a suite's tools are missing.
#[derive(Clone, Copy)]
pub(crate) enum Missing {
    Fails,
    LeavesOut,
}

/// What keeps a suite from running.
pub(crate) enum Lack {
    /// A program that can be installed.
    Tool(String),
    /// Something that this machine cannot allow: never a failure, always reported.
    Machine(String),
}

pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    lacks: fn() -> Option<Lack>,
    body: fn() -> Result<()>,
}

pub(crate) const ALL: &[Suite] = &[
    Suite {
        name: "guests",
        about: "the guest examples build for wasm; the checked-in ones answer as a fresh build",
        lacks: || None,
        body: guests::build_and_check,
    },
    Suite {
        name: "guest-examples",
        about: "the guest examples' own tests, native",
        lacks: || None,
        body: || run(&mut cargo_in("guest-examples", ["test", "--workspace"])),
    },
    Suite {
        name: "workspace",
        about: "every test of the workspace that needs nothing but cargo",
        lacks: || None,
        body: || {
            // One run names everything that fails: a cold run of the suites takes half an hour.
            let targets = ["--lib", "--bins", "--tests", "--examples"];
            run(cargo(["test", "--release", "--workspace", "--no-fail-fast"]).args(targets))
        },
    },
    Suite {
        name: "doctests",
        about: "the examples in the documentation",
        lacks: || None,
        body: || run(&mut cargo(["test", "--release", "--workspace", "--doc"])),
    },
    Suite {
        name: "console",
        about: "the console in a real browser (Node.js 20 or later, npm, Chromium)",
        lacks: || console::lacks().map(Lack::Tool),
        body: console::tests,
    },
    Suite {
        name: "openapi",
        about: "the API against its document, by schemathesis (Python 3.11 or later with venv, pip)",
        lacks: || openapi::lacks().map(Lack::Tool),
        body: openapi::tests,
    },
    Suite {
        name: "kafka",
        about: "source and sink against a real Apache Kafka (Java 17 or later, Maven)",
        lacks: || kafka::lacks().map(Lack::Tool),
        body: kafka_tests,
    },
    Suite {
        name: "full-disk",
        about: "a server and its functions on a disk without a free byte (root, to mount a tmpfs)",
        lacks: || full_disk_lacks().map(Lack::Tool),
        body: || {
            let tests = ["--test", "serve", "--", "full::"];
            let mut command = cargo(["test", "--release", "--workspace"]);
            run(command.args(tests).env("PELTON_TEST_FULL_DISK", "1"))
        },
    },
    Suite {
        name: "power-cut",
        about: "the journal on a file system whose power is cut (root, loop devices)",
        lacks: || power_cut_lacks().map(Lack::Machine),
        body: || {
            let tests = ["--test", "power_cut", "--", "--nocapture", "--test-threads=1"];
            let mut command = cargo(["test", "--release", "--workspace"]);
            run(command.args(tests).env("PELTON_TEST_POWER_CUT", "1"))
        },
    },
];

impl Suite {
    /// Runs the suite as a step of the report.
    pub(crate) fn run(&self, report: &mut Report, missing: Missing) -> Result<()> {
        report.step(&format!("test {}", self.name), || match ((self.lacks)(), missing) {
            (Some(Lack::Tool(what)), Missing::Fails) => {
                bail!("the suite `{}` is required, but {what}", self.name)
            }
            (Some(Lack::Tool(what) | Lack::Machine(what)), _) => Ok(Outcome::LeftOut(what)),
            (None, _) => (self.body)().map(|()| Outcome::Passed),
        })
    }
}

/// Tests that run against a broker only where the environment names one; the rest of their files
/// has run with the workspace.
fn kafka_tests() -> Result<()> {
    let broker = kafka::Broker::start()?;
    let tests = ["--test", "broker", "--test", "conformance", "--", "--test-threads=2"];
    let mut command = cargo(["test", "--release", "--workspace"]);
    run(command.args(tests).env("PELTON_TEST_KAFKA", broker.address()))
}

/// Why no small file system can be mounted here, if so.
fn full_disk_lacks() -> Option<String> {
    said_by(
        r#"
        dir=$(mktemp -d)
        mount -t tmpfs -o size=1m tmpfs "$dir" 2>/dev/null && umount "$dir" ||
            echo "this machine lets nobody mount a tmpfs: run it as root"
        rm -rf "$dir"
    "#,
    )
}

/// Why no file system can be mounted from a file here, if so.
fn power_cut_lacks() -> Option<String> {
    let script = r#"
        [ "$(uname -s)" = Linux ] || { echo "it needs Linux"; exit; }
        [ "$(id -u)" = 0 ] || { echo "it needs root for loop mounts"; exit; }
        for tool in losetup mkfs.ext4 mount umount; do
            command -v $tool >/dev/null || { echo "$tool is not installed"; exit; }
        done
        dir=$(mktemp -d)
        truncate -s 8M "$dir/image" && mkfs.ext4 -q "$dir/image" && mkdir "$dir/mount" &&
            mount -o loop "$dir/image" "$dir/mount" 2>/dev/null && umount "$dir/mount" ||
            echo "this machine allows no loop mounts"
        rm -rf "$dir"
    "#;
    said_by(script)
}

/// What a script says that tells what is missing.
fn said_by(script: &str) -> Option<String> {
    let mut command = std::process::Command::new("sh");
    let said = crate::workspace::output(command.args(["-c", script]));
    let said = said.unwrap_or_else(|error| format!("cannot tell whether it could run: {error:#}"));
    Some(said.trim().to_owned()).filter(|said| !said.is_empty())
}

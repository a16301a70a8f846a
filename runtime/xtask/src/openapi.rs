//! The API's tests by schemathesis: a real server, asked whatever its document allows, and more.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{self, cargo, path};

/// Versions of all packages, schemathesis' own dependencies included.
const REQUIREMENTS: &str = "tests/openapi/requirements.txt";
const PYTHON: &str = "python3";

/// Why the tests cannot run here, if so.
pub(crate) fn lacks() -> Option<String> {
    let probe = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    let probed = Command::new(PYTHON).args(["-c", probe]).output();
    let works = probed.is_ok_and(|probed| probed.status.success());
    (!works).then(|| {
        "there is no `python3`, 3.11 or later, with `venv` and `pip`; install it (Debian: `apt-get \
         install python3-venv`)"
            .into()
    })
}

/// Installs schemathesis where it is not yet, and runs the tests.
pub(crate) fn tests() -> Result<()> {
    let schemathesis = installed()?;
    let tests = ["--test", "serve", "openapi::", "--", "--nocapture"];
    let mut command = cargo(["test", "--release", "--workspace"]);
    workspace::run(command.args(tests).env("PELTON_TEST_SCHEMATHESIS", schemathesis))
}

/// The program, in an environment of its own that holds exactly what the requirements name.
fn installed() -> Result<PathBuf> {
    let wanted = fs::read_to_string(path(REQUIREMENTS))?;
    let home = workspace::target().join("schemathesis");
    let (bin, stamp) = (home.join("bin"), home.join("installed.txt"));
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        let mut venv = Command::new(PYTHON);
        workspace::run(venv.args(["-m", "venv", "--clear"]).arg(&home))?;
        let mut pip = Command::new(bin.join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        workspace::run(
            pip.args(["--no-deps", "--only-binary", ":all:", "-r"]).arg(path(REQUIREMENTS)),
        )?;
        fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    }
    Ok(bin.join("schemathesis"))
}

//! The console's tests: a real server, looked at by a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::guests;
use crate::workspace::{self, cargo, path};

const DIRECTORY: &str = "tests/console";
const NODE_MIN: u32 = 20;
/// Where Debian and others put the browser. None is downloaded.
const BROWSERS: [&str; 3] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Why the tests cannot run here, if so.
pub(crate) fn lacks() -> Option<String> {
    match node_version() {
        None => return Some(format!("there is no `node`; install Node.js {NODE_MIN} or later")),
        Some(version) if version < NODE_MIN => {
            return Some(format!("`node` is version {version}; {NODE_MIN} or later is needed"));
        }
        Some(_) => {}
    }
    if !workspace::answers("npm", "--version") {
        return Some("there is no `npm`; install it with Node.js".into());
    }
    browser().is_none().then(|| {
        "there is no Chromium; install it (Debian: `apt-get install chromium`), or name it in \
         PELTON_TEST_CHROMIUM"
            .into()
    })
}

/// Builds what is tested, installs Playwright from the lock file, and runs the tests.
pub(crate) fn tests() -> Result<()> {
    guests::build()?;
    workspace::run(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
    if !path(DIRECTORY).join("node_modules/.package-lock.json").exists() {
        workspace::run(Command::new("npm").arg("ci").current_dir(path(DIRECTORY)))?;
    }
    let mut test = Command::new("npm");
    test.args(["test", "--silent"]).current_dir(path(DIRECTORY));
    test.env("PELTON_TEST_BIN", workspace::target().join("release/pelton"));
    test.envs(browser().map(|browser| ("PELTON_TEST_CHROMIUM", browser)));
    workspace::run(&mut test)
}

fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("PELTON_TEST_CHROMIUM").map(PathBuf::from);
    let known = BROWSERS.iter().map(PathBuf::from);
    named.into_iter().chain(known).find(|path| Path::exists(path))
}

/// The major version of `node`.
fn node_version() -> Option<u32> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

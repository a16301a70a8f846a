//! Running the command line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// stdout as lines of JSON.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// stdout as one JSON value.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).expect(&self.out)
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Asserts that it failed with this exit code, this error code, and a next step.
    #[track_caller]
    pub(crate) fn expect_error(self, code: i32, error: &str) -> Self {
        let ended = self.expect(code);
        assert!(ended.err.contains(&format!("error[{error}]: ")), "{}", ended.err);
        assert!(ended.out.is_empty(), "{}", ended.out);
        ended
    }
}

/// A folder of its own to run commands in.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    pub(crate) fn pelton(&self, arguments: &[&str]) -> Ended {
        self.pelton_with(arguments, "")
    }

    /// `pelton` here, with pipes for all its streams.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pelton-test"));
        command.args(arguments).current_dir(self.path());
        command.env_remove("PELTON_LOG").env("PELTON_SECRET_TOKEN", "s3cret");
        // Projects of one name would overwrite each other's files in a shared folder.
        command.env_remove("CARGO_TARGET_DIR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `pelton` here with this on stdin.
    pub(crate) fn pelton_with(&self, arguments: &[&str], stdin: &str) -> Ended {
        let mut child = self.command(arguments).spawn().unwrap();
        // A command that does not read its input closes it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A built guest example.
pub(crate) fn guest(name: &str) -> String {
    example(&format!("prebuilt/{name}.wasm"))
}

/// The example that misbehaves as its records say. `cargo xtask guests` builds it.
pub(crate) fn faulty() -> String {
    built("faulty")
}

/// Another guest example that `cargo xtask guests` builds.
pub(crate) fn built(name: &str) -> String {
    example(&format!("target/wasm32-unknown-unknown/release/{name}.wasm"))
}

fn example(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../guest-examples");
    root.join(path).display().to_string()
}

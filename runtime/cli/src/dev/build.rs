//! Building in a process of its own, which can be stopped with everything that it has started.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

use crate::clock::Stopwatch;
use crate::error::{CliError, Result};
use crate::exit::Exit;

/// A build that runs. Dropping it stops it.
pub(crate) struct Build {
    group: Option<Pid>,
}

/// How a build ended.
#[derive(Debug)]
pub(crate) struct Built {
    /// The module, where it is one, or why there is none.
    pub wasm: Result<Option<PathBuf>>,
    /// How long it took.
    pub seconds: f64,
}

#[derive(Deserialize)]
struct Done {
    /// Absent where the functions of a pipeline were built.
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Failed {
    error: Detail,
}

#[derive(Deserialize)]
struct Detail {
    code: String,
    text: String,
    next: Option<String>,
}

impl Build {
    /// Starts `pelton build` for the project in `folder`: what it says goes to `line`, and its end to
    /// `end`, both on a thread of their own.
    ///
    /// # Errors
    /// Where this program cannot be started once more.
    pub(crate) fn start(
        folder: &Path,
        color: bool,
        line: impl Fn(String) + Send + 'static,
        end: impl FnOnce(Built) + Send + 'static,
    ) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let text = format!("cannot start a build: {error}");
            CliError::new("E-TOOL", Exit::Failure, text)
        };
        let clock = Stopwatch::start();
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["build", "-o", "json", "--path"]).arg(folder).process_group(0);
        if color {
            command.env("CARGO_TERM_COLOR", "always");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(failed)?;
        let group = Pid::from_raw(child.id().cast_signed());
        std::thread::spawn(move || {
            let wasm = follow(child, line);
            end(Built { wasm, seconds: clock.seconds() });
        });
        Ok(Self { group })
    }
}

impl Build {
    /// It has ended by itself: its number may be another process's by now.
    pub(crate) fn ended(mut self) {
        self.group = None;
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn follow(mut child: Child, line: impl Fn(String)) -> Result<Option<PathBuf>> {
    let mut error = None;
    for text in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let Ok(text) = text else { break };
        match serde_json::from_str::<Failed>(&text) {
            Ok(Failed { error: detail }) => error = Some(detail),
            Err(_) => line(text),
        }
    }
    let mut out = String::new();
    let _ = child.stdout.take().map(|mut stdout| stdout.read_to_string(&mut out));
    let status = child.wait();
    if let (Ok(true), Ok(Done { file })) =
        (status.as_ref().map(std::process::ExitStatus::success), serde_json::from_str(&out))
    {
        return Ok(file);
    }
    let Detail { code, text, next } = error.unwrap_or_else(|| Detail {
        code: "E-BUILD".to_owned(),
        text: "the build was stopped".to_owned(),
        next: None,
    });
    let next = match code.as_str() {
        "E-BUILD" => Some("mend what it reported above: saving builds again".to_owned()),
        _ => next,
    };
    Err(CliError { next, ..CliError::bad_input(&code, text) })
}

//! Starting the compiler's process, feeding it, and ending it at its limit.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pelton_core::Limits;

use super::child::{EXIT_REFUSED, Refusal, arguments};
use crate::error::{ErrorKind, HostError, Result};

/// Threads of the compiler: each costs address space, which is limited.
const THREADS: &str = "4";
/// Most that is read of what a compiler complains.
const STDERR_BYTES_MAX: u64 = 64 * 1024;

/// The program that calls [`compile_child_main`](crate::compile_child_main), with the arguments
/// that bring it there.
#[derive(Debug, Clone)]
pub struct CompileCommand {
    /// The program.
    pub program: PathBuf,
    /// What stands before the limits on its command line.
    pub arguments: Vec<String>,
}

/// How a compiler ended.
struct Ended {
    status: ExitStatus,
    timed_out: bool,
    stdout: Vec<u8>,
    stderr: String,
}

impl CompileCommand {
    /// Compiles in a child process; its environment is empty, so that it holds no secret.
    pub(super) fn run(&self, wasm: &[u8], limits: &Limits) -> Result<Vec<u8>> {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .args(arguments(limits))
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let ended = child.and_then(|child| attend(child, wasm, limits)).map_err(|error| {
            HostError::io(format!("the compiler {}", self.program.display()), &error)
        })?;
        verdict(ended, limits)
    }
}

/// Feeds the child and takes what it writes, until it ends or its time is over.
fn attend(mut child: Child, wasm: &[u8], limits: &Limits) -> io::Result<Ended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let output_max = limits.compile_memory_bytes.value;
    let wall = Duration::from_millis(limits.compile_wall_ms.value);
    std::thread::scope(|scope| {
        // A child that ends early closes its stdin: what it says of that is what matters.
        let feeder = scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(wasm)));
        let complaints = scope.spawn(move || read(stderr, STDERR_BYTES_MAX));
        let (done, is_done) = channel();
        let reader = scope.spawn(move || {
            let read = read(stdout, output_max);
            // The other side is gone only where the time was over.
            let _ = done.send(());
            read
        });
        let timed_out = is_done.recv_timeout(wall) == Err(RecvTimeoutError::Timeout);
        if timed_out {
            child.kill()?;
        }
        let joined = || io::Error::other("a thread that served the compiler panicked");
        let stdout = reader.join().map_err(|_| joined())??;
        let stderr = complaints.join().map_err(|_| joined())??;
        drop(feeder.join());
        let status = child.wait()?;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(Ended { status, timed_out, stdout, stderr })
    })
}

fn read(from: Option<impl Read>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// What the end of a compiler means.
fn verdict(ended: Ended, limits: &Limits) -> Result<Vec<u8>> {
    let Ended { status, timed_out, stdout, stderr } = ended;
    let limit = |what: String| {
        let text = format!("{what}; make the module smaller, or raise the limit");
        Err(HostError::new(ErrorKind::CompileLimit, text))
    };
    if timed_out {
        let wall = limits.compile_wall_ms.value;
        return limit(format!("compiling took more than {wall} ms (limit `compile_wall_ms`)"));
    }
    if status.success() {
        return Ok(stdout);
    }
    if status.code() == Some(i32::from(EXIT_REFUSED)) {
        return Err(refused(&stderr));
    }
    let no_memory = NO_MEMORY.iter().any(|sign| stderr.contains(sign));
    match status.signal() {
        Some(SIGXCPU | SIGKILL) => {
            let cpu = limits.compile_cpu_ms.value;
            limit(format!("compiling used more than {cpu} ms of CPU (limit `compile_cpu_ms`)"))
        }
        _ if no_memory => {
            let memory = limits.compile_memory_bytes.value;
            limit(format!("compiling needs over {memory} bytes (limit `compile_memory_bytes`)"))
        }
        _ => {
            let complaint = complaint(&stderr);
            let text = format!("the compiler crashed on this module ({status}): {complaint}");
            Err(HostError::new(ErrorKind::Compile, text))
        }
    }
}

/// What a compiler complains of that gets no more memory: the allocator, a map, the stack of a thread.
const NO_MEMORY: [&str; 5] =
    ["memory allocation of", "os error 12", "out of memory", "os error 11", "code: 11,"];

/// What a crashed compiler said last, but for what it says of itself.
fn complaint(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| !line.is_empty() && !line.starts_with("note: "));
    let lines: Vec<_> = lines.collect();
    let last = &lines[lines.len().saturating_sub(2)..];
    last.join(" ").chars().take(500).collect()
}

const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

fn refused(stderr: &str) -> HostError {
    let refusal = stderr.lines().rev().find_map(|line| serde_json::from_str::<Refusal>(line).ok());
    let Some(Refusal { code, message }) = refusal else {
        return HostError::new(ErrorKind::Compile, "the compiler refused it and did not say why");
    };
    let known = ErrorKind::ALL.iter().copied().find(|kind| kind.code() == code);
    HostError::new(known.unwrap_or(ErrorKind::Compile), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(raw: i32, timed_out: bool, stderr: &str) -> ErrorKind {
        let status = ExitStatus::from_raw(raw);
        let ended = Ended { status, timed_out, stdout: Vec::new(), stderr: stderr.into() };
        verdict(ended, &Limits::default()).unwrap_err().kind
    }

    #[test]
    fn the_end_of_a_compiler_is_told_apart_by_limit_refusal_and_crash() {
        assert_eq!(ended(SIGKILL, true, ""), ErrorKind::CompileLimit);
        assert_eq!(ended(SIGXCPU, false, ""), ErrorKind::CompileLimit);
        assert_eq!(ended(6, false, "memory allocation of 9 bytes failed"), ErrorKind::CompileLimit);
        assert_eq!(ended(11, false, ""), ErrorKind::Compile);
        assert_eq!(ended(101 << 8, false, "panicked"), ErrorKind::Compile);
        let thread = "failed to spawn thread: Os { code: 11, message: \"... (os error 11)\" }";
        assert_eq!(ended(101 << 8, false, thread), ErrorKind::CompileLimit);
        let line = r#"{"code":"E-MODULE-IMPORT","message":"x"}"#;
        assert_eq!(ended(3 << 8, false, line), ErrorKind::Import);
        assert_eq!(ended(3 << 8, false, "noise"), ErrorKind::Compile);
    }
}

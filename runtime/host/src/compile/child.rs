//! The compiler's own process.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use pelton_core::Limits;
use pelton_core::limits::Limit;
use rustix::process::{Resource, Rlimit, nice, setrlimit};

use super::compile;
use crate::error::{HostError, Result};

/// The module was refused: code and text stand on stderr.
pub(super) const EXIT_REFUSED: u8 = 3;
/// The arguments or the input could not be read.
pub(super) const EXIT_USAGE: u8 = 64;
/// How much nicer than its parent a compiler is to the guests that run meanwhile.
const NICE: i32 = 10;

/// What a refusal looks like on stderr: one line of JSON.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

/// The limits as arguments, `name=value`.
pub(super) fn arguments(limits: &Limits) -> impl Iterator<Item = String> {
    limits.all().map(|limit| format!("{}={}", limit.name, limit.value))
}

/// What the program that [`CompileCommand`](super::CompileCommand) names does: reads limits from
/// its arguments (`name=value`) and puts itself under them, reads WebAssembly from stdin, and
/// writes the compiled artefact to stdout.
///
/// Exit codes: 0 where it did; 3 where the module was refused, with `{"code", "message"}` on
/// stderr; 64 where arguments or input could not be read. At its limits the process is killed.
pub fn compile_child_main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let limits = match read_limits(arguments) {
        Ok(limits) => limits,
        Err(text) => return fail(EXIT_USAGE, &text),
    };
    if let Err(error) = confine(&limits) {
        return fail(EXIT_USAGE, &format!("cannot limit the compiler: {error}"));
    }
    let wasm = match read_input(&limits.component_bytes) {
        Ok(wasm) => wasm,
        Err(error) => return fail(EXIT_USAGE, &format!("cannot read the module: {error}")),
    };
    match compile(&wasm, &limits) {
        Ok(artefact) => match io::stdout().lock().write_all(&artefact) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(EXIT_USAGE, &format!("cannot write the artefact: {error}")),
        },
        Err(error) => fail(EXIT_REFUSED, &refusal(&error)),
    }
}

fn refusal(error: &HostError) -> String {
    let (code, message) = (error.kind.code().into(), error.message().into());
    serde_json::to_string(&Refusal { code, message }).unwrap_or_else(|error| error.to_string())
}

fn fail(code: u8, text: &str) -> ExitCode {
    // Without a stderr there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}

fn read_limits(arguments: impl IntoIterator<Item = String>) -> Result<Limits, String> {
    let mut limits = Limits::default();
    for argument in arguments {
        let (name, value) =
            argument.split_once('=').ok_or_else(|| format!("not name=value: {argument}"))?;
        let value = value.parse().map_err(|error| format!("{argument}: {error}"))?;
        limits.set(name, value).map_err(|error| error.to_string())?;
    }
    Ok(limits)
}

fn read_input(limit: &Limit) -> io::Result<Vec<u8>> {
    let mut wasm = Vec::new();
    io::stdin().lock().take(limit.value + 1).read_to_end(&mut wasm)?;
    Ok(wasm)
}

/// Limits CPU time and address space, takes core dumps away, and steps back behind the guests.
fn confine(limits: &Limits) -> io::Result<()> {
    let seconds = limits.compile_cpu_ms.value.div_ceil(1_000);
    let set = |resource, soft, hard| {
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })
    };
    set(Resource::Cpu, seconds, seconds + 1)?;
    set(Resource::As, limits.compile_memory_bytes.value, limits.compile_memory_bytes.value)?;
    set(Resource::Core, 0, 0)?;
    nice(NICE)?;
    Ok(())
}

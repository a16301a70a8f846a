//! `wasi:cli` and the directories of `wasi:filesystem`: no environment, no arguments, no terminal,
//! no files; standard output and error are the function's log.

use pelton_core::{Fault, FaultKind};
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime::{Error, Result, StoreContextMut};

use super::lines::Output;
use super::resources::{Absent, InputStream, OutputStream, TerminalInput, TerminalOutput, handle};
use crate::instance::HostState;

type Caller<'a> = StoreContextMut<'a, HostState>;

/// Adds a function of `wasi:cli`; false where there is no such.
pub(super) fn add(instance: &mut LinkerInstance<'_, HostState>, name: &str) -> Result<bool> {
    match name {
        "get-environment" => {
            instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((Vec::<(String, String)>::new(),)))
        }
        "get-arguments" => {
            instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((Vec::<String>::new(),)))
        }
        "initial-cwd" => instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((None::<String>,))),
        "exit" => instance.func_wrap(name, |_: Caller<'_>, (status,): (Result<(), ()>,)| {
            Err::<(), _>(exit(if status.is_ok() { "ok" } else { "error" }))
        }),
        "exit-with-code" => instance
            .func_wrap(name, |_: Caller<'_>, (code,): (u8,)| Err::<(), _>(exit(&code.to_string()))),
        "get-stdin" => {
            instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((handle::<InputStream>(),)))
        }
        "get-stdout" => output(instance, name, Output::Stdout),
        "get-stderr" => output(instance, name, Output::Stderr),
        "get-terminal-stdin" => {
            instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((None::<Resource<TerminalInput>>,)))
        }
        "get-terminal-stdout" | "get-terminal-stderr" => instance
            .func_wrap(name, |_: Caller<'_>, (): ()| Ok((None::<Resource<TerminalOutput>>,))),
        _ => return Ok(false),
    }
    .map(|()| true)
}

/// Adds the function of `wasi:filesystem/preopens`: there are no directories.
pub(super) fn add_preopens(
    instance: &mut LinkerInstance<'_, HostState>,
    name: &str,
) -> Result<bool> {
    if name != "get-directories" {
        return Ok(false);
    }
    type Directories = Vec<(Resource<Absent>, String)>;
    instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((Directories::new(),)))?;
    Ok(true)
}

fn output(instance: &mut LinkerInstance<'_, HostState>, name: &str, output: Output) -> Result<()> {
    let number = output.number();
    instance.func_wrap(name, move |_: Caller<'_>, (): ()| {
        Ok((Resource::<OutputStream>::new_own(number),))
    })
}

/// A function has no process to end: it answers each call, or it is at fault.
fn exit(status: &str) -> Error {
    let text = format!(
        "the function called `wasi:cli/exit` ({status}): a function answers its calls; return a \
         failure instead"
    );
    Error::new(Fault::new(FaultKind::Trap, text))
}

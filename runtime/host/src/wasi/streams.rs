//! `wasi:io`: standard input is at its end, standard output and error are log lines, and whatever
//! can be waited for is ready.

use pelton_core::{Fault, FaultKind};
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, WasmList};
use wasmtime::{Error, Result, StoreContextMut};

use super::lines::Output;
use super::resources::{InputStream, IoError, OutputStream, Pollable, handle};
use crate::instance::HostState;

type Caller<'a> = StoreContextMut<'a, HostState>;

/// Most bytes of one write, which is what `check-write` answers; more is a fault.
const WRITE_BYTES_MAX: u64 = 65_536;
/// Most pollables of one poll; more, or none, is a fault. Each counts as a handle meanwhile.
const POLL_MAX: usize = 500;

#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the type has cases that never happen here")]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// Adds a function of `wasi:io`; false where there is no such, or it is not answered.
pub(super) fn add(instance: &mut LinkerInstance<'_, HostState>, name: &str) -> Result<bool> {
    let member = name.strip_prefix("[method]").and_then(|method| method.split_once('.'));
    match member {
        Some(("input-stream", method)) => add_input(instance, name, method),
        Some(("output-stream", method)) => add_output(instance, name, method),
        Some(("pollable", "ready")) => instance
            .func_wrap(name, |_: Caller<'_>, (_,): (Resource<Pollable>,)| Ok((true,)))
            .map(|()| true),
        Some(("pollable", "block")) => instance
            .func_wrap(name, |_: Caller<'_>, (_,): (Resource<Pollable>,)| Ok(()))
            .map(|()| true),
        None if name == "poll" => instance.func_wrap(name, poll).map(|()| true),
        _ => Ok(false),
    }
}

fn add_input(
    instance: &mut LinkerInstance<'_, HostState>,
    name: &str,
    method: &str,
) -> Result<bool> {
    type Arguments = (Resource<InputStream>, u64);
    match method {
        "read" | "blocking-read" => instance.func_wrap(name, |_: Caller<'_>, _: Arguments| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        }),
        "skip" | "blocking-skip" => instance.func_wrap(name, |_: Caller<'_>, _: Arguments| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        }),
        "subscribe" => instance.func_wrap(name, |_: Caller<'_>, _: (Resource<InputStream>,)| {
            Ok((handle::<Pollable>(),))
        }),
        _ => return Ok(false),
    }
    .map(|()| true)
}

fn add_output(
    instance: &mut LinkerInstance<'_, HostState>,
    name: &str,
    method: &str,
) -> Result<bool> {
    type Stream = (Resource<OutputStream>,);
    match method {
        "check-write" => instance.func_wrap(name, |_: Caller<'_>, _: Stream| {
            Ok((Ok::<_, StreamError>(WRITE_BYTES_MAX),))
        }),
        "write" | "blocking-write-and-flush" => instance.func_wrap(name, write),
        // A line ends with its line feed, or with the call.
        "flush" | "blocking-flush" => {
            instance.func_wrap(name, |_: Caller<'_>, _: Stream| Ok((Ok::<(), StreamError>(()),)))
        }
        "subscribe" => {
            instance.func_wrap(name, |_: Caller<'_>, _: Stream| Ok((handle::<Pollable>(),)))
        }
        _ => return Ok(false),
    }
    .map(|()| true)
}

type Written = (Result<(), StreamError>,);

fn write(
    mut caller: Caller<'_>,
    (stream, contents): (Resource<OutputStream>, WasmList<u8>),
) -> Result<Written> {
    let bytes = contents.as_le_slice(&caller);
    if bytes.len() as u64 > WRITE_BYTES_MAX {
        let text = format!(
            "the function wrote {} bytes at once to a stream that takes {WRITE_BYTES_MAX} \
             (`check-write` says so)",
            bytes.len()
        );
        return Err(Error::new(Fault::new(FaultKind::Trap, text)));
    }
    let bytes = bytes.to_vec();
    caller.data_mut().print(Output::of_number(stream.rep()), &bytes)?;
    Ok((Ok(()),))
}

fn poll(_: Caller<'_>, (all,): (Vec<Resource<Pollable>>,)) -> Result<(Vec<u32>,)> {
    if all.is_empty() || all.len() > POLL_MAX {
        let text =
            format!("the function polled {} things at once; it must be 1 to {POLL_MAX}", all.len());
        return Err(Error::new(Fault::new(FaultKind::Trap, text)));
    }
    Ok(((0..all.len() as u32).collect(),))
}

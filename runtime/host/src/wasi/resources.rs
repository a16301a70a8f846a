//! The resources of WASI. They have no state of their own: a handle's number says what it is, so
//! that none can be leaked on this side.

use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use crate::instance::HostState;

/// A stream that is read: standard input, which is at its end.
pub(super) struct InputStream;
/// A stream that is written: the number of the handle is its [`Output`](super::lines::Output).
pub(super) struct OutputStream;
/// Something to wait for. Nothing takes time here: it is always ready.
pub(super) struct Pollable;
/// What an operation on a stream failed with. There is never one.
pub(super) struct IoError;
/// A terminal that is read. There is never one.
pub(super) struct TerminalInput;
/// A terminal that is written. There is never one.
pub(super) struct TerminalOutput;
/// Any resource of the interfaces that are stubbed. There is never one.
pub(super) struct Absent;

/// A handle for something that has no state.
pub(super) fn handle<T: 'static>() -> Resource<T> {
    Resource::new_own(0)
}

/// Adds a resource by the name that an interface has for it.
pub(super) fn add(
    instance: &mut LinkerInstance<'_, HostState>,
    name: &str,
) -> wasmtime::Result<()> {
    let ty = match name {
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        // `wasi:http/types` uses it by another name.
        "error" | "io-error" => ResourceType::host::<IoError>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        _ => ResourceType::host::<Absent>(),
    };
    instance.resource(name, ty, |_, _| Ok(()))
}

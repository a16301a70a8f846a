//! Looks at a module before anything compiles it: what it is, how large its parts are, what it
//! imports and exports. One pass over the bytes that stops at the first thing past a limit, then
//! validation with the proposals that Pelton runs.

mod counts;
mod proposals;
mod report;
mod world;

use pelton_core::Limits;
use wasmparser::{Encoding, Parser, Payload};

pub use counts::Counts;
pub(crate) use counts::{INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
pub(crate) use proposals::allowed;
pub use report::{Form, LimitUse, Report};
pub use world::{Ability, World, describe_imports};
pub(crate) use world::{VERSION, check_import};

use crate::error::{ErrorKind, HostError, Result};
use counts::Counter;

/// Reads a component, or a core module with embedded WIT, and refuses what is past a limit.
///
/// # Errors
/// `E-MODULE-*`: each names the thing, the limit and the next step.
pub fn scan(bytes: &[u8], limits: &Limits) -> Result<Report> {
    let form = recognise(bytes)?;
    counts::within("the file", bytes.len() as u64, &limits.component_bytes)?;
    let mut counter = Counter::new(limits);
    let mut names = world::Names::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| unread(&error))?;
        let depth = counter.depth();
        counter.take(&payload)?;
        names.take(&payload, form, depth)?;
    }
    proposals::validate(bytes)?;
    let world = match form {
        Form::Component => names.component_world()?,
        Form::CoreModule => names.core_world()?,
    };
    Ok(Report::new(form, bytes.len() as u64, world, names, counter.counts(), limits))
}

/// Whether these bytes are a component or a core module, by their first eight.
fn recognise(bytes: &[u8]) -> Result<Form> {
    let format = |message: String| Err(HostError::new(ErrorKind::Format, message));
    if bytes.starts_with(b"\x7fELF") || wasmtime::Engine::detect_precompiled(bytes).is_some() {
        let text = "this is compiled machine code, which is never loaded from outside; give the \
                    .wasm file that it was compiled from";
        return Err(HostError::new(ErrorKind::Precompiled, text));
    }
    if !bytes.starts_with(b"\0asm") {
        let start = &bytes[..bytes.len().min(8)];
        return format(format!(
            "this is not WebAssembly: it starts with {start:02x?}, not with 00 61 73 6d; give the \
             .wasm file that your compiler wrote"
        ));
    }
    match bytes.get(4..8) {
        Some([1, 0, 0, 0]) => Ok(Form::CoreModule),
        Some([0x0d, 0, 1, 0]) => Ok(Form::Component),
        Some(version) => format(format!(
            "the WebAssembly version is {version:02x?}; Pelton reads core modules [01, 00, 00, 00] \
             and components [0d, 00, 01, 00]: rebuild with a current toolchain"
        )),
        None => format("the file is cut short: it has no version; copy it again".into()),
    }
}

/// An error of the format: the bytes end too early, or are not what they should be.
fn unread(error: &wasmparser::BinaryReaderError) -> HostError {
    let (text, at) = (error.message(), error.offset());
    if text.contains("end-of-file") {
        let text = format!("the file is cut short at byte {at} ({text}); copy or build it again");
        return HostError::new(ErrorKind::Format, text);
    }
    broken(error)
}

fn broken(error: &wasmparser::BinaryReaderError) -> HostError {
    let (text, at) = (error.message(), error.offset());
    let text = format!("not valid WebAssembly at byte {at}: {text}; build it again");
    HostError::new(ErrorKind::Invalid, text)
}

/// Whether a payload opens a module or component inside of another.
fn opens(payload: &Payload<'_>) -> Option<Encoding> {
    match payload {
        Payload::ModuleSection { .. } => Some(Encoding::Module),
        Payload::ComponentSection { .. } => Some(Encoding::Component),
        _ => None,
    }
}

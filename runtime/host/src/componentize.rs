//! From a core module with embedded WIT, which is what `cargo build --target
//! wasm32-unknown-unknown` gives, to a component: users run no extra tool.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pelton_core::Limits;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use crate::error::{ErrorKind, HostError, Result};
use crate::scan::{Form, Report, scan};
use crate::wasi::PREVIEW_1;

/// The component that these bytes are, or can be made into, with what a scan of it says.
///
/// # Errors
/// `E-MODULE-*`, as [`scan`]; `E-MODULE-WORLD` where the embedded WIT and the module differ.
pub fn prepare<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Cow<'a, [u8]>, Report)> {
    let report = scan(bytes, limits)?;
    if report.form == Form::Component {
        return Ok((bytes.into(), report));
    }
    let preview_1 = report.imports.iter().any(|import| import == PREVIEW_1);
    let component = componentize(bytes, preview_1)?;
    let inner = scan(&component, limits)?;
    let report = Report { form: report.form, bytes: report.bytes, ..inner };
    Ok((component.into(), report))
}

/// The encoder was not written for hostile input, so that a panic of its is an error here.
///
/// What imports WASI preview 1 gets the adapter that other toolchains put into their components.
fn componentize(module: &[u8], preview_1: bool) -> Result<Vec<u8>> {
    let encode = || -> Result<Vec<u8>, String> {
        let mut encoder = ComponentEncoder::default();
        encoder.validate(false).module(module).map_err(|error| format!("{error:#}"))?;
        if preview_1 {
            let (name, adapter) =
                (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
            encoder.adapter(name, adapter).map_err(|error| format!("{error:#}"))?;
        }
        encoder.encode().map_err(|error| format!("{error:#}"))
    };
    let refuse = |why: &str| {
        let text = format!(
            "no component can be made of this core module: {why}; build it with the WIT of \
             pelton:function@{} and no other imports",
            crate::scan::VERSION
        );
        HostError::new(ErrorKind::World, text)
    };
    match catch_unwind(AssertUnwindSafe(encode)) {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(error)) => Err(refuse(&error)),
        Err(_) => Err(refuse("its embedded WIT cannot be read")),
    }
}

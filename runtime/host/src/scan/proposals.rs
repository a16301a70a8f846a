//! Validation with the proposals that Pelton runs, and the name of the one that is not.

use wasmparser::{Validator, WasmFeatures};

use super::broken;
use crate::error::{ErrorKind, HostError, Result};

/// Proposals that are off, with the name to show, the order in which they are tried and a hint.
const OFF: &[(WasmFeatures, &str, &str)] = &[
    (WasmFeatures::THREADS, "threads", "build without atomics and shared memory"),
    (WasmFeatures::MEMORY64, "memory64", "build for wasm32"),
    (WasmFeatures::MULTI_MEMORY, "multi-memory", "use one memory"),
    (WasmFeatures::RELAXED_SIMD, "relaxed-simd", "build with -C target-feature=-relaxed-simd"),
    (WasmFeatures::EXCEPTIONS, "exceptions", "build without wasm exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy-exceptions", "build without wasm exceptions"),
    (WasmFeatures::CM_ASYNC, "component-model-async", "export plain functions, not async ones"),
    (WasmFeatures::CM_ASYNC_STACKFUL, "component-model-async", "export plain functions"),
    (WasmFeatures::CM_MORE_ASYNC_BUILTINS, "component-model-async", "export plain functions"),
    (WasmFeatures::CM_ERROR_CONTEXT, "component-model-error-context", "use result types"),
    (WasmFeatures::CM_THREADING, "component-model-threading", "do not start threads"),
    (WasmFeatures::STACK_SWITCHING, "stack-switching", "build without it"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom-page-sizes", "use pages of 64 KiB"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic", "build without it"),
    (WasmFeatures::GC, "gc", "use a language or a target that keeps its heap in linear memory"),
    (WasmFeatures::GC_TYPES, "gc", "use a target that keeps its heap in linear memory"),
    (WasmFeatures::FUNCTION_REFERENCES, "function-references", "build without it"),
];

/// What Pelton runs; the engine is configured alike.
pub(crate) fn allowed() -> WasmFeatures {
    // Without a collector there is nothing that `externref` could refer to.
    WasmFeatures::WASM2.difference(WasmFeatures::GC_TYPES)
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}

fn everything() -> WasmFeatures {
    OFF.iter().fold(allowed(), |all, (feature, ..)| all | *feature)
}

fn check(bytes: &[u8], features: WasmFeatures) -> Result<(), wasmparser::BinaryReaderError> {
    Validator::new_with_features(features).validate_all(bytes).map(|_| ())
}

/// Validates, and says which proposal it is where one that is off is used.
pub(super) fn validate(bytes: &[u8]) -> Result<()> {
    let Err(error) = check(bytes, allowed()) else { return Ok(()) };
    if check(bytes, everything()).is_err() {
        return Err(broken(&error));
    }
    let needed = OFF.iter().find(|(feature, ..)| check(bytes, everything() - *feature).is_err());
    let Some((_, name, hint)) = needed else { return Err(broken(&error)) };
    let text = format!(
        "it uses the proposal `{name}`, which Pelton does not run ({} at byte {}): {hint}",
        error.message(),
        error.offset()
    );
    Err(HostError::new(ErrorKind::Proposal, text))
}

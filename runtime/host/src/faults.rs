//! From what wasmtime says to a fault.

use pelton_core::{Fault, FaultKind, Limits};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::instance::HANDLES_MAX;
use crate::limiter::Refused;

const BACKTRACE_BYTES_MAX: usize = 8 * 1024;
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// The call used up its CPU time; raised by the epoch callback.
#[derive(Debug, thiserror::Error)]
#[error("out of CPU time")]
pub(crate) struct OutOfTime;

/// What the call was, for the text and for what a plain trap counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Instantiation and `open`.
    Open,
    /// A call that does work.
    Call,
}

/// What is known beside the error.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    pub(crate) phase: Phase,
    pub(crate) refused: Option<Refused>,
    /// What the guest logged of a panic.
    pub(crate) panic: Option<String>,
    pub(crate) limits: &'a Limits,
}

/// The fault behind an error that ended a call.
pub(crate) fn fault(error: &wasmtime::Error, facts: Facts<'_>) -> Fault {
    let mut fault = match error.downcast_ref::<Fault>() {
        Some(fault) => fault.clone(),
        None => classify(error, facts),
    };
    fault.message = shortened(fault.message, MESSAGE_BYTES_MAX);
    fault.backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .filter(|backtrace| !backtrace.frames().is_empty())
        .map(|backtrace| shortened(backtrace.to_string(), BACKTRACE_BYTES_MAX));
    fault
}

fn classify(error: &wasmtime::Error, facts: Facts<'_>) -> Fault {
    let limits = facts.limits;
    if error.is::<OutOfTime>() {
        return Fault::new(FaultKind::Deadline, deadline(&facts));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let text = "all instance slots of this host are in use; it is tried again";
        return Fault { retryable: true, ..Fault::new(FaultKind::Host, text) };
    }
    if let Some(refused) = facts.refused {
        return Fault::new(FaultKind::Memory, memory(refused, limits, &root(error)));
    }
    let root = root(error);
    if root.contains("fuel allocated for hostcalls") {
        let text = format!(
            "more was handed to the host at once than the limit `{}` allows, {} bytes",
            limits.output_bytes.name, limits.output_bytes.value
        );
        return Fault::new(FaultKind::OutputSize, text);
    }
    if root.contains("handle limit exceeded") {
        let text = format!(
            "the function holds more than {HANDLES_MAX} handles of streams and pollables at once; \
             drop those that are done with"
        );
        return Fault::new(FaultKind::Trap, text);
    }
    let kind = match facts.phase {
        Phase::Open => FaultKind::Open,
        Phase::Call => FaultKind::Trap,
    };
    let text = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) if facts.panic.is_some() => {
            format!("the function {}", facts.panic.unwrap_or_default())
        }
        Some(trap) => format!("the function trapped: {}", plain(&trap.to_string())),
        None => format!("the function broke off: {}", plain(&root)),
    };
    Fault::new(kind, text)
}

fn deadline(facts: &Facts<'_>) -> String {
    let (limit, what) = match facts.phase {
        Phase::Open => (&facts.limits.open_cpu_ms, "starting the function"),
        Phase::Call => (&facts.limits.call_cpu_ms, "the call"),
    };
    format!("{what} used more than {} ms of CPU time (limit `{}`)", limit.value, limit.name)
}

fn memory(refused: Refused, limits: &Limits, root: &str) -> String {
    let (limit, wanted) = match refused {
        Refused::Memory(bytes) => (&limits.memory_bytes, bytes),
        Refused::Table(elements) => (&limits.table_elements, elements),
    };
    format!(
        "the function asked for {wanted} {} in all, but the limit `{}` is {}; then: {}",
        limit.unit,
        limit.name,
        limit.value,
        plain(root)
    )
}

/// The innermost error, without the backtrace that wraps it.
fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

fn plain(text: &str) -> &str {
    text.strip_prefix("wasm trap: ").unwrap_or(text)
}

fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut at = most;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.truncate(at);
        text.push('…');
    }
    text
}

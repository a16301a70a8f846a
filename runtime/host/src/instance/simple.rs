//! The typed world `simple` behind the same face: `handle` is called for each record of a batch.

use pelton_batch::{Batch, FormatError, Kind, OpKind, Operation, OperationsBuilder, Record};
use pelton_core::{Declaration, Fault, FaultKind, Limits};
use wasmtime::{Error, Store};

use super::HostState;
use super::guest::{failed, too_large};
use super::start::Handle;
use crate::contract::{Failure, HeaderIn, MessageIn, MessageOut};

/// Name of the only output.
const OUTPUT: &str = "out";

/// What every function of this world declares.
pub(super) fn declaration() -> Declaration {
    Declaration { outputs: vec![OUTPUT.into()], ..Default::default() }
}

/// Calls `handle` for each record. A failure rejects its record and the rest goes on; one that is
/// worth a retry ends the call.
pub(super) async fn run(
    store: &mut Store<HostState>,
    handle: &Handle,
    input: &[u8],
    limits: &Limits,
) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
    let batch = Batch::parse(input).map_err(unreadable)?;
    if batch.kind() != Kind::Records {
        let text = format!("a function of the world `simple` takes no {:?} batch", batch.kind());
        return Err(Error::new(Fault::new(FaultKind::Host, text)));
    }
    let records = batch.records().map_err(unreadable)?;
    let mut out = Answers { limits, builder: OperationsBuilder::new(), bytes: 0 };
    for record in records.iter() {
        let cause = record.row() as u32;
        store.data_mut().wasi.start_row(cause);
        let (answer,) = handle.call_async(&mut *store, (message(record),)).await?;
        match answer {
            Ok(messages) => messages.iter().try_for_each(|answer| out.emit(cause, answer))?,
            Err(failure) if failure.retryable => return Ok(Err(failure)),
            Err(failure) => out.reject(cause, &failed(failure).message)?,
        }
    }
    Ok(Ok(out.builder.finish()))
}

fn unreadable(error: FormatError) -> Error {
    Error::new(Fault::new(FaultKind::Host, format!("the input is not a batch: {error}")))
}

fn message(record: Record<'_>) -> MessageIn<'_> {
    MessageIn {
        key: record.key(),
        value: record.value(),
        timestamp: Some(record.timestamp()),
        headers: record
            .headers()
            .map(|header| HeaderIn { name: header.name, value: header.value })
            .collect(),
    }
}

/// The operations so far, within the limits of one answer.
struct Answers<'a> {
    limits: &'a Limits,
    builder: OperationsBuilder,
    bytes: u64,
}

impl Answers<'_> {
    fn emit(&mut self, cause: u32, answer: &MessageOut) -> wasmtime::Result<()> {
        let size = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len) as u64;
        let headers: u64 = answer
            .headers
            .iter()
            .map(|header| header.name.len() as u64 + size(&header.value))
            .sum();
        self.count(size(&answer.key) + size(&answer.value) + headers)?;
        self.builder.push(&Operation {
            key: answer.key.as_deref(),
            value: answer.value.as_deref(),
            timestamp: answer.timestamp,
            ..operation(OpKind::Emit, cause)
        });
        for header in &answer.headers {
            self.builder.header(&header.name, header.value.as_deref());
        }
        Ok(())
    }

    fn reject(&mut self, cause: u32, reason: &str) -> wasmtime::Result<()> {
        self.count(reason.len() as u64)?;
        let value = Some(reason.as_bytes());
        self.builder.push(&Operation { value, ..operation(OpKind::Reject, cause) });
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> wasmtime::Result<()> {
        self.bytes += bytes;
        let (size, number) = (&self.limits.output_bytes, &self.limits.output_records);
        if !size.allows(self.bytes) {
            return Err(Error::new(too_large(self.bytes, size)));
        }
        let count = self.builder.len() as u64 + 1;
        if number.allows(count) { Ok(()) } else { Err(Error::new(too_large(count, number))) }
    }
}

fn operation(kind: OpKind, cause: u32) -> Operation<'static> {
    Operation {
        row: 0,
        kind,
        cause,
        target: 0,
        key: None,
        value: None,
        timestamp: None,
        partition: None,
        ttl: 0,
        schema: 0,
    }
}

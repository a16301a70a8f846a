//! Outputs and inputs: where records go, and where they come from.

use pelton_batch::{OpKind, Operation};

use crate::context::Context;
use crate::error::Result;
use crate::payload::Payload;
use crate::record::Record;

/// An output, as [`Setup::output`](crate::Setup::output) gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Output(pub(crate) u16);

/// The first output: the one called `out` where a function declares none.
pub const OUT: Output = Output(0);

impl Output {
    /// Sends the record at hand on, unchanged. The cheapest thing to do with a record: only its
    /// index goes back to the host.
    ///
    /// # Panics
    /// In a call that has no record at hand: a window, a timer.
    #[inline]
    pub fn forward(self, ctx: &mut Context<'_>) {
        assert!(ctx.has_record(), "only a record can be forwarded; use `emit` here");
        ctx.runtime.operations.forward(ctx.cause, self.0);
    }

    /// Sends a new record with the timestamp of what caused it.
    ///
    /// ```
    /// # use pelton_sdk::{Context, Json, Null, Record, Result, OUT};
    /// # fn example(record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
    /// OUT.emit(ctx, "a key", Json(("any", "value")))?;
    /// OUT.emit(ctx, record.key(), Null)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Where a codec refuses the value.
    pub fn emit(self, ctx: &mut Context<'_>, key: impl Payload, value: impl Payload) -> Result<()> {
        self.send(ctx, &key, &value, None, None)
    }

    /// A new record with more than key and value: timestamp, partition, headers.
    ///
    /// ```
    /// # use pelton_sdk::{Context, Record, Result, OUT};
    /// # fn example(record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
    /// let time = record.timestamp() + 1;
    /// OUT.draft().timestamp(time).header("origin", b"radar").emit(ctx, "key", "value")?;
    /// # Ok(()) }
    /// ```
    pub fn draft<'h>(self) -> Draft<'h> {
        Draft { output: self, timestamp: None, partition: None, headers: Vec::new() }
    }

    fn send(
        self,
        ctx: &mut Context<'_>,
        key: &impl Payload,
        value: &impl Payload,
        timestamp: Option<i64>,
        partition: Option<u32>,
    ) -> Result<()> {
        let runtime = &mut *ctx.runtime;
        runtime.key_scratch.clear();
        runtime.value_scratch.clear();
        let operation = Operation {
            kind: OpKind::Emit,
            cause: ctx.cause,
            target: self.0,
            key: key.bytes(&mut runtime.key_scratch)?,
            value: value.bytes(&mut runtime.value_scratch)?,
            timestamp,
            partition,
            ..crate::context::operation(OpKind::Emit)
        };
        runtime.operations.push(&operation);
        Ok(())
    }
}

/// A new record that is not sent yet: see [`Output::draft`].
#[derive(Debug, Clone)]
#[must_use = "a draft does nothing until `emit` sends it"]
pub struct Draft<'h> {
    output: Output,
    timestamp: Option<i64>,
    partition: Option<u32>,
    headers: Vec<(&'h str, Option<&'h [u8]>)>,
}

impl<'h> Draft<'h> {
    /// The timestamp, ms since the Unix epoch.
    pub fn timestamp(mut self, ms: i64) -> Self {
        self.timestamp = Some(ms);
        self
    }

    /// The output partition, in place of the one of the key.
    pub fn partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// One more header.
    pub fn header(mut self, name: &'h str, value: &'h [u8]) -> Self {
        self.headers.push((name, Some(value)));
        self
    }

    /// The headers of a record.
    pub fn headers_of(mut self, record: &Record<'h>) -> Self {
        self.headers.extend(record.headers().map(|header| (header.name, header.value)));
        self
    }

    /// Sends the record.
    ///
    /// # Errors
    /// Where a codec refuses the value.
    pub fn emit(self, ctx: &mut Context<'_>, key: impl Payload, value: impl Payload) -> Result<()> {
        self.output.send(ctx, &key, &value, self.timestamp, self.partition)?;
        for (name, value) in self.headers {
            ctx.runtime.operations.header(name, value);
        }
        Ok(())
    }
}

/// An input, as [`Setup::input`](crate::Setup::input) found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Input(pub(crate) u16);

impl Input {
    /// Whether the record came from here.
    #[must_use]
    #[inline]
    pub fn is_of(self, record: &Record<'_>) -> bool {
        record.input() == self.0
    }
}

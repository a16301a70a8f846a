//! Timers.

use pelton_batch::{OpKind, Operation, TimerRow};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::StoreKey;
use crate::payload::Payload;

/// A kind of timer, as [`Setup::event_timer`](crate::Setup::event_timer) or
/// [`Setup::processing_timer`](crate::Setup::processing_timer) gave it. There is one timer of a
/// kind for each key: setting it again moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer(pub(crate) u16);

impl Timer {
    /// Sets the timer of this key to fire once its time has passed `at` (ms since the Unix epoch).
    ///
    /// # Errors
    /// Where a codec refuses the key.
    pub fn set(self, ctx: &mut Context<'_>, key: impl Payload, at: i64) -> Result<()> {
        self.set_with(ctx, key, at, crate::Null)
    }

    /// Sets the timer, with a value that comes back when it fires.
    ///
    /// # Errors
    /// Where a codec refuses key or value.
    pub fn set_with(
        self,
        ctx: &mut Context<'_>,
        key: impl Payload,
        at: i64,
        value: impl Payload,
    ) -> Result<()> {
        self.push(ctx, OpKind::SetTimer, &key, Some(at), &value)
    }

    /// Cancels the timer of this key, if it is set.
    ///
    /// # Errors
    /// Where a codec refuses the key.
    pub fn cancel(self, ctx: &mut Context<'_>, key: impl Payload) -> Result<()> {
        self.push(ctx, OpKind::CancelTimer, &key, None, &crate::Null)
    }

    fn push(
        self,
        ctx: &mut Context<'_>,
        kind: OpKind,
        key: &impl Payload,
        timestamp: Option<i64>,
        value: &impl Payload,
    ) -> Result<()> {
        let runtime = &mut *ctx.runtime;
        runtime.key_scratch.clear();
        runtime.value_scratch.clear();
        let operation = Operation {
            cause: ctx.cause,
            target: self.0,
            key: key.bytes(&mut runtime.key_scratch)?,
            value: value.bytes(&mut runtime.value_scratch)?,
            timestamp,
            ..crate::context::operation(kind)
        };
        runtime.operations.push(&operation);
        Ok(())
    }
}

/// A timer that fires.
#[derive(Debug, Clone, Copy)]
pub struct DueTimer<'a> {
    pub(crate) row: TimerRow<'a>,
}

impl<'a> DueTimer<'a> {
    /// Whether it is of this kind.
    #[must_use]
    pub fn is(&self, timer: Timer) -> bool {
        self.row.target == timer.0
    }

    /// The key that it was set for.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.row.key
    }

    /// The key as text.
    ///
    /// # Errors
    /// Where there is none, or it is not UTF-8.
    pub fn key_text(&self) -> Result<&'a str> {
        let key = self.key().ok_or(Error::reject("the timer has no key"))?;
        core::str::from_utf8(key).map_err(|_| Error::reject("the timer's key is not UTF-8"))
    }

    /// The key as a type that stores use as theirs.
    ///
    /// # Errors
    /// Where there is none, or it is not one of `K`.
    pub fn key_as<K: StoreKey>(&self) -> Result<K> {
        K::decode(self.key().ok_or(Error::reject("the timer has no key"))?)
    }

    /// The time that it was set to, ms since the Unix epoch.
    #[must_use]
    pub fn at(&self) -> i64 {
        self.row.due
    }

    /// The value that it was set with.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.row.value
    }
}

//! Records and timers, with memory of the function's own that outlives the instance.

use pelton_batch::{Batch, Kind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::process::{each_record, each_timer};
use crate::context::{Context, Runtime};
use crate::error::Result;
use crate::function::{Function, unexpected};
use crate::memory::Memory;
use crate::record::Record;
use crate::setup::Setup;
use crate::timer::DueTimer;

/// A function that keeps something in its own memory across calls, restarts and new versions: a
/// sample, a model, a small index; something about the stream as a whole. [`crate::stateful!`]
/// makes it a component.
///
/// The host keeps its [`Memory`] with every commit of a call that changed it, as part of the commit,
/// and gives it to the instance that goes on. Each partition has an instance and memory of its own.
///
/// The whole of it is written whenever it has changed, so it should be small (some KiB; the limit is
/// that of a call's output, `output_bytes`). What belongs to a key, or grows, is better in a
/// [`Store`](crate::Store), where only what changed is written.
///
/// ```
/// use pelton_sdk::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Average {
///     value: Option<f64>,
/// }
///
/// struct Smooth;
///
/// impl Stateful for Smooth {
///     type Memory = Average;
///
///     fn open(_: &mut Setup) -> Result<Self> {
///         Ok(Self)
///     }
///
///     fn record(
///         &mut self,
///         memory: &mut Memory<Average>,
///         record: &Record,
///         ctx: &mut Context,
///     ) -> Result<()> {
///         let number: f64 = record.json()?;
///         let value = memory.value.map_or(number, |value| 0.9 * value + 0.1 * number);
///         memory.value = Some(value);
///         OUT.emit(ctx, record.key(), Json(value))
///     }
/// }
///
/// pelton_sdk::stateful!(Smooth);
/// ```
pub trait Stateful: Send + Sized + 'static {
    /// What is kept, as MessagePack with names. A function without memory yet starts with the
    /// default. A new version of the code reads what the old one has kept: give new fields a
    /// `#[serde(default)]`. What changes more than that can be a `#[serde(untagged)]` enum of its
    /// forms, the newest first: an old one is read as what it was and made the newest where it is
    /// used; what is saved next is that. A rollback needs code that knows the newer form.
    type Memory: Clone + Default + Serialize + DeserializeOwned + Send + 'static;

    /// Declares what the function uses and keeps the handles. Called once for each instance; what
    /// is kept in `self`, unlike the memory, may be gone at any call.
    ///
    /// # Errors
    /// Where the function cannot work as it is configured.
    fn open(setup: &mut Setup<'_>) -> Result<Self>;

    /// Takes a record. An error takes back what was done with it, its changes of the memory among
    /// them, and nothing else.
    ///
    /// # Errors
    /// The record goes to the dead letters, or is tried again: see [`Error`](crate::Error).
    fn record(
        &mut self,
        memory: &mut Memory<Self::Memory>,
        record: &Record<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<()>;

    /// Takes a timer that is due.
    ///
    /// # Errors
    /// The timer goes to the dead letters, or is tried again.
    fn timer(
        &mut self,
        memory: &mut Memory<Self::Memory>,
        timer: &DueTimer<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<()> {
        let _ = (memory, timer, ctx);
        Ok(())
    }
}

/// The function that `S` is.
#[must_use]
pub fn stateful<S: Stateful>() -> impl Function {
    StatefulFunction::<S> { function: None, memory: Memory::default() }
}

struct StatefulFunction<S: Stateful> {
    function: Option<S>,
    memory: Memory<S::Memory>,
}

impl<S: Stateful> Function for StatefulFunction<S> {
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        self.function = Some(S::open(setup)?);
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        let Self { function, memory } = self;
        let Some(function) = function else { return Err(crate::Error::fail("not open")) };
        match batch.kind() {
            Kind::Records => each_record(batch, runtime, |record, ctx| {
                memory.attempt(|memory| function.record(memory, record, ctx))
            }),
            Kind::Timers => each_timer(batch, runtime, |timer, ctx| {
                memory.attempt(|memory| function.timer(memory, timer, ctx))
            }),
            Kind::Migrate => runtime.migrate(batch),
            kind => Err(unexpected(kind)),
        }
    }

    fn saves(&self) -> bool {
        true
    }

    fn save(&mut self) -> Result<Option<Vec<u8>>> {
        self.memory.save()
    }

    fn restore(&mut self, saved: &[u8]) -> Result<()> {
        self.memory.restore(saved)
    }
}

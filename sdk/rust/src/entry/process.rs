//! The general entry point: one record at a time, with everything that a call can do.

use pelton_batch::{Batch, Kind};

use crate::context::{Context, Runtime, Units};
use crate::error::Result;
use crate::function::{Function, unexpected};
use crate::record::Record;
use crate::setup::Setup;
use crate::timer::DueTimer;

/// A function over records, with outputs, stores and timers. [`crate::process!`] makes it a
/// component.
///
/// ```
/// use pelton_sdk::prelude::*;
///
/// struct CountByKey {
///     counts: Store<String, u64>,
///     out: Output,
/// }
///
/// impl Process for CountByKey {
///     fn open(setup: &mut Setup) -> Result<Self> {
///         Ok(Self { counts: setup.store("counts"), out: setup.output("out") })
///     }
///
///     fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
///         let key = record.key_text()?;
///         let count = self.counts.update(ctx, key, |count| {
///             *count += 1;
///             *count
///         })?;
///         self.out.emit(ctx, key, Json(count))
///     }
/// }
///
/// pelton_sdk::process!(CountByKey);
/// ```
pub trait Process: Send + Sized + 'static {
    /// Declares what the function uses and keeps the handles. Called once for each instance; what
    /// else is kept in `self` may be gone at any call.
    ///
    /// # Errors
    /// Where the function cannot work as it is configured.
    fn open(setup: &mut Setup<'_>) -> Result<Self>;

    /// Takes a record. An error takes back what was done with it, and nothing else.
    ///
    /// # Errors
    /// The record goes to the dead letters, or is tried again: see [`Error`](crate::Error).
    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()>;

    /// Takes a timer that is due.
    ///
    /// # Errors
    /// The timer goes to the dead letters, or is tried again.
    fn timer(&mut self, timer: &DueTimer<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let _ = (timer, ctx);
        Ok(())
    }
}

/// The function that `P` is.
#[must_use]
pub fn process<P: Process>() -> impl Function {
    ProcessFunction::<P>(None)
}

/// A function over records that needs no handles but [`OUT`](crate::OUT).
pub fn process_with<F>(work: F) -> impl Function
where
    F: Fn(&Record<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    Stateless(work)
}

struct ProcessFunction<P>(Option<P>);

impl<P: Process> Function for ProcessFunction<P> {
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        self.0 = Some(P::open(setup)?);
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        let Some(process) = &mut self.0 else { return Err(crate::Error::fail("not open")) };
        match batch.kind() {
            Kind::Records => each_record(batch, runtime, |record, ctx| process.record(record, ctx)),
            Kind::Timers => each_timer(batch, runtime, |timer, ctx| process.timer(timer, ctx)),
            Kind::Migrate => runtime.migrate(batch),
            kind => Err(unexpected(kind)),
        }
    }
}

struct Stateless<F>(F);

impl<F> Function for Stateless<F>
where
    F: Fn(&Record<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    fn open(&mut self, _: &mut Setup<'_>) -> Result<()> {
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        match batch.kind() {
            Kind::Records => each_record(batch, runtime, &self.0),
            kind => Err(unexpected(kind)),
        }
    }
}

#[inline]
pub(super) fn each_record(
    batch: Batch<'_>,
    runtime: &mut Runtime,
    mut work: impl FnMut(&Record<'_>, &mut Context<'_>) -> Result<()>,
) -> Result<Vec<u8>> {
    let records = batch.records()?;
    let mut ctx = Context::new(runtime, Units::Records(&records));
    for row in 0..records.len() {
        ctx.begin(row);
        let result = work(&Record::new(&records, row), &mut ctx);
        if !ctx.end(result)? {
            break;
        }
    }
    runtime.answer()
}

pub(super) fn each_timer(
    batch: Batch<'_>,
    runtime: &mut Runtime,
    mut work: impl FnMut(&DueTimer<'_>, &mut Context<'_>) -> Result<()>,
) -> Result<Vec<u8>> {
    let timers = batch.timers()?;
    let rows = batch.records()?;
    let mut ctx = Context::new(runtime, Units::Timers(&rows));
    for row in timers.iter() {
        ctx.begin(row.row);
        let result = work(&DueTimer { row }, &mut ctx);
        if !ctx.end(result)? {
            break;
        }
    }
    runtime.answer()
}

//! Windows that are built up record by record.

use core::marker::PhantomData;

use pelton_batch::{Batch, Groups, Kind, OpKind, Operation, OperationsBuilder};

use crate::context::{Context, Runtime, Units};
use crate::declaration::Shape;
use crate::error::{Error, Outcome, Result};
use crate::function::{Function, unexpected};
use crate::record::Record;
use crate::setup::Setup;
use crate::store::StoreValue;
use crate::windows::{Fired, Windows};

/// A function over windows that keeps an accumulator for each key and window, and never the
/// records. [`crate::aggregate!`] makes it a component.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::prelude::*;
///
/// struct Total;
///
/// impl Aggregate for Total {
///     type Accumulator = f64;
///
///     fn open(setup: &mut Setup) -> Result<Self> {
///         setup.windows(Windows::tumbling(Duration::from_hours(1)));
///         Ok(Self)
///     }
///
///     fn add(&self, total: &mut f64, record: &Record) -> Result<()> {
///         *total += record.json::<f64>()?;
///         Ok(())
///     }
///
///     fn merge(&self, total: &mut f64, other: f64) -> Result<()> {
///         *total += other;
///         Ok(())
///     }
///
///     fn finish(&mut self, window: &Fired, total: f64, ctx: &mut Context) -> Result<()> {
///         OUT.emit(ctx, window.key(), Json(total))
///     }
/// }
///
/// pelton_sdk::aggregate!(Total);
/// ```
pub trait Aggregate: Send + Sized + 'static {
    /// What is known of a window: begins as its default, and is kept as MessagePack.
    type Accumulator: StoreValue + Default;

    /// Declares the windows ([`Setup::windows`]) and what else the function uses.
    ///
    /// # Errors
    /// Where the function cannot work as it is configured.
    fn open(setup: &mut Setup<'_>) -> Result<Self>;

    /// Adds a record. It may be called again for a record whose neighbour was rejected: it does
    /// nothing but change the accumulator.
    ///
    /// # Errors
    /// The record goes to the dead letters, and to no window.
    fn add(&self, accumulator: &mut Self::Accumulator, record: &Record<'_>) -> Result<()>;

    /// Whether the window fires right behind this record, which has just been added, whatever its
    /// time: the function's own trigger. With [`Windows::discarding`] that closes it: the next record
    /// begins it anew, so that with [`Windows::global`] the records themselves say where a window ends.
    /// Never, by default.
    fn fires(&self, accumulator: &Self::Accumulator, record: &Record<'_>) -> bool {
        let _ = (accumulator, record);
        false
    }

    /// Adds what another accumulator of the same window holds: sessions that touch are merged so.
    /// Tumbling and hopping windows never are.
    ///
    /// # Errors
    /// By default: the function cannot merge.
    fn merge(&self, accumulator: &mut Self::Accumulator, other: Self::Accumulator) -> Result<()> {
        let _ = (accumulator, other);
        Err(Error::fail("this function does not say how its windows are merged"))
    }

    /// Takes a window that fires.
    ///
    /// # Errors
    /// The window goes to the dead letters, or is tried again.
    fn finish(
        &mut self,
        window: &Fired<'_>,
        accumulator: Self::Accumulator,
        ctx: &mut Context<'_>,
    ) -> Result<()>;
}

/// The function that `A` is.
#[must_use]
pub fn aggregate<A: Aggregate>() -> impl Function {
    AggregateFunction::<A>(None)
}

/// An aggregate of two closures: `add` a record to the accumulator, `finish` a window that fires.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::prelude::*;
///
/// pelton_sdk::function!(pelton_sdk::aggregate_with(
///     Windows::tumbling(Duration::from_mins(1)),
///     |count: &mut u64, _record| {
///         *count += 1;
///         Ok(())
///     },
///     |window, count, ctx| OUT.emit(ctx, window.key(), Json(count)),
/// ));
/// ```
pub fn aggregate_with<T, A, F>(windows: Windows, add: A, finish: F) -> impl Function
where
    T: StoreValue + Default,
    A: Fn(&mut T, &Record<'_>) -> Result<()> + Send + 'static,
    F: Fn(&Fired<'_>, T, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    Closures { windows, add, finish, accumulator: PhantomData::<fn() -> T> }
}

struct AggregateFunction<A>(Option<A>);

impl<A: Aggregate> Function for AggregateFunction<A> {
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        self.0 = Some(A::open(setup)?);
        setup.window_shape(Shape::Incremental)
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        let Some(function) = &mut self.0 else { return Err(Error::fail("not open")) };
        match batch.kind() {
            Kind::Accumulate => accumulate(batch, runtime, |value, record| {
                function.add(value, record)?;
                Ok(function.fires(value, record))
            }),
            Kind::Merge => merge(batch, runtime, |value, other| function.merge(value, other)),
            Kind::Finish => {
                finish(batch, runtime, |window, value, ctx| function.finish(window, value, ctx))
            }
            Kind::Migrate => runtime.migrate(batch),
            kind => Err(unexpected(kind)),
        }
    }
}

struct Closures<T, A, F> {
    windows: Windows,
    add: A,
    finish: F,
    accumulator: PhantomData<fn() -> T>,
}

impl<T, A, F> Function for Closures<T, A, F>
where
    T: StoreValue + Default,
    A: Fn(&mut T, &Record<'_>) -> Result<()> + Send + 'static,
    F: Fn(&Fired<'_>, T, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        if self.windows.merge() {
            return Err(Error::fail(
                "sessions are merged: implement `Aggregate`, whose `merge` says how two become one",
            ));
        }
        setup.output("out");
        setup.windows(self.windows.clone());
        setup.window_shape(Shape::Incremental)
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        match batch.kind() {
            Kind::Accumulate => accumulate(batch, runtime, |value, record| {
                (self.add)(value, record)?;
                Ok(false)
            }),
            Kind::Finish => finish(batch, runtime, &self.finish),
            kind => Err(unexpected(kind)),
        }
    }
}

fn read<T: StoreValue + Default>(bytes: Option<&[u8]>) -> Result<T> {
    match bytes {
        None => Ok(T::default()),
        Some(bytes) => rmp_serde::from_slice(bytes)
            .map_err(|error| Error::fail(format!("an accumulator cannot be read: {error}"))),
    }
}

/// Writes the accumulator of a group.
fn answer<T: StoreValue>(
    operations: &mut OperationsBuilder,
    scratch: &mut Vec<u8>,
    group: usize,
    accumulator: &T,
) -> Result<()> {
    scratch.clear();
    rmp_serde::encode::write_named(&mut *scratch, accumulator)?;
    let (cause, value) = (group as u32, Some(scratch.as_slice()));
    let operation = crate::context::operation(OpKind::Accumulator);
    operations.push(&Operation { cause, value, ..operation });
    Ok(())
}

/// Adds the records of each group to its accumulator. A record that is refused goes into none, so
/// the accumulators are made again without it: rejects name the record's row as their cause.
fn accumulate<T: StoreValue + Default>(
    batch: Batch<'_>,
    runtime: &mut Runtime,
    mut add: impl FnMut(&mut T, &Record<'_>) -> Result<bool>,
) -> Result<Vec<u8>> {
    let groups = batch.groups()?;
    let mut refused: Vec<(usize, Error)> = Vec::new();
    loop {
        let before = refused.len();
        runtime.operations.clear();
        for group in 0..groups.len() {
            let mut value = read(groups.get(group).accumulator)?;
            let fires = add_group(&groups, group, &mut value, &mut refused, &mut add)?;
            answer(&mut runtime.operations, &mut runtime.value_scratch, group, &value)?;
            if fires {
                let fire = crate::context::operation(OpKind::FireWindow);
                runtime.operations.push(&Operation { cause: group as u32, ..fire });
            }
        }
        if refused.len() == before {
            break;
        }
    }
    refused.sort_by_key(|(row, _)| *row);
    for (row, error) in refused {
        super::filter::refuse(&mut runtime.operations, row, error)?;
    }
    Ok(runtime.operations.finish())
}

/// Adds the records of a group, and answers whether its window is to fire behind one of them: the host
/// makes the call again then, with fewer, until that is the last.
fn add_group<T>(
    groups: &Groups<'_>,
    group: usize,
    value: &mut T,
    refused: &mut Vec<(usize, Error)>,
    add: &mut impl FnMut(&mut T, &Record<'_>) -> Result<bool>,
) -> Result<bool> {
    let (records, mut fires) = (groups.records(), false);
    for row in groups.rows(group) {
        if !refused.is_empty() && refused.iter().any(|(refused, _)| *refused == row) {
            continue;
        }
        match add(value, &Record::new(&records, row)) {
            Ok(fired) => fires |= fired,
            // What a retry takes back would be in the accumulators of others: fail as a whole.
            Err(error) if error.outcome() != Outcome::Reject => return Err(error),
            Err(error) => refused.push((row, error)),
        }
    }
    Ok(fires)
}

/// Merges the accumulators that are the rows of each group into the group's own.
fn merge<T: StoreValue + Default>(
    batch: Batch<'_>,
    runtime: &mut Runtime,
    mut merge: impl FnMut(&mut T, T) -> Result<()>,
) -> Result<Vec<u8>> {
    let groups = batch.groups()?;
    runtime.operations.clear();
    for group in 0..groups.len() {
        let mut value: T = read(groups.get(group).accumulator)?;
        for row in groups.rows(group) {
            merge(&mut value, read(groups.records().value(row))?)?;
        }
        answer(&mut runtime.operations, &mut runtime.value_scratch, group, &value)?;
    }
    Ok(runtime.operations.finish())
}

fn finish<T: StoreValue + Default>(
    batch: Batch<'_>,
    runtime: &mut Runtime,
    mut finish: impl FnMut(&Fired<'_>, T, &mut Context<'_>) -> Result<()>,
) -> Result<Vec<u8>> {
    let groups = batch.groups()?;
    let mut ctx = Context::new(runtime, Units::Groups(&groups));
    for group in groups.iter() {
        ctx.begin(group.index);
        let result =
            read(group.accumulator).and_then(|value| finish(&Fired { group }, value, &mut ctx));
        if !ctx.end(result)? {
            break;
        }
    }
    runtime.answer()
}

//! Records of two inputs that have the same key and lie near each other in time.

use core::marker::PhantomData;
use core::time::Duration;

use pelton_batch::{Batch, Kind};
use serde::{Deserialize, Serialize};

use super::process::{each_record, each_timer};
use crate::context::{Context, Runtime};
use crate::error::{Error, Result};
use crate::function::{Function, unexpected};
use crate::key::StoreKey;
use crate::output::Input;
use crate::record::Record;
use crate::setup::Setup;
use crate::store::{OrderedStore, StoreValue};
use crate::timer::{DueTimer, Timer};

/// Which records of two inputs belong together, and what becomes of those that find no other.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::Join;
///
/// let join = Join::inputs("orders", "payments").within(Duration::from_hours(1)).left_outer();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    left: String,
    right: String,
    before_ms: i64,
    after_ms: i64,
    outer: [bool; 2],
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Join {
    /// A join of two inputs, as the manifest names them: of records with the same key and timestamp.
    #[must_use]
    pub fn inputs(left: &str, right: &str) -> Self {
        let (left, right) = (left.to_owned(), right.to_owned());
        Self { left, right, before_ms: 0, after_ms: 0, outer: [false; 2] }
    }

    /// The two may be as far apart, either before the other.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        self.between(time, time)
    }

    /// The right one may be so long before the left one, and so long after it.
    #[must_use]
    pub fn between(mut self, before: Duration, after: Duration) -> Self {
        (self.before_ms, self.after_ms) = (ms(before), ms(after));
        self
    }

    /// A left record that has found no right one is joined with none, once none can come any more.
    #[must_use]
    pub fn left_outer(mut self) -> Self {
        self.outer[0] = true;
        self
    }

    /// The same for both.
    #[must_use]
    pub fn outer(mut self) -> Self {
        self.outer = [true; 2];
        self
    }

    /// The last time at which a record of `side` may have one of the other: until the watermark is
    /// past it, the record is kept.
    fn until(&self, side: usize, time: i64) -> i64 {
        time.saturating_add(if side == 0 { self.after_ms } else { self.before_ms })
    }

    /// The times from and to which a record of `side` has others.
    fn others(&self, side: usize, time: i64) -> (i64, i64) {
        let (before, after) = match side {
            0 => (self.before_ms, self.after_ms),
            _ => (self.after_ms, self.before_ms),
        };
        (time.saturating_sub(before), time.saturating_add(after))
    }
}

/// Two records that belong together, or one that has found no other.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    key: &'a [u8],
    times: [Option<i64>; 2],
}

impl<'a> Pair<'a> {
    /// Their key.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// Their key as text.
    ///
    /// # Errors
    /// Where it is not UTF-8.
    pub fn key_text(&self) -> Result<&'a str> {
        core::str::from_utf8(self.key).map_err(|_| Error::reject("the key is not UTF-8"))
    }

    /// The timestamp of the later one, ms since the Unix epoch.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.times.iter().flatten().copied().max().unwrap_or_default()
    }

    /// The timestamp of the left one, ms since the Unix epoch.
    #[must_use]
    pub fn left_time(&self) -> Option<i64> {
        self.times[0]
    }

    /// The timestamp of the right one.
    #[must_use]
    pub fn right_time(&self) -> Option<i64> {
        self.times[1]
    }
}

/// A function that joins the records of two inputs, whose values are JSON. Each pair comes once, when
/// the later of its two records does; a record that finds no other (see [`Join::left_outer`],
/// [`Join::outer`]) comes once the watermark has passed the last time at which one could have come.
/// Records are kept as long as that, and no longer; one that comes later still finds what is kept then.
/// It keeps the stores `left` and `right`, and sends to `out`.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Order { item: String }
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Payment { cents: u64 }
///
/// pelton_sdk::function!(pelton_sdk::join_with(
///     Join::inputs("orders", "payments").within(Duration::from_hours(1)).left_outer(),
///     |order: Option<Order>, payment: Option<Payment>, pair, ctx| {
///         let paid = payment.map(|payment| payment.cents);
///         OUT.emit(ctx, pair.key(), Json((order.map(|order| order.item), paid)))
///     },
/// ));
/// ```
pub fn join_with<L, R, F>(join: Join, joined: F) -> impl Function
where
    L: StoreValue,
    R: StoreValue,
    F: Fn(Option<L>, Option<R>, &Pair<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    Joining { join, joined, open: None, values: PhantomData::<fn() -> (L, R)> }
}

/// A record that waits for others: its key, timestamp and offset.
type Place = (Vec<u8>, i64, u64);

#[derive(Clone, Serialize, Deserialize)]
struct Kept<V> {
    value: V,
    /// Whether it has found another.
    found: bool,
}

struct Side<V> {
    input: Input,
    kept: OrderedStore<Place, Kept<V>>,
    timer: Timer,
}

impl<V: StoreValue> Side<V> {
    fn open(setup: &mut Setup<'_>, input: &str, name: &str) -> Result<Self> {
        let (kept, timer) = (setup.ordered_store(name), setup.event_timer(name));
        Ok(Self { input: setup.input(input)?, kept, timer })
    }

    /// Those of `key` from a time to another, both included.
    fn near(
        &self,
        ctx: &mut Context<'_>,
        key: &[u8],
        (from, to): (i64, i64),
    ) -> Result<Vec<(Place, Kept<V>)>> {
        let (start, end) = ((key.to_vec(), from, 0), (key.to_vec(), to, u64::MAX));
        self.kept.range(ctx, &start, &end, usize::MAX)
    }

    /// Takes what waited out of the store, where it has found no other.
    fn expire(&self, ctx: &mut Context<'_>, timer: &DueTimer<'_>) -> Result<Option<(Place, V)>> {
        let place: Place = timer.key_as()?;
        let Some(kept) = self.kept.get(ctx, &place)? else { return Ok(None) };
        self.kept.delete(ctx, &place);
        Ok((!kept.found).then_some((place, kept.value)))
    }
}

struct Joining<L, R, F> {
    join: Join,
    joined: F,
    open: Option<(Side<L>, Side<R>)>,
    values: PhantomData<fn() -> (L, R)>,
}

impl<L, R, F> Function for Joining<L, R, F>
where
    L: StoreValue,
    R: StoreValue,
    F: Fn(Option<L>, Option<R>, &Pair<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        setup.output("out");
        setup.with_offsets();
        let left = Side::open(setup, &self.join.left, "left")?;
        self.open = Some((left, Side::open(setup, &self.join.right, "right")?));
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        let Some((left, right)) = &self.open else { return Err(Error::fail("not open")) };
        let (join, joined) = (&self.join, &self.joined);
        match batch.kind() {
            Kind::Records => each_record(batch, runtime, |record, ctx| {
                let joins_left = left.input.is_of(record);
                if !joins_left && !right.input.is_of(record) {
                    return Err(Error::reject("the record is of neither input of the join"));
                }
                match joins_left {
                    true => meet((left, right), record, ctx, join, 0, |own, other, pair, ctx| {
                        joined(Some(own), Some(other), pair, ctx)
                    }),
                    false => meet((right, left), record, ctx, join, 1, |own, other, pair, ctx| {
                        joined(Some(other), Some(own), pair, ctx)
                    }),
                }
            }),
            Kind::Timers => each_timer(batch, runtime, |timer, ctx| match timer.is(left.timer) {
                true => match left.expire(ctx, timer)?.filter(|_| join.outer[0]) {
                    Some(((key, time, _), value)) => {
                        let pair = Pair { key: &key, times: [Some(time), None] };
                        joined(Some(value), None, &pair, ctx)
                    }
                    None => Ok(()),
                },
                false => match right.expire(ctx, timer)?.filter(|_| join.outer[1]) {
                    Some(((key, time, _), value)) => {
                        let pair = Pair { key: &key, times: [None, Some(time)] };
                        joined(None, Some(value), &pair, ctx)
                    }
                    None => Ok(()),
                },
            }),
            Kind::Migrate => runtime.migrate(batch),
            kind => Err(unexpected(kind)),
        }
    }
}

/// Joins a record of `own` with those of `other` that are kept, and keeps it for those to come.
fn meet<V: StoreValue, W: StoreValue>(
    (own, other): (&Side<V>, &Side<W>),
    record: &Record<'_>,
    ctx: &mut Context<'_>,
    join: &Join,
    side: usize,
    joined: impl Fn(V, W, &Pair<'_>, &mut Context<'_>) -> Result<()>,
) -> Result<()> {
    let missing = || Error::reject("the record has no key, but it is joined by it");
    let key = record.key().ok_or_else(missing)?;
    let value: V = record.json()?;
    let (time, mut found) = (record.timestamp(), false);
    for (place, mut kept) in other.near(ctx, key, join.others(side, time))? {
        found = true;
        let mut times = [Some(time), Some(place.1)];
        if side == 1 {
            times.reverse();
        }
        joined(value.clone(), kept.value.clone(), &Pair { key, times }, ctx)?;
        if !kept.found {
            kept.found = true;
            other.kept.put(ctx, &place, kept);
        }
    }
    let place: Place = (key.to_vec(), time, record.offset().unwrap_or_default() as u64);
    own.timer.set(ctx, &place.encoded()[..], join.until(side, time))?;
    own.kept.put(ctx, &place, Kept { value, found });
    Ok(())
}

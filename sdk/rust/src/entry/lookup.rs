//! Records joined with what a table said about their key at their time.

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
use crate::store::{OrderedStore, Store, StoreValue};
use crate::timer::{DueTimer, Timer};

/// Which input is joined with which table.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::Lookup;
///
/// let lookup = Lookup::of("flights", "weather").keep(Duration::from_hours(24));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    records: String,
    table: String,
    keep_ms: i64,
}

impl Lookup {
    /// The input whose records are joined, and the one that is the table: its records replace what was
    /// said about their key before, from their timestamp on; one without a value takes it away. Often
    /// the topic is compacted.
    #[must_use]
    pub fn of(records: &str, table: &str) -> Self {
        Self { records: records.to_owned(), table: table.to_owned(), keep_ms: 0 }
    }

    /// How long what was replaced in the table is kept, of event time: so late may records still be. By
    /// default not at all.
    #[must_use]
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self
    }
}

/// A record that is joined.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    key: &'a [u8],
    table_key: &'a [u8],
    time: i64,
    since: Option<i64>,
}

impl<'a> Looked<'a> {
    /// The record's key; empty where it has none.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The key that it was looked up by.
    #[must_use]
    pub fn table_key(&self) -> &'a [u8] {
        self.table_key
    }

    /// The key as text.
    ///
    /// # Errors
    /// Where it is not UTF-8.
    pub fn key_text(&self) -> Result<&'a str> {
        core::str::from_utf8(self.key).map_err(|_| Error::reject("the key is not UTF-8"))
    }

    /// The record's timestamp, ms since the Unix epoch.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Since when the table had said so; `None` where it said nothing.
    #[must_use]
    pub fn since(&self) -> Option<i64> {
        self.since
    }
}

/// A function that joins each record of one input, whose values are JSON, with what a table said about
/// its key as of its timestamp; `None` where it said nothing. That is known once the watermark has passed
/// that time: until then the record waits (store `waiting`), so that the answer does not depend on which
/// of the two came first. A record that is so late that what the table said then is not kept any more is
/// rejected: see [`Lookup::keep`]. What is sent has the record's timestamp.
///
/// ```
/// use pelton_sdk::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Flight { number: String }
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Weather { wind: f64 }
///
/// pelton_sdk::function!(pelton_sdk::lookup_with(
///     Lookup::of("flights", "weather"),
///     |flight: Flight, weather: Option<Weather>, record, ctx| {
///         let wind = weather.map(|weather| weather.wind);
///         OUT.emit(ctx, record.key(), Json((flight.number, wind)))
///     },
/// ));
/// ```
pub fn lookup_with<L, T, F>(lookup: Lookup, joined: F) -> impl Function
where
    L: StoreValue,
    T: StoreValue,
    F: Fn(L, Option<T>, &Looked<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    let key = |_: &L, record: &Record<'_>| {
        let missing = || Error::reject("the record has no key, but it is joined by it");
        record.key().map(<[u8]>::to_vec).ok_or_else(missing)
    };
    Looking { lookup, key, joined, open: None, values: PhantomData::<fn() -> (L, T)> }
}

/// As [`lookup_with`], by a key that `key` takes from the record's value: for a table whose topic each
/// task reads as a whole (`broadcast = true` in its `[[input]]`), since its keys are not those of the
/// records.
///
/// ```
/// use pelton_sdk::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Flight { number: String, carrier: String }
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Carrier { name: String }
///
/// pelton_sdk::function!(pelton_sdk::lookup_by(
///     Lookup::of("flights", "carriers"),
///     |flight: &Flight| flight.carrier.clone(),
///     |flight: Flight, carrier: Option<Carrier>, record, ctx| {
///         OUT.emit(ctx, record.key(), Json((flight.number, carrier.map(|carrier| carrier.name))))
///     },
/// ));
/// ```
pub fn lookup_by<L, T, K, B, F>(lookup: Lookup, key: K, joined: F) -> impl Function
where
    L: StoreValue,
    T: StoreValue,
    K: Fn(&L) -> B + Send + 'static,
    B: AsRef<[u8]>,
    F: Fn(L, Option<T>, &Looked<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    let key = move |value: &L, _: &Record<'_>| Ok(key(value).as_ref().to_vec());
    Looking { lookup, key, joined, open: None, values: PhantomData::<fn() -> (L, T)> }
}

/// A key and since when something is said about it.
type Version = (Vec<u8>, i64);
/// A record that waits: the key that it is looked up by, its timestamp and offset.
type Place = (Vec<u8>, i64, u64);

#[derive(Clone, Serialize, Deserialize)]
struct Waiting<L> {
    /// Its own key.
    key: Option<Vec<u8>>,
    value: L,
}

#[derive(Clone, Serialize, Deserialize)]
struct Said<T>(Option<T>);

struct Open<L, T> {
    records: Input,
    table: Input,
    waiting: OrderedStore<Place, Waiting<L>>,
    said: OrderedStore<Version, Said<T>>,
    /// For a key: what was said before this time is not known any more.
    forgotten: Store<Vec<u8>, i64>,
    due: Timer,
    forget: Timer,
}

struct Looking<L, T, K, F> {
    lookup: Lookup,
    key: K,
    joined: F,
    open: Option<Open<L, T>>,
    values: PhantomData<fn() -> (L, T)>,
}

impl<L, T, K, F> Function for Looking<L, T, K, F>
where
    L: StoreValue,
    T: StoreValue,
    K: Fn(&L, &Record<'_>) -> Result<Vec<u8>> + Send + 'static,
    F: Fn(L, Option<T>, &Looked<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        setup.output("out");
        setup.with_offsets();
        self.open = Some(Open {
            records: setup.input(&self.lookup.records)?,
            table: setup.input(&self.lookup.table)?,
            waiting: setup.ordered_store("waiting"),
            said: setup.ordered_store("table"),
            forgotten: setup.store("forgotten"),
            // In this order: what is due at one time is joined before anything is forgotten.
            due: setup.event_timer("due"),
            forget: setup.event_timer("forget"),
        });
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        let Some(open) = &self.open else { return Err(Error::fail("not open")) };
        let (keep_ms, key, joined) = (self.lookup.keep_ms, &self.key, &self.joined);
        match batch.kind() {
            Kind::Records => each_record(batch, runtime, |record, ctx| {
                if open.records.is_of(record) {
                    let value: L = record.json()?;
                    let key = key(&value, record)?;
                    open.wait(key, value, record, ctx)
                } else if open.table.is_of(record) {
                    open.say(record, keep_ms, ctx)
                } else {
                    Err(Error::reject("the record is neither of the input nor of the table"))
                }
            }),
            Kind::Timers => each_timer(batch, runtime, |timer, ctx| match timer.is(open.due) {
                true => open.join(timer, ctx, joined),
                false => open.forget(timer, ctx),
            }),
            Kind::Migrate => runtime.migrate(batch),
            kind => Err(unexpected(kind)),
        }
    }
}

impl<L: StoreValue, T: StoreValue> Open<L, T> {
    /// Keeps a record until all is known that was said up to its time.
    fn wait(
        &self,
        key: Vec<u8>,
        value: L,
        record: &Record<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<()> {
        let offset = record.offset().unwrap_or_default() as u64;
        let place: Place = (key, record.timestamp(), offset);
        let key = record.key().map(<[u8]>::to_vec);
        self.waiting.put(ctx, &place, Waiting { key, value });
        self.due.set(ctx, &place.encoded()[..], record.timestamp())
    }

    /// Takes down what the table says from a time on.
    fn say(&self, record: &Record<'_>, keep: i64, ctx: &mut Context<'_>) -> Result<()> {
        let missing = || Error::reject("the record has no key, but it is of the table");
        let key = record.key().ok_or_else(missing)?;
        let said = record.value().map(|_| record.json()).transpose()?;
        let version: Version = (key.to_vec(), record.timestamp());
        self.said.put(ctx, &version, Said(said));
        let forgets = record.timestamp().saturating_add(keep);
        self.forget.set(ctx, &version.encoded()[..], forgets)
    }

    /// The last that was said about a key up to a time.
    fn as_of(
        &self,
        ctx: &mut Context<'_>,
        key: &[u8],
        time: i64,
    ) -> Result<Option<(Version, Said<T>)>> {
        let (start, end) = ((key.to_vec(), i64::MIN), (key.to_vec(), time.saturating_add(1)));
        Ok(self.said.range_back(ctx, &start, &end, 1)?.pop())
    }

    fn join(
        &self,
        timer: &DueTimer<'_>,
        ctx: &mut Context<'_>,
        joined: impl Fn(L, Option<T>, &Looked<'_>, &mut Context<'_>) -> Result<()>,
    ) -> Result<()> {
        let place: Place = timer.key_as()?;
        let Some(record) = self.waiting.get(ctx, &place)? else { return Ok(()) };
        let (table_key, time) = (&place.0, place.1);
        let found = self.as_of(ctx, table_key, time)?;
        let known_from = self.forgotten.get(ctx, table_key)?;
        if found.is_none() && known_from.is_some_and(|known_from| time < known_from) {
            let text = "the record is so late that what the table said then is not kept any more: \
                        see `keep`";
            return Err(Error::reject(text));
        }
        self.waiting.delete(ctx, &place);
        let since = found.as_ref().map(|((_, since), _)| *since);
        let said = found.and_then(|(_, said)| said.0);
        let since = since.filter(|_| said.is_some());
        let key = record.key.as_deref().unwrap_or_default();
        joined(record.value, said, &Looked { key, table_key, time, since }, ctx)
    }

    /// Forgets what was said before a time that no record is expected from any more.
    fn forget(&self, timer: &DueTimer<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let (key, since): Version = timer.key_as()?;
        let older =
            self.said.range(ctx, &(key.clone(), i64::MIN), &(key.clone(), since), usize::MAX)?;
        if older.is_empty() {
            return Ok(());
        }
        for (version, _) in &older {
            self.said.delete(ctx, version);
        }
        self.forgotten.put(ctx, &key, since);
        Ok(())
    }
}

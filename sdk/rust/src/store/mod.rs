//! State: stores of typed values by typed keys.
//!
//! A store reads as if every write were made at once. Behind it stands a cache that lives for one
//! call: the first read by a record's own key fetches the keys of all records of the call in one
//! crossing, any other key is fetched when it is read, and writes go to the host once for each key
//! when the call ends. A record that is rejected takes back its own writes only.

mod cache;
mod ordered;
mod put;
mod schema;
mod table;

use core::marker::PhantomData;
use core::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use cache::{Cache, ErasedCache};
pub use ordered::OrderedStore;
pub use schema::Schema;

use crate::context::Context;
use crate::error::Result;
use crate::key::{AsKey, StoreKey};
use crate::payload::Payload;

/// A type that a store can hold: kept as MessagePack with the names of its fields, so that a field
/// with `#[serde(default)]` can be added later. What changes more than that gets a new version: see
/// [`Schema`].
///
/// Within one call the value itself is handed from record to record, not its bytes: it must read
/// back from its bytes as what it was (no `#[serde(skip)]`), or the result depends on where the
/// host cuts its calls.
pub trait StoreValue: Serialize + DeserializeOwned + Clone + Send + 'static {}

impl<V: Serialize + DeserializeOwned + Clone + Send + 'static> StoreValue for V {}

/// A hash map from `K` to `V` that outlives instances, restarts and deployments, and changes in the
/// same commit as everything else that a record does.
///
/// ```
/// use pelton_sdk::{Context, Record, Result, Store};
///
/// struct Count {
///     counts: Store<String, u64>,
/// }
///
/// impl Count {
///     fn count(&self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<u64> {
///         self.counts.update(ctx, record.key_text()?, |count| {
///             *count += 1;
///             *count
///         })
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Store<K, V> {
    pub(crate) index: u16,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> Clone for Store<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Store<K, V> {}

/// Writes the key into the scratch memory and lends it out beside the cache.
fn with_key<K, V: StoreValue, T>(
    index: u16,
    ctx: &mut Context<'_>,
    key: impl AsKey<K>,
    work: impl FnOnce(&mut Cache<V>, &[u8], &mut Context<'_>) -> T,
) -> T {
    let mut scratch = core::mem::take(&mut ctx.runtime.key_scratch);
    scratch.clear();
    key.write_key(true, &mut scratch);
    let result = with_cache(index, ctx, |cache, ctx| work(cache, &scratch, ctx));
    ctx.runtime.key_scratch = scratch;
    result
}

fn with_cache<V: StoreValue, T>(
    index: u16,
    ctx: &mut Context<'_>,
    work: impl FnOnce(&mut Cache<V>, &mut Context<'_>) -> T,
) -> T {
    let mut caches = core::mem::take(&mut ctx.runtime.caches);
    let erased: &mut dyn core::any::Any = caches[usize::from(index)].as_mut();
    let cache = erased.downcast_mut().expect("a store is used by the function that declared it");
    let result = work(cache, ctx);
    ctx.runtime.caches = caches;
    result
}

impl<K: StoreKey, V: StoreValue> Store<K, V> {
    pub(crate) fn new(index: u16) -> Self {
        Self { index, types: PhantomData }
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// Where the stored bytes are not a `V`.
    pub fn get(&self, ctx: &mut Context<'_>, key: impl AsKey<K>) -> Result<Option<V>> {
        with_key(self.index, ctx, key, |cache: &mut Cache<V>, key, ctx| {
            Ok(cache.read(key, ctx)?.cloned())
        })
    }

    /// What `look` makes of the value under `key`, without a copy of it.
    ///
    /// # Errors
    /// Where the stored bytes are not a `V`.
    pub fn look<T>(
        &self,
        ctx: &mut Context<'_>,
        key: impl AsKey<K>,
        look: impl FnOnce(Option<&V>) -> T,
    ) -> Result<T> {
        with_key(self.index, ctx, key, |cache: &mut Cache<V>, key, ctx| {
            cache.read(key, ctx).map(look)
        })
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    /// Where the stored bytes are not a `V`.
    pub fn contains(&self, ctx: &mut Context<'_>, key: impl AsKey<K>) -> Result<bool> {
        self.look(ctx, key, |value| value.is_some())
    }

    /// Puts `value` under `key`.
    pub fn put(&self, ctx: &mut Context<'_>, key: impl AsKey<K>, value: V) {
        self.write(ctx, key, Some(value));
    }

    /// Puts `value` under `key` for this long, counted from the record's time and judged by the
    /// watermark: it may stay a little longer (a 64th), never shorter.
    ///
    /// # Errors
    /// Where the value cannot be stored.
    pub fn put_for(
        &self,
        ctx: &mut Context<'_>,
        key: impl AsKey<K>,
        value: V,
        time_to_live: Duration,
    ) -> Result<()> {
        let ms = i64::try_from(time_to_live.as_millis()).unwrap_or(i64::MAX).max(1);
        with_key(self.index, ctx, key, |cache: &mut Cache<V>, key, ctx| {
            let operations = &mut ctx.runtime.operations;
            cache.write_for(key, value, ms, ctx.cause, operations)
        })
    }

    /// Deletes `key`.
    pub fn delete(&self, ctx: &mut Context<'_>, key: impl AsKey<K>) {
        self.write(ctx, key, None);
    }

    fn write(&self, ctx: &mut Context<'_>, key: impl AsKey<K>, value: Option<V>) {
        with_key(self.index, ctx, key, |cache: &mut Cache<V>, key, ctx| {
            cache.write(key, value, ctx.cause);
        });
    }

    /// Changes the value under `key` where it stands, or a new one of `V::default()`.
    ///
    /// # Errors
    /// Where the stored bytes are not a `V`.
    pub fn update<T>(
        &self,
        ctx: &mut Context<'_>,
        key: impl AsKey<K>,
        change: impl FnOnce(&mut V) -> T,
    ) -> Result<T>
    where
        V: Default,
    {
        with_key(self.index, ctx, key, |cache: &mut Cache<V>, key, ctx| {
            Ok(change(cache.change(key, ctx)?))
        })
    }

    /// Deletes every key whose bytes start with those of `prefix`: for a key that is text, the keys
    /// that start with it.
    ///
    /// # Errors
    /// Where a codec refuses the prefix.
    pub fn delete_prefix(&self, ctx: &mut Context<'_>, prefix: impl Payload) -> Result<()> {
        let mut scratch = Vec::new();
        let prefix = prefix.bytes(&mut scratch)?.unwrap_or(&[]);
        with_cache(self.index, ctx, |cache: &mut Cache<V>, ctx| {
            cache.delete_prefix(prefix, ctx.cause, &mut ctx.runtime.operations);
        });
        Ok(())
    }

    /// Reads these keys ahead in one crossing, where they are not those of the call's records.
    pub fn prefetch<Q: AsKey<K>>(&self, ctx: &mut Context<'_>, keys: impl IntoIterator<Item = Q>) {
        let mut all = Vec::new();
        for key in keys {
            let mut bytes = Vec::new();
            key.write_key(true, &mut bytes);
            all.push(bytes);
        }
        with_cache(self.index, ctx, |cache: &mut Cache<V>, _| {
            cache.fetch(all.iter().map(Vec::as_slice));
        });
    }
}

//! Stores that are kept in the order of their keys.

use core::ops::Deref;
use std::collections::BTreeMap;

use pelton_batch::Batch;
use pelton_batch::layout::tag;

use super::cache::Cache;
use super::{Store, StoreValue, with_cache};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::host;
use crate::key::{AsKey, StoreKey};

/// The host ends an answer at about 1 MiB: one that is well below that and short of its limit is
/// the last.
const ANSWER_MAY_BE_CUT_BYTES: usize = 512 * 1024;

/// A [`Store`] that is kept in the order of its keys: it can do all that a `Store` can, and scan
/// ranges. Scans see the writes of the call so far.
///
/// ```
/// use pelton_sdk::{Context, OrderedStore, Result};
///
/// fn last_three(
///     visits: &OrderedStore<(String, i64), u64>,
///     ctx: &mut Context<'_>,
///     who: &str,
/// ) -> Result<Vec<((String, i64), u64)>> {
///     visits.range_back(ctx, (who, i64::MIN), (who, i64::MAX), 3)
/// }
/// ```
#[derive(Debug)]
pub struct OrderedStore<K, V>(Store<K, V>);

impl<K, V> Clone for OrderedStore<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for OrderedStore<K, V> {}

impl<K, V> Deref for OrderedStore<K, V> {
    type Target = Store<K, V>;

    fn deref(&self) -> &Store<K, V> {
        &self.0
    }
}

impl<K: StoreKey, V: StoreValue> OrderedStore<K, V> {
    pub(crate) fn new(index: u16) -> Self {
        Self(Store::new(index))
    }

    /// The first `limit` entries with `start <= key < end`.
    ///
    /// # Errors
    /// Where a stored key or value is not a `K` or `V`.
    pub fn range(
        &self,
        ctx: &mut Context<'_>,
        start: impl AsKey<K>,
        end: impl AsKey<K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>> {
        self.between(ctx, &bytes_of(start), Some(&bytes_of(end)), limit, false)
    }

    /// The last `limit` entries with `start <= key < end`, the last one first.
    ///
    /// # Errors
    /// Where a stored key or value is not a `K` or `V`.
    pub fn range_back(
        &self,
        ctx: &mut Context<'_>,
        start: impl AsKey<K>,
        end: impl AsKey<K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>> {
        self.between(ctx, &bytes_of(start), Some(&bytes_of(end)), limit, true)
    }

    /// The first `limit` entries from `start` on.
    ///
    /// # Errors
    /// Where a stored key or value is not a `K` or `V`.
    pub fn range_from(
        &self,
        ctx: &mut Context<'_>,
        start: impl AsKey<K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>> {
        self.between(ctx, &bytes_of(start), None, limit, false)
    }

    /// The first `limit` entries of all.
    ///
    /// # Errors
    /// Where a stored key or value is not a `K` or `V`.
    pub fn first(&self, ctx: &mut Context<'_>, limit: usize) -> Result<Vec<(K, V)>> {
        self.between(ctx, &[], None, limit, false)
    }

    fn between(
        &self,
        ctx: &mut Context<'_>,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<(K, V)>> {
        with_cache(self.0.index, ctx, |cache: &mut Cache<V>, _| {
            let mut found = stored(cache, start, end, limit, reverse)?;
            for (key, value) in cache.overlay(start, end) {
                if let Some(value) = value {
                    found.insert(key.to_vec(), value.clone());
                }
            }
            let typed = |(key, value): (Vec<u8>, V)| Ok((K::decode(&key)?, value));
            match reverse {
                false => found.into_iter().take(limit).map(typed).collect(),
                true => found.into_iter().rev().take(limit).map(typed).collect(),
            }
        })
    }
}

fn bytes_of<K>(key: impl AsKey<K>) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write_key(true, &mut bytes);
    bytes
}

/// The first `limit` entries of the range that the host holds and the call has not written.
fn stored<V: StoreValue>(
    cache: &Cache<V>,
    start: &[u8],
    end: Option<&[u8]>,
    limit: usize,
    reverse: bool,
) -> Result<BTreeMap<Vec<u8>, V>> {
    let mut found = BTreeMap::new();
    let (mut from, mut to) = (start.to_vec(), end.map(<[u8]>::to_vec));
    while found.len() < limit && to.as_ref().is_none_or(|to| from < *to) {
        let want = u32::try_from(limit - found.len()).unwrap_or(u32::MAX);
        let answer = host::scan(cache.store(), &from, to.as_deref(), want, reverse);
        let broken = |_| Error::fail("the host's answer to a scan is not a batch");
        let entries = Batch::parse(&answer).and_then(Batch::records).map_err(broken)?;
        let versions = entries.batch().fixed::<u32>(tag::SCHEMA);
        for entry in entries.iter() {
            let (Some(key), Some(value)) = (entry.key(), entry.value()) else { continue };
            if !cache.hides(key) {
                let version = versions.map_or(0, |versions| versions.get(entry.row()));
                found.insert(key.to_vec(), cache.decode(key, value, version)?);
            }
        }
        let Some(last) = entries.len().checked_sub(1).and_then(|row| entries.key(row)) else {
            break;
        };
        if entries.len() < want as usize && answer.len() < ANSWER_MAY_BE_CUT_BYTES {
            break;
        }
        if reverse {
            to = Some(last.to_vec());
        } else {
            from = [last, &[0]].concat();
        }
    }
    Ok(found)
}

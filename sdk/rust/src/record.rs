//! Records as a function sees them.

use core::fmt;

use pelton_batch::{Header, HeaderIter, Records};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::key::StoreKey;

/// A record: a view into the batch that the host sent. Reading it copies nothing.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    records: &'a Records<'a>,
    row: usize,
}

impl<'a> Record<'a> {
    #[inline]
    pub(crate) fn new(records: &'a Records<'a>, row: usize) -> Self {
        Self { records, row }
    }

    /// The key; `None` where the record has none.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.records.key(self.row)
    }

    /// The key; empty where the record has none.
    #[must_use]
    #[inline]
    pub fn key_bytes(&self) -> &'a [u8] {
        self.key().unwrap_or(&[])
    }

    /// The key as text.
    ///
    /// # Errors
    /// Where there is no key, or it is not UTF-8.
    pub fn key_text(&self) -> Result<&'a str> {
        let key = self.key().ok_or(Error::reject("the record has no key"))?;
        core::str::from_utf8(key).map_err(|_| Error::reject("the key is not UTF-8"))
    }

    /// The key as a type that stores use as theirs: see [`StoreKey`].
    ///
    /// # Errors
    /// Where there is no key, or it is not one of `K`.
    pub fn key_as<K: StoreKey>(&self) -> Result<K> {
        K::decode(self.key().ok_or(Error::reject("the record has no key"))?)
    }

    /// The value; `None` is a tombstone.
    #[must_use]
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.records.value(self.row)
    }

    /// The value; empty where it is a tombstone.
    #[must_use]
    #[inline]
    pub fn value_bytes(&self) -> &'a [u8] {
        self.value().unwrap_or(&[])
    }

    /// The value as text.
    ///
    /// # Errors
    /// Where it is a tombstone or not UTF-8.
    pub fn text(&self) -> Result<&'a str> {
        core::str::from_utf8(self.some_value()?)
            .map_err(|_| Error::reject("the value is not UTF-8"))
    }

    /// The value, read as JSON.
    ///
    /// # Errors
    /// Where it is a tombstone, or not the JSON of a `T`: the error names the place.
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T> {
        serde_json::from_slice(self.some_value()?)
            .map_err(|error| Error::reject(format!("the value is not the JSON expected: {error}")))
    }

    /// The value, read as MessagePack.
    ///
    /// # Errors
    /// Where it is a tombstone, or not the MessagePack of a `T`.
    pub fn message_pack<T: Deserialize<'a>>(&self) -> Result<T> {
        rmp_serde::from_slice(self.some_value()?).map_err(|error| {
            Error::reject(format!("the value is not the MessagePack expected: {error}"))
        })
    }

    fn some_value(&self) -> Result<&'a [u8]> {
        self.value().ok_or(Error::reject("the record has no value (it is a tombstone)"))
    }

    /// The timestamp, ms since the Unix epoch, UTC.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> i64 {
        self.records.timestamp(self.row)
    }

    /// The offset in its partition, where the function asked for offsets
    /// ([`Setup::with_offsets`](crate::Setup::with_offsets)).
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.records.offset(self.row)
    }

    /// The index of the subscription that it came from; 0 unless the function asked for an input by
    /// name ([`Setup::input`](crate::Setup::input)).
    #[must_use]
    pub fn input(&self) -> u16 {
        self.records.input(self.row)
    }

    /// The headers, in order. A name may come twice.
    pub fn headers(&self) -> HeaderIter<'a> {
        self.records.headers(self.row)
    }

    /// The value of the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|header: &Header<'_>| header.name == name)?.value
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key().map(String::from_utf8_lossy))
            .field("value", &self.value().map(String::from_utf8_lossy))
            .field("timestamp", &self.timestamp())
            .finish()
    }
}

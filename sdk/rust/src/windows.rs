//! Windows: how they are declared, and what a function sees of one that fires.

use core::time::Duration;

use pelton_batch::{Group, Pane};

use crate::error::{Error, Result};
use crate::key::StoreKey;

/// A part of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calendar {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From its first day to its last.
    Month,
    /// From 1 January to 31 December.
    Year,
}

/// Which windows the host keeps for a function.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::Windows;
///
/// let windows = Windows::tumbling(Duration::from_mins(1))
///     .grace(Duration::from_secs(10))
///     .late_to("late");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    settings: Vec<(&'static str, String)>,
}

/// A duration as the host reads it.
fn ms(duration: Duration) -> String {
    format!("{}ms", i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

impl Windows {
    fn new(settings: impl Into<Vec<(&'static str, String)>>) -> Self {
        Self { settings: settings.into() }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value));
        self
    }

    /// Windows of this length, one behind the other, aligned to the epoch.
    #[must_use]
    pub fn tumbling(size: Duration) -> Self {
        Self::new([("size", ms(size))])
    }

    /// Windows of length `size` that start every `advance`.
    #[must_use]
    pub fn hopping(size: Duration, advance: Duration) -> Self {
        Self::new([("size", ms(size)), ("advance", ms(advance))])
    }

    /// For each key, records that are no further apart than `gap`: from the first of them to `gap`
    /// behind the last. Sessions that a record brings together become one: an
    /// [`Aggregate`](crate::Aggregate) says how in `merge`.
    #[must_use]
    pub fn session(gap: Duration) -> Self {
        Self::new([("gap", ms(gap))])
    }

    /// Windows of `records` records of a key, whenever they come. What is not full is told at the end
    /// of a bounded input.
    #[must_use]
    pub fn count(records: u32) -> Self {
        Self::new([("count", records.to_string())])
    }

    /// One window of length `size` for each distinct set of a key's records that lie within one: a
    /// window that slides over time fires whenever a record comes in, and goes out.
    #[must_use]
    pub fn sliding(size: Duration) -> Self {
        Self::new([("sliding", ms(size))])
    }

    /// The days, weeks (from Monday), months or years of a time zone of the IANA database, such as
    /// `Europe/Berlin`: as long as they are there.
    #[must_use]
    pub fn calendar(unit: Calendar, time_zone: &str) -> Self {
        let unit = match unit {
            Calendar::Day => "day",
            Calendar::Week => "week",
            Calendar::Month => "month",
            Calendar::Year => "year",
        };
        Self::new([("calendar", unit.to_owned()), ("time_zone", time_zone.to_owned())])
    }

    /// One window that holds all records of a key and never ends by itself: for
    /// [`Self::early_records`] and [`Self::early_every`], for [`Self::marker`], and for inputs that end.
    #[must_use]
    pub fn global() -> Self {
        Self::new([("global", "true".to_owned())])
    }

    /// A window fires before its end as well, after every so many records of its key.
    #[must_use]
    pub fn early_records(self, records: u32) -> Self {
        self.with("early_records", records.to_string())
    }

    /// Windows fire before their end as well, with each so much event time: those that have got
    /// something, with the record that moves the watermark past a multiple of it.
    #[must_use]
    pub fn early_every(self, event_time: Duration) -> Self {
        self.with("early_every", ms(event_time))
    }

    /// Windows fire before their end as well, so long by the clock after something has come to one that
    /// had told of everything. Not in a bounded run, which does not go by the clock.
    #[must_use]
    pub fn early_delay(self, delay: Duration) -> Self {
        self.with("early_delay", ms(delay))
    }

    /// A record with a header of this name is a marker: everything before its timestamp has come. It
    /// belongs to no window and needs no key; it moves the watermark to its timestamp, and closes
    /// windows that have no end, of all keys of its partition.
    #[must_use]
    pub fn marker(self, header: &str) -> Self {
        self.with("marker", header.to_owned())
    }

    /// A window that has fired begins anew: it tells only of what has come since. Without it, it tells
    /// of everything each time.
    #[must_use]
    pub fn discarding(self) -> Self {
        self.with("discard", "true".to_owned())
    }

    /// How long after its end a window takes late records (allowed lateness); none by default.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        self.with("grace", ms(grace))
    }

    /// The name of an output that gets the records that are later than that. Without one they are
    /// counted only.
    #[must_use]
    pub fn late_to(self, output: &str) -> Self {
        self.with("late_output", output.to_owned())
    }

    /// The output of late records.
    pub(crate) fn late(&self) -> Option<&str> {
        let late = self.settings.iter().find(|(name, _)| *name == "late_output");
        late.map(|(_, output)| output.as_str())
    }

    /// Whether windows of a key can become one.
    pub(crate) fn merge(&self) -> bool {
        self.settings.iter().any(|(name, _)| *name == "gap")
    }

    pub(crate) fn into_settings(self) -> Vec<(&'static str, String)> {
        self.settings
    }
}

/// A window of one key that fires.
#[derive(Debug, Clone, Copy)]
pub struct Fired<'a> {
    pub(crate) group: Group<'a>,
}

impl<'a> Fired<'a> {
    /// The key; `None` for the records without one.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.group.key
    }

    /// The key as text.
    ///
    /// # Errors
    /// Where there is none, or it is not UTF-8.
    pub fn key_text(&self) -> Result<&'a str> {
        let key = self.key().ok_or(Error::reject("the window has no key"))?;
        core::str::from_utf8(key).map_err(|_| Error::reject("the window's key is not UTF-8"))
    }

    /// The key as a type that stores use as theirs.
    ///
    /// # Errors
    /// Where there is none, or it is not one of `K`.
    pub fn key_as<K: StoreKey>(&self) -> Result<K> {
        K::decode(self.key().ok_or(Error::reject("the window has no key"))?)
    }

    /// The window's start, inclusive, ms since the Unix epoch; `i64::MIN` of one without an end.
    #[must_use]
    pub fn start(&self) -> i64 {
        self.group.start
    }

    /// The window's end, exclusive, ms since the Unix epoch; `i64::MAX` of one without an end.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.group.end
    }

    /// How often this window has fired before: 0 the first time, more where late records came.
    #[must_use]
    pub fn pane(&self) -> u32 {
        self.group.pane.number()
    }

    /// Whether it fires before the watermark has reached its end: since enough records have come, or
    /// the function said so.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.group.pane.has(Pane::EARLY)
    }

    /// Whether it fires again for late records.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.group.pane.has(Pane::LATE)
    }
}

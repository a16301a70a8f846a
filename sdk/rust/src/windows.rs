//! Windows: how they are declared, and what a function sees of one that fires.

use core::time::Duration;

use pelton_batch::{Group, Pane};

use crate::declaration::Assigner;
use crate::error::{Error, Result};
use crate::key::StoreKey;

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
    pub(crate) assigner: Assigner,
    pub(crate) grace_ms: i64,
    pub(crate) late: Option<String>,
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Windows {
    /// Windows of this length, one behind the other, aligned to the epoch.
    #[must_use]
    pub fn tumbling(size: Duration) -> Self {
        Self { assigner: Assigner::Tumbling { size_ms: ms(size) }, grace_ms: 0, late: None }
    }

    /// Windows of length `size` that start every `advance`.
    #[must_use]
    pub fn hopping(size: Duration, advance: Duration) -> Self {
        let assigner = Assigner::Hopping { size_ms: ms(size), advance_ms: ms(advance) };
        Self { assigner, grace_ms: 0, late: None }
    }

    /// How long after its end a window takes late records (allowed lateness); none by default.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = ms(grace);
        self
    }

    /// The name of an output that gets the records that are later than that. Without one they are
    /// counted only.
    #[must_use]
    pub fn late_to(mut self, output: &str) -> Self {
        self.late = Some(output.to_owned());
        self
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

    /// The window's start, inclusive, ms since the Unix epoch.
    #[must_use]
    pub fn start(&self) -> i64 {
        self.group.start
    }

    /// The window's end, exclusive, ms since the Unix epoch.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.group.end
    }

    /// How often this window has fired before: 0 the first time, more where late records came.
    #[must_use]
    pub fn pane(&self) -> u32 {
        self.group.pane.number()
    }

    /// Whether it fires again for late records.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.group.pane.has(Pane::LATE)
    }
}

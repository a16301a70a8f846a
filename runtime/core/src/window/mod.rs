//! How records are put into windows.

mod assigner;
mod calendar;
mod spec;

pub use assigner::Assigner;
pub use calendar::{CalendarUnit, Zone};
pub use spec::WindowSpec;

use serde::{Deserialize, Serialize};

/// A window: `start` inclusive, `end` exclusive, ms since the Unix epoch. Windows are ordered by
/// end, then start: the order in which they fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Inclusive start.
    pub start: i64,
    /// Exclusive end.
    pub end: i64,
}

impl Window {
    /// The window that holds everything.
    pub const ALWAYS: Self = Self { start: i64::MIN, end: i64::MAX };

    /// Whether the two overlap, or one begins where the other ends.
    #[must_use]
    pub fn touches(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The window from the earlier start to the later end.
    #[must_use]
    pub fn span(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl Ord for Window {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.end, self.start).cmp(&(other.end, other.start))
    }
}

impl PartialOrd for Window {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What a function is called with when a window fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// All the records of the window.
    Contents,
    /// The accumulator that calls of kind `Accumulate` have built up.
    Incremental,
}

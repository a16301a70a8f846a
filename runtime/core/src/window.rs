//! How records are put into windows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::manifest::duration_text;

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

/// Which windows a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Assigner {
    /// Windows of `size_ms`, one behind the other, aligned to the epoch.
    Tumbling {
        /// Length of a window, at least 1.
        size_ms: i64,
    },
    /// Windows of `size_ms` that start every `advance_ms`.
    Hopping {
        /// Length of a window, at least 1.
        size_ms: i64,
        /// Distance of window starts, from 1 to `size_ms`.
        advance_ms: i64,
    },
    /// For each key, records that are no further apart than `gap_ms`: from the first of them to
    /// `gap_ms` behind the last. Sessions that touch are one.
    Session {
        /// Longest time without a record, at least 1.
        gap_ms: i64,
    },
    /// One window that holds all records of a key and never ends by itself.
    Global,
}

impl Assigner {
    /// Whether windows of a key can become one: then which window a record belongs to depends on the
    /// others, and [`Self::windows`] is only where it begins.
    #[must_use]
    pub fn merges(&self) -> bool {
        matches!(self, Self::Session { .. })
    }

    /// The windows that hold `timestamp`, earliest first. Windows that i64 cannot hold are left
    /// out.
    pub fn windows(&self, timestamp: i64) -> impl Iterator<Item = Window> + use<> {
        let aligned = |advance: i64| timestamp.checked_sub(timestamp.rem_euclid(advance));
        let (size, advance, last) = match *self {
            Self::Tumbling { size_ms } => (size_ms, size_ms, aligned(size_ms)),
            Self::Hopping { size_ms, advance_ms } => (size_ms, advance_ms, aligned(advance_ms)),
            // Aligned to nothing: each record begins one of its own.
            Self::Session { gap_ms } => (gap_ms, gap_ms, Some(timestamp)),
            Self::Global => (1, 1, None),
        };
        let count = if size == advance { 1 } else { (size - 1) / advance + 1 };
        let timed = (0..count).rev().filter_map(move |back| {
            let start = last?.checked_sub(back.checked_mul(advance)?)?;
            let end = start.checked_add(size)?;
            (end > timestamp).then_some(Window { start, end })
        });
        timed.chain((*self == Self::Global).then_some(Window::ALWAYS))
    }

    /// Why the settings make no sense, if they do not.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Self::Tumbling { size_ms } | Self::Hopping { size_ms, .. } if size_ms < 1 => {
                Err(format!("the window size is {size_ms} ms; it must be at least 1 ms"))
            }
            Self::Session { gap_ms } if gap_ms < 1 => {
                Err(format!("the session gap is {gap_ms} ms; it must be at least 1 ms"))
            }
            Self::Hopping { size_ms, advance_ms } if !(1..=size_ms).contains(&advance_ms) => {
                Err(format!(
                    "the window advance is {advance_ms} ms; it must be from 1 ms to the size, \
                     {size_ms} ms"
                ))
            }
            Self::Hopping { size_ms, advance_ms } if size_ms / advance_ms > 1_000 => Err(format!(
                "a record would belong to {} windows; at most 1000 (size {size_ms} ms, advance \
                 {advance_ms} ms)",
                size_ms / advance_ms
            )),
            _ => Ok(()),
        }
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

/// The windows that the host keeps for a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// Which windows a record belongs to.
    pub assigner: Assigner,
    /// What the function is called with.
    pub shape: Shape,
    /// How long after its end a window takes late records, ms.
    pub grace_ms: i64,
    /// Index of the declared output that gets the records that are later than that.
    pub late_output: Option<u16>,
    /// After how many records of a key a window fires early, each time.
    #[serde(default)]
    pub early_records: Option<u64>,
    /// Whether a window that has fired begins anew, instead of firing with everything again.
    #[serde(default)]
    pub discard: bool,
}

impl WindowSpec {
    /// Windows that fire once, at their end: no grace, no late output.
    #[must_use]
    pub fn new(assigner: Assigner, shape: Shape) -> Self {
        Self {
            assigner,
            shape,
            grace_ms: 0,
            late_output: None,
            early_records: None,
            discard: false,
        }
    }

    /// Whether the grace of a window is over: no record can come to it any more.
    #[must_use]
    #[inline]
    pub fn is_over(&self, window: &Window, watermark: i64) -> bool {
        window.end.saturating_add(self.grace_ms) <= watermark
    }

    /// Whether a window fires early behind its record of this number, from 1.
    #[must_use]
    #[inline]
    pub fn fires_early(&self, records: u64) -> bool {
        self.early_records.is_some_and(|every| records > 0 && records.is_multiple_of(every))
    }
}

/// The settings of `[window]` that make it, as in `gap 30m, grace 5m, incremental`.
impl fmt::Display for WindowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_count = self.assigner == Assigner::Global && self.discard;
        let count = self.early_records.filter(|_| by_count);
        match self.assigner {
            Assigner::Tumbling { size_ms } => write!(f, "size {}", duration_text(size_ms))?,
            Assigner::Hopping { size_ms, advance_ms } => {
                let (size, advance) = (duration_text(size_ms), duration_text(advance_ms));
                write!(f, "size {size}, advance {advance}")?;
            }
            Assigner::Session { gap_ms } => write!(f, "gap {}", duration_text(gap_ms))?,
            Assigner::Global => match count {
                Some(count) => write!(f, "count {count}")?,
                None => write!(f, "global")?,
            },
        }
        if count.is_none() {
            if let Some(records) = self.early_records {
                write!(f, ", early_records {records}")?;
            }
            if self.discard {
                write!(f, ", discard")?;
            }
        }
        if self.grace_ms > 0 {
            write!(f, ", grace {}", duration_text(self.grace_ms))?;
        }
        match self.shape {
            Shape::Contents => write!(f, ", contents"),
            Shape::Incremental => write!(f, ", incremental"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tumbling_windows_align_to_the_epoch_on_both_sides() {
        let windows = |t| Assigner::Tumbling { size_ms: 10 }.windows(t).collect::<Vec<_>>();
        assert_eq!(windows(0), [Window { start: 0, end: 10 }]);
        assert_eq!(windows(9), [Window { start: 0, end: 10 }]);
        assert_eq!(windows(-1), [Window { start: -10, end: 0 }]);
    }

    #[test]
    fn a_record_belongs_to_every_hopping_window_around_it() {
        let hopping = Assigner::Hopping { size_ms: 10, advance_ms: 4 };
        let starts: Vec<_> = hopping.windows(12).map(|w| w.start).collect();
        assert_eq!(starts, [4, 8, 12]);
        assert!(hopping.windows(13).all(|w| w.start <= 13 && 13 < w.end));
    }

    #[test]
    fn a_session_begins_with_a_record_and_touches_what_ends_where_it_begins() {
        let windows = |t| Assigner::Session { gap_ms: 10 }.windows(t).collect::<Vec<_>>();
        assert_eq!(windows(7), [Window { start: 7, end: 17 }]);
        assert!(windows(i64::MAX - 9).is_empty(), "i64 cannot hold its end");
        let (one, other, apart) = (windows(7)[0], windows(17)[0], windows(18)[0]);
        assert!(one.touches(&other) && other.touches(&one) && !one.touches(&apart));
        assert_eq!(one.span(&other), Window { start: 7, end: 27 });
    }

    #[test]
    fn windows_are_told_by_their_settings() {
        let told = |assigner, change: fn(&mut WindowSpec)| {
            let mut spec = WindowSpec::new(assigner, Shape::Incremental);
            change(&mut spec);
            spec.to_string()
        };
        let hour = 3_600_000;
        let tumbling = Assigner::Tumbling { size_ms: hour };
        assert_eq!(told(tumbling, |_| {}), "size 1h, incremental");
        assert_eq!(told(tumbling, |spec| spec.discard = true), "size 1h, discard, incremental");
        let hopping = Assigner::Hopping { size_ms: hour, advance_ms: hour / 4 };
        let early = |spec: &mut WindowSpec| (spec.early_records, spec.grace_ms) = (Some(5), 1_000);
        let expected = "size 1h, advance 15m, early_records 5, grace 1s, incremental";
        assert_eq!(told(hopping, early), expected);
        assert_eq!(told(Assigner::Session { gap_ms: hour / 2 }, |_| {}), "gap 30m, incremental");
        let count = |spec: &mut WindowSpec| (spec.early_records, spec.discard) = (Some(5), true);
        assert_eq!(told(Assigner::Global, count), "count 5, incremental");
        assert_eq!(told(Assigner::Global, |_| {}), "global, incremental");
        assert_eq!(told(Assigner::Global, |s| s.discard = true), "global, discard, incremental");
    }

    #[test]
    fn the_global_window_holds_every_timestamp() {
        for time in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(Assigner::Global.windows(time).collect::<Vec<_>>(), [Window::ALWAYS]);
        }
        assert!(Assigner::Global.check().is_ok());
    }

    #[test]
    fn timestamps_at_both_ends_of_i64_have_no_window_that_overflows() {
        let hopping = Assigner::Hopping { size_ms: 10, advance_ms: 3 };
        assert!(hopping.windows(i64::MAX).all(|w| w.start < w.end));
        assert!(hopping.windows(i64::MIN).all(|w| w.start < w.end));
    }
}

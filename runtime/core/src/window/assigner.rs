//! Which windows a record belongs to.

use serde::{Deserialize, Serialize};

use super::{CalendarUnit, Window, Zone};

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
    /// For each key, one window of `size_ms` for each distinct set of records that lie within one: as
    /// it would slide over time, whenever a record comes in or goes out.
    Sliding {
        /// Length of a window, at least 1.
        size_ms: i64,
    },
    /// The days, weeks, months or years of a time zone.
    Calendar {
        /// How long one is.
        unit: CalendarUnit,
        /// Where.
        zone: Zone,
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

    /// Whether windows slide: they are made from those before them.
    #[must_use]
    pub fn slides(&self) -> bool {
        matches!(self, Self::Sliding { .. })
    }

    /// Whether which windows a record belongs to depends on those that its key has.
    #[must_use]
    pub fn looks_by_key(&self) -> bool {
        matches!(self, Self::Session { .. } | Self::Sliding { .. })
    }

    /// The windows that hold `timestamp`, earliest first; of those that depend on others the one that it
    /// begins: the session of it alone, the window that it slides into. Windows that i64 cannot hold are left
    /// out.
    pub fn windows(&self, timestamp: i64) -> impl Iterator<Item = Window> + use<> {
        let aligned = |advance: i64| timestamp.checked_sub(timestamp.rem_euclid(advance));
        let (size, advance, last) = match *self {
            Self::Tumbling { size_ms } => (size_ms, size_ms, aligned(size_ms)),
            Self::Hopping { size_ms, advance_ms } => (size_ms, advance_ms, aligned(advance_ms)),
            // Aligned to nothing: each record begins one of its own.
            Self::Session { gap_ms } => (gap_ms, gap_ms, Some(timestamp)),
            // The first window that holds it ends right behind it.
            Self::Sliding { size_ms } => (
                size_ms,
                size_ms,
                timestamp.checked_add(1).and_then(|end| end.checked_sub(size_ms)),
            ),
            Self::Calendar { .. } | Self::Global => (1, 1, None),
        };
        let count = if size == advance { 1 } else { (size - 1) / advance + 1 };
        let timed = (0..count).rev().filter_map(move |back| {
            let start = last?.checked_sub(back.checked_mul(advance)?)?;
            let end = start.checked_add(size)?;
            (end > timestamp).then_some(Window { start, end })
        });
        timed.chain(match *self {
            Self::Calendar { unit, zone } => unit.window(zone, timestamp),
            Self::Global => Some(Window::ALWAYS),
            _ => None,
        })
    }

    /// Why the settings make no sense, if they do not.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Self::Tumbling { size_ms }
            | Self::Hopping { size_ms, .. }
            | Self::Sliding { size_ms }
                if size_ms < 1 =>
            {
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

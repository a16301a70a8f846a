//! The windows of a function: which there are, when they fire, and what it is called with.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Assigner, Shape, Window};
use crate::manifest::duration_text;

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
    /// After how much event time the windows that have got something fire early, each time, ms: with
    /// the record that moves the watermark past a multiple of it.
    #[serde(default)]
    pub early_every_ms: Option<i64>,
    /// How long by the clock what has come to a window waits until it fires early, ms. Not in a
    /// bounded run, which has no time to wait for.
    #[serde(default)]
    pub early_delay_ms: Option<i64>,
    /// Whether a window that has fired begins anew, instead of firing with everything again.
    #[serde(default)]
    pub discard: bool,
    /// The header by which a record says that everything before it has come: it belongs to no window,
    /// moves the watermark to its timestamp, and closes windows that have no end.
    #[serde(default)]
    pub marker: Option<String>,
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
            early_every_ms: None,
            early_delay_ms: None,
            discard: false,
            marker: None,
        }
    }

    /// Why the settings make no sense, if they do not.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn check(&self) -> Result<(), String> {
        self.assigner.check()?;
        for (what, ms) in
            [("early_every", self.early_every_ms), ("early_delay", self.early_delay_ms)]
        {
            if let Some(ms) = ms.filter(|ms| *ms < 1) {
                return Err(format!("{what} is {ms} ms; it must be at least 1 ms"));
            }
        }
        if self.assigner.slides() && (self.early_records.is_some() || self.discard) {
            let text =
                "sliding windows are made of one another: leave `early_records` and `discard` out";
            return Err(text.to_owned());
        }
        match self.marker.as_deref() {
            Some("") => Err("marker is empty; it must be the name of a header".to_owned()),
            _ => Ok(()),
        }
    }

    /// The last event time up to `watermark` for which windows fire early; `None` where they do not, and
    /// before the first record.
    #[must_use]
    #[inline]
    pub fn early_time(&self, watermark: i64) -> Option<i64> {
        let every = self.early_every_ms.filter(|_| watermark > i64::MIN)?;
        Some(watermark.saturating_sub(watermark.rem_euclid(every)))
    }

    /// Whether windows fire early by time: then what has come since they fired last is kept track of.
    #[must_use]
    pub fn fires_by_time(&self) -> bool {
        self.early_every_ms.is_some() || self.early_delay_ms.is_some()
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
            Assigner::Sliding { size_ms } => write!(f, "sliding {}", duration_text(size_ms))?,
            Assigner::Session { gap_ms } => write!(f, "gap {}", duration_text(gap_ms))?,
            Assigner::Calendar { unit, zone } => {
                write!(f, "calendar {unit}, time_zone {}", zone.name())?;
            }
            Assigner::Global => match count {
                Some(count) => write!(f, "count {count}")?,
                None => write!(f, "global")?,
            },
        }
        if count.is_none() {
            if let Some(records) = self.early_records {
                write!(f, ", early_records {records}")?;
            }
            for (name, ms) in
                [("early_every", self.early_every_ms), ("early_delay", self.early_delay_ms)]
            {
                if let Some(ms) = ms {
                    write!(f, ", {name} {}", duration_text(ms))?;
                }
            }
            if self.discard {
                write!(f, ", discard")?;
            }
        }
        if let Some(marker) = &self.marker {
            write!(f, ", marker {marker}")?;
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
}

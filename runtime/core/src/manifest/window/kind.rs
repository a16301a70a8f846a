//! Which kind of windows the settings of `[window]` make.

use super::WindowSettings;
use crate::window::{Assigner, Shape, WindowSpec, Zone};

/// The settings of which one may be set.
pub(super) const KINDS: &str = "size, sliding, gap, count, calendar and global";

impl WindowSettings {
    /// The settings that say which kind of windows it is to be.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let set = [
            ("size", self.size_ms.is_some()),
            ("sliding", self.sliding_ms.is_some()),
            ("gap", self.gap_ms.is_some()),
            ("count", self.count.is_some()),
            ("calendar", self.calendar.is_some()),
            ("global", self.global == Some(true)),
        ];
        set.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect()
    }

    /// What cannot be set together.
    pub(super) fn contradiction(&self) -> Option<String> {
        let kinds = self.kinds();
        if let [one, other, ..] = kinds[..] {
            return Some(format!(
                "`{one}` and `{other}` make windows of different kinds: set one of {KINDS}"
            ));
        }
        let kind = kinds.first().filter(|kind| **kind != "size");
        if let (Some(kind), Some(_)) = (kind, self.advance_ms) {
            return Some(format!("`{kind}` makes windows that have no `advance`"));
        }
        let kind = kinds.first().filter(|kind| **kind != "calendar");
        if let (Some(kind), Some(_)) = (kind, self.time_zone) {
            return Some(format!("`{kind}` makes windows that have no `time_zone`"));
        }
        let early = [self.early_every_ms, self.early_delay_ms].iter().any(Option::is_some);
        let early = early || self.early_records.is_some() || self.discard.is_some();
        if self.count.is_some() && early {
            let text = "windows of `count` records fire and begin anew with each of them: leave \
                        `early_records`, `early_every`, `early_delay` and `discard` out";
            return Some(text.to_owned());
        }
        None
    }

    /// Which windows a record belongs to.
    pub(super) fn assigner(
        &self,
        declared: Option<&WindowSpec>,
    ) -> std::result::Result<Assigner, String> {
        if let Some(text) = self.contradiction() {
            return Err(text);
        }
        if self.count.is_some() || self.global == Some(true) {
            return Ok(Assigner::Global);
        }
        if let Some(size_ms) = self.sliding_ms {
            return Ok(Assigner::Sliding { size_ms });
        }
        if let Some(gap_ms) = self.gap_ms {
            let incremental = |spec: &&WindowSpec| spec.shape == Shape::Incremental;
            if declared.filter(incremental).is_some_and(|spec| !spec.assigner.merges()) {
                let text = "`gap` makes sessions, but the function builds windows up that are never \
                            merged: declare sessions in its code, where it says how two become one";
                return Err(text.to_owned());
            }
            return Ok(Assigner::Session { gap_ms });
        }
        let declared = declared.map(|spec| spec.assigner);
        match (self.calendar, self.time_zone, declared) {
            (Some(unit), zone, declared) => {
                let declared = declared.and_then(|assigner| match assigner {
                    Assigner::Calendar { zone, .. } => Some(zone),
                    _ => None,
                });
                let zone = zone.or(declared).map_or_else(|| Zone::named("UTC"), Ok)?;
                return Ok(Assigner::Calendar { unit, zone });
            }
            (None, Some(zone), Some(Assigner::Calendar { unit, .. })) => {
                return Ok(Assigner::Calendar { unit, zone });
            }
            (None, Some(_), _) => {
                let text = "`time_zone` needs `calendar` beside it: the part of the calendar that a \
                            window is";
                return Err(text.to_owned());
            }
            (None, None, _) => {}
        }
        self.by_size(declared)
    }

    /// Windows of one length: tumbling or hopping; or those that are declared.
    fn by_size(&self, declared: Option<Assigner>) -> std::result::Result<Assigner, String> {
        let (size, advance) = match declared {
            Some(Assigner::Tumbling { size_ms }) => (Some(size_ms), None),
            Some(Assigner::Hopping { size_ms, advance_ms }) => (Some(size_ms), Some(advance_ms)),
            Some(other) if self.size_ms.is_none() => {
                let text = "the function's windows have no `advance`: set `size` as well for windows \
                            that overlap";
                return self.advance_ms.map_or(Ok(other), |_| Err(text.to_owned()));
            }
            _ => (None, None),
        };
        let size_ms = self.size_ms.or(size).ok_or(
            "the window has no size: set `size` in [window], or `--window 1h`; or `sliding`, `gap`, \
             `count`, `calendar` or `global`",
        )?;
        // A new size alone makes declared tumbling windows; declared hops keep their advance.
        Ok(match self.advance_ms.or(advance) {
            Some(advance_ms) if advance_ms != size_ms => Assigner::Hopping { size_ms, advance_ms },
            _ => Assigner::Tumbling { size_ms },
        })
    }
}

//! Windows by the calendar of a time zone: as long as its days are, which is not always 24 hours.
//!
//! Zones are those of the IANA database that this binary carries, so that the same input makes the
//! same windows on each machine, whatever is installed there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::Window;

/// A part of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarUnit {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From its first day to its last.
    Month,
    /// From 1 January to 31 December.
    Year,
}

impl CalendarUnit {
    /// All of them, by their names.
    pub const ALL: [(&str, Self); 4] =
        [("day", Self::Day), ("week", Self::Week), ("month", Self::Month), ("year", Self::Year)];

    /// The one that holds `timestamp`; `None` beyond the years -9999 and 9999.
    pub(super) fn window(self, zone: Zone, timestamp: i64) -> Option<Window> {
        let at = Timestamp::from_millisecond(timestamp).ok()?;
        let first = self.first_day(zone.0.zone.to_datetime(at).date())?;
        let next = first.checked_add(self.length()).ok()?;
        Some(Window { start: zone.midnight(first)?, end: zone.midnight(next)? })
    }

    /// The first day of the one that holds `day`.
    fn first_day(self, day: Date) -> Option<Date> {
        match self {
            Self::Day => Some(day),
            Self::Week => {
                let since_monday = day.weekday().to_monday_zero_offset();
                day.checked_sub(Span::new().days(since_monday)).ok()
            }
            Self::Month => Some(day.first_of_month()),
            Self::Year => Some(day.first_of_year()),
        }
    }

    fn length(self) -> Span {
        match self {
            Self::Day => Span::new().days(1),
            Self::Week => Span::new().weeks(1),
            Self::Month => Span::new().months(1),
            Self::Year => Span::new().years(1),
        }
    }
}

impl fmt::Display for CalendarUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, unit)| unit == self).map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// A time zone of the IANA database, such as `Europe/Berlin`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(&'static Named);

struct Named {
    name: String,
    zone: TimeZone,
}

/// The zones that have been asked for. Each is kept for good: there are only as many as the database
/// has.
static KNOWN: Mutex<BTreeMap<String, Zone>> = Mutex::new(BTreeMap::new());

impl Zone {
    /// The zone of this name, in whatever case.
    ///
    /// # Errors
    /// A sentence that shows the name.
    pub fn named(name: &str) -> Result<Self, String> {
        let zone = TimeZone::get(name).map_err(|_| {
            format!(
                "{name:?} is no time zone: write a name of the IANA database, such as \"Europe/Berlin\" \
                 or \"UTC\""
            )
        })?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let make = |name: &String| {
            let named = Box::leak(Box::new(Named { name: name.clone(), zone }));
            Self(named)
        };
        Ok(*known.entry(name.clone()).or_insert_with_key(make))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        &self.0.name
    }

    /// When a day begins there, ms: where its midnight is skipped, right behind the gap.
    fn midnight(self, day: Date) -> Option<i64> {
        Some(day.to_zoned(self.0.zone.clone()).ok()?.timestamp().as_millisecond())
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn window(unit: CalendarUnit, zone: &str, time: &str) -> Window {
        unit.window(Zone::named(zone).unwrap(), at(time)).unwrap()
    }

    fn between(start: &str, end: &str) -> Window {
        Window { start: at(start), end: at(end) }
    }

    #[test]
    fn days_are_those_of_the_zone_and_as_long_as_they_are_there() {
        let day = |time| window(CalendarUnit::Day, "Europe/Berlin", time);
        let expected = between("2026-01-04T23:00:00Z", "2026-01-05T23:00:00Z");
        assert_eq!(day("2026-01-05T12:00:00Z"), expected);
        assert_eq!(day("2026-01-04T23:00:00Z"), expected, "its first moment");
        assert_eq!(day("2026-01-05T22:59:59.999Z"), expected, "its last");
        let length = |time| day(time).end - day(time).start;
        assert_eq!(length("2026-03-29T12:00:00Z"), 23 * HOUR);
        assert_eq!(length("2026-10-25T12:00:00Z"), 25 * HOUR);
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_behind_the_gap() {
        // Clocks in Beirut go from 00:00 to 01:00 on the last Sunday of March.
        let day = window(CalendarUnit::Day, "Asia/Beirut", "2022-03-27T12:00:00Z");
        assert_eq!(day, between("2022-03-26T22:00:00Z", "2022-03-27T21:00:00Z"));
    }

    #[test]
    fn weeks_begin_on_monday_months_and_years_on_their_first_day() {
        let time = "2024-02-29T10:00:00Z";
        let utc = |unit| window(unit, "UTC", time);
        let week = between("2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z");
        assert_eq!(utc(CalendarUnit::Week), week);
        let month = between("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
        assert_eq!(utc(CalendarUnit::Month), month);
        let year = between("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        assert_eq!(utc(CalendarUnit::Year), year);
        let tokyo = window(CalendarUnit::Year, "asia/tokyo", "2023-12-31T15:00:00Z");
        assert_eq!(tokyo, between("2023-12-31T15:00:00Z", "2024-12-31T15:00:00Z"));
    }

    #[test]
    fn windows_of_each_unit_lie_one_behind_the_other() {
        for (_, unit) in CalendarUnit::ALL {
            let zone = Zone::named("America/Sao_Paulo").unwrap();
            let mut window = unit.window(zone, at("1999-06-01T00:00:00Z")).unwrap();
            for _ in 0..800 {
                let next = unit.window(zone, window.end).unwrap();
                assert_eq!(next.start, window.end, "{unit}");
                assert_eq!(unit.window(zone, next.end - 1), Some(next));
                window = next;
            }
        }
    }

    #[test]
    fn times_beyond_the_calendar_have_no_window() {
        let zone = Zone::named("UTC").unwrap();
        for time in [i64::MIN, i64::MAX, at("9999-12-30T22:00:00Z")] {
            assert_eq!(CalendarUnit::Year.window(zone, time), None, "{time}");
        }
    }

    #[test]
    fn a_zone_is_known_by_its_name_in_whatever_case() {
        assert_eq!(Zone::named("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert!(Zone::named("Europe/Berln").unwrap_err().contains("\"Europe/Berln\""));
    }
}

//! Times of a file: as ms, and as text.

use jiff::Timestamp;
use parquet::basic::{LogicalType, TimeUnit};
use parquet::record::Field;
use parquet::schema::types::Type;

const DAY_NS: i128 = 86_400_000_000_000;

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970, ns.
    pub ns: i128,
    /// Whether it is known to be in UTC.
    pub is_utc: bool,
}

/// The moment that a field is, if its type says that it is one.
pub(super) fn moment(field: &Field, kind: Option<&Type>) -> Option<Moment> {
    let said = kind.and_then(|kind| kind.get_basic_info().logical_type_ref());
    let is_utc = !matches!(said, Some(LogicalType::Timestamp(at)) if !at.is_adjusted_to_u_t_c);
    let ns = match (field, said) {
        (Field::TimestampMillis(ms), _) => i128::from(*ms) * 1_000_000,
        (Field::TimestampMicros(us), _) => i128::from(*us) * 1_000,
        (Field::Long(number), Some(LogicalType::Timestamp(at))) => {
            i128::from(*number) * ns_of(at.unit)
        }
        _ => return None,
    };
    Some(Moment { ns, is_utc })
}

/// Since midnight, ns, if the field is a time of the day.
pub(super) fn time_of_day_ns(field: &Field, kind: Option<&Type>) -> Option<i128> {
    let said = kind.and_then(|kind| kind.get_basic_info().logical_type_ref());
    let number = match field {
        Field::TimeMillis(ms) => return Some(i128::from(*ms) * 1_000_000),
        Field::TimeMicros(us) => return Some(i128::from(*us) * 1_000),
        Field::Int(number) => i128::from(*number),
        Field::Long(number) => i128::from(*number),
        _ => return None,
    };
    match said {
        Some(LogicalType::Time(at)) => Some(number * ns_of(at.unit)),
        _ => None,
    }
}

fn ns_of(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::MILLIS => 1_000_000,
        TimeUnit::MICROS => 1_000,
        TimeUnit::NANOS => 1,
    }
}

/// Ms since 1970, rounded down, where a field is a moment or a day.
pub(crate) fn time_ms(field: &Field, kind: Option<&Type>) -> Option<i64> {
    let ns = match field {
        Field::Date(days) => i128::from(*days) * DAY_NS,
        _ => moment(field, kind)?.ns,
    };
    i64::try_from(ns.div_euclid(1_000_000)).ok()
}

/// RFC 3339; without the `Z` where it may be in any zone.
pub(super) fn moment_text(moment: Moment) -> Result<String, String> {
    let text = timestamp(moment.ns)?.to_string();
    Ok(if moment.is_utc { text } else { text.trim_end_matches('Z').to_owned() })
}

/// `2013-01-01`.
pub(super) fn date_text(days: i32) -> Result<String, String> {
    let text = timestamp(i128::from(days) * DAY_NS)?.to_string();
    Ok(text.split('T').next().unwrap_or_default().to_owned())
}

/// `05:00:00.25`.
pub(super) fn time_of_day_text(ns: i128) -> Result<String, String> {
    if !(0..DAY_NS).contains(&ns) {
        return Err(format!("{ns} ns is no time of a day"));
    }
    let text = timestamp(ns)?.to_string();
    let time = text.split('T').nth(1).unwrap_or_default();
    Ok(time.trim_end_matches('Z').to_owned())
}

fn timestamp(ns: i128) -> Result<Timestamp, String> {
    Timestamp::from_nanosecond(ns)
        .map_err(|_| format!("a time of {ns} ns since 1970 is not in the years -9999 to 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_digit() {
        let text = |ns, is_utc| moment_text(Moment { ns, is_utc }).unwrap();
        assert_eq!(text(0, true), "1970-01-01T00:00:00Z");
        assert_eq!(text(-1, true), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(text(1_500_000_000, false), "1970-01-01T00:00:01.5");
        assert_eq!(date_text(-1).unwrap(), "1969-12-31");
        assert_eq!(time_of_day_text(250_000_000).unwrap(), "00:00:00.25");
        assert!(date_text(i32::MAX).is_err());
        assert!(time_of_day_text(DAY_NS).is_err() && time_of_day_text(-1).is_err());
    }

    #[test]
    fn ms_are_rounded_down() {
        assert_eq!(time_ms(&Field::TimestampMicros(-1), None), Some(-1));
        assert_eq!(time_ms(&Field::TimestampMicros(1_999), None), Some(1));
        assert_eq!(time_ms(&Field::Date(-1), None), Some(-86_400_000));
        assert_eq!(time_ms(&Field::Long(5), None), None);
    }
}

//! Log lines per minute and host. A line begins with its time, `2026-01-05T08:00:07 WARN disk is full`,
//! as text that no JSON pointer leads into: so the function itself tells when a line happened. Its
//! manifest says so too: `event_time = "guest"`.

use std::time::Duration;

use pelton_sdk::prelude::*;

/// The time at the beginning of a line, UTC.
fn time_of(record: &Record) -> Result<i64> {
    let line = record.text()?;
    parse(line).ok_or_else(|| Error::reject(format!("{line:?} does not begin with a time")))
}

fn parse(line: &str) -> Option<i64> {
    let (date, clock) = line.split_whitespace().next()?.split_once('T')?;
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let (mut date, mut clock) = (date.split('-').map(number), clock.split(':').map(number));
    let days = days_from_civil(date.next()??, date.next()??, date.next()??)?;
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_over = date.next().is_none() && clock.next().is_none();
    (is_over && hour < 24 && minute < 60 && second < 60)
        .then_some((days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000)
}

/// Days from 1970-01-01 to a date of the years 0 to 9999 (Howard Hinnant, "chrono-compatible low-level
/// date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if year > 9_999 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

pelton_sdk::function!(pelton_sdk::event_time(
    time_of,
    pelton_sdk::aggregate_with(
        Windows::tumbling(Duration::from_mins(1)),
        |lines: &mut u64, _line| {
            *lines += 1;
            Ok(())
        },
        |minute, lines, ctx| OUT.emit(ctx, minute.key(), Json(lines)),
    ),
));

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    #[test]
    fn a_time_is_read_and_what_is_none_is_not() {
        assert_eq!(super::parse("1970-01-01T00:00:00 INFO up"), Some(0));
        assert_eq!(super::parse("2026-01-05T08:00:07 WARN disk"), Some(1_767_600_007_000));
        assert_eq!(super::parse("2024-02-29T23:59:59"), Some(1_709_251_199_000));
        for wrong in ["", "now", "2026-01-05", "2026-13-05T08:00:07", "2026-01-05T08:00:60 x"] {
            assert_eq!(super::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lines_are_counted_in_the_minute_that_they_tell() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            for second in ["00:07", "00:59", "01:00"] {
                test.push("web-1", &*format!("2026-01-05T08:{second} INFO up"), 5);
            }
            test.push("web-1", "stack trace", 6);
            test.finish();
            let told: Vec<_> =
                test.outputs("out").iter().map(|out| (out.text(), out.timestamp)).collect();
            let minute = 1_767_600_000_000;
            assert_eq!(told, [("2".into(), minute + 59_999), ("1".into(), minute + 119_999)]);
            let rejected = test.rejected();
            assert_eq!(rejected[0].record.text(), "stack trace");
            let why = "event_time guest: \"stack trace\" does not begin with a time";
            assert_eq!((rejected.len(), &*rejected[0].reason), (1, why));
        }
    }
}

//! Numbers as people read them.

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a binary unit: `1.4 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut amount = number as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{amount:.1} {}", UNITS[unit]) }
}

/// Seconds with a unit that fits: `3.2 ms`, `1.5 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

/// Microseconds with a unit that fits: `150 µs`, `3.2 ms`, `1.50 s`.
pub(crate) fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        _ => seconds(micros as f64 / 1e6),
    }
}

/// Milliseconds of a setting: `1h`, `90s`, `250ms`.
pub(crate) fn duration_ms(ms: i64) -> String {
    for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms != 0 && ms % factor == 0 {
            return format!("{}{unit}", ms / factor);
        }
    }
    format!("{ms}ms")
}

/// A name without the tenant, where that is the only one.
pub(crate) fn short(name: &str) -> String {
    name.strip_prefix("default/").unwrap_or(name).to_owned()
}

/// A time, ms since the Unix epoch, as RFC 3339 in UTC; a time out of its range as it is.
pub(crate) fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms);
    time.map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

/// Records for each second: `1.2 M`, `310 k`.
pub(crate) fn rate(count: u64, seconds: f64) -> String {
    rate_of(count as f64 / seconds.max(1e-9))
}

/// What is known as an amount a second already: see [`rate`].
pub(crate) fn rate_of(rate: f64) -> String {
    match rate {
        // What would be rounded to 1000 k/s is 1.00 M/s.
        r if r >= 999_500.0 => format!("{:.2} M/s", r / 1e6),
        r if r >= 1e3 => format!("{:.0} k/s", r / 1e3),
        r => format!("{r:.0}/s"),
    }
}

/// A share in percent: `3.4 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// `1 record`, `2 records`.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, expected) in cases {
            assert_eq!(thousands(number), expected);
        }
    }

    #[test]
    fn units_fit_the_amount() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(duration_ms(3_600_000), "1h");
        assert_eq!(duration_ms(90_000), "90s");
        assert_eq!(duration_ms(0), "0ms");
        assert_eq!(rate(1_500_000, 1.0), "1.50 M/s");
        assert_eq!((rate(999_499, 1.0), rate(999_500, 1.0)), ("999 k/s".into(), "1.00 M/s".into()));
        assert_eq!((micros(999), micros(1_500)), ("999 µs".into(), "1.5 ms".into()));
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(time(1_357_034_400_000), "2013-01-01T10:00:00.000Z");
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
    }
}

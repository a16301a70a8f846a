//! Durations and sizes as people write them.

/// Units of time in ms, longest name first so that `ms` is not read as `m`.
const TIMES: [(&str, i64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Units of size in bytes.
const SIZES: [(&str, i64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// The milliseconds of a duration such as `500ms`, `1h` or `1h30m`; `0` needs no unit.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_duration_ms(text: &str) -> Result<i64, String> {
    sum_of_units(text, &TIMES).ok_or_else(|| {
        format!("{text:?} is not a duration: write for example \"500ms\", \"10s\", \"5m\", \"1h30m\" or \"1d\"")
    })
}

/// A duration as people write it, in the largest unit that it is a multiple of.
#[must_use]
pub fn duration_text(ms: i64) -> String {
    let fits = |(name, factor): &&(&str, i64)| *name != "w" && ms != 0 && ms % factor == 0;
    let largest = TIMES.iter().filter(fits).max_by_key(|(_, factor)| *factor);
    largest.map_or_else(|| "0".to_owned(), |(name, factor)| format!("{}{name}", ms / factor))
}

/// The bytes of a size such as `64MiB`, `500kB` or `1024`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let plain = text.trim().parse::<u64>().ok();
    plain.or_else(|| sum_of_units(text, &SIZES).map(i64::unsigned_abs)).ok_or_else(|| {
        format!("{text:?} is not a size: write for example \"64MiB\", \"500kB\" or 1024")
    })
}

/// The sum of the parts `<digits><unit>` that the whole text is made of.
fn sum_of_units(text: &str, units: &[(&str, i64)]) -> Option<i64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut total: Option<i64> = None;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: i64 = rest[..digits].parse().ok()?;
        let behind = rest[digits..].trim_start();
        let (name, factor) = units.iter().find(|(name, _)| behind.starts_with(name))?;
        total = Some(total.unwrap_or(0).checked_add(number.checked_mul(*factor)?)?);
        rest = behind[name.len()..].trim_start();
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        let cases = [
            ("500ms", 500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1d", 86_400_000),
            ("0", 0),
            ("0s", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration_ms(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_and_never_overflows() {
        for text in [
            "",
            "1",
            "h",
            "1x",
            "-1h",
            "1.5h",
            "1h30",
            "99999999999999999999s",
            "9223372036854775807w",
            "1mm",
            "١s",
        ] {
            let error = parse_duration_ms(text).unwrap_err();
            assert!(error.contains("500ms"), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        for (text, expected) in
            [("64MiB", 64 << 20), ("1kB", 1_000), ("17", 17), ("2 GiB", 2 << 30)]
        {
            assert_eq!(parse_bytes(text), Ok(expected), "{text}");
        }
        assert!(parse_bytes("64Mib").is_err());
        assert!(parse_bytes("-1").is_err());
    }
}

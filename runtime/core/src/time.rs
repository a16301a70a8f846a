//! Times as people write them, and where a record says when it happened.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// How a timestamp is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TimeFormat {
    #[default]
    /// A whole number is ms since the Unix epoch, anything else RFC 3339.
    Auto,
    /// Ms since the Unix epoch.
    Millis,
    /// Seconds since the Unix epoch, with or without a fraction.
    Seconds,
    /// RFC 3339, such as `2013-01-01T05:15:00Z`.
    Rfc3339,
    /// A strftime pattern; UTC where it has no offset.
    Pattern(String),
}

/// Where a record says when it happened, in place of its timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime {
    /// The field.
    pub field: TimeField,
    /// How it is written.
    pub format: TimeFormat,
}

impl EventTime {
    /// What the function itself tells.
    #[must_use]
    pub fn guest() -> Self {
        Self { field: TimeField::Guest, format: TimeFormat::default() }
    }

    /// Whether the function itself tells it.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.field == TimeField::Guest
    }
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeField {
    /// Of its value, which is JSON: the steps of a JSON pointer (RFC 6901).
    Value(Vec<String>),
    /// The last of its headers with this name.
    Header(String),
    /// The function itself tells the time.
    Guest,
}

/// How [`TimeField::Guest`] is written, in a manifest and in what a function declares.
pub const GUEST_TIME: &str = "guest";

impl FromStr for TimeField {
    type Err = String;

    /// `/a/b`, `header:NAME`, or `guest`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == GUEST_TIME {
            return Ok(Self::Guest);
        }
        let wrong = || {
            format!(
                "{text:?} is no field: write a JSON pointer such as \"/time\", \"header:NAME\", or \
                 \"guest\" where the function tells it"
            )
        };
        if let Some(name) = text.strip_prefix("header:") {
            return (!name.is_empty()).then(|| Self::Header(name.to_owned())).ok_or_else(wrong);
        }
        let steps = text.strip_prefix('/').filter(|steps| !steps.is_empty()).ok_or_else(wrong)?;
        let step = |step: &str| step.replace("~1", "/").replace("~0", "~");
        Ok(Self::Value(steps.split('/').map(step).collect()))
    }
}

/// As [`TimeField::from_str`] reads it.
impl fmt::Display for TimeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Guest => f.write_str(GUEST_TIME),
            Self::Value(steps) => steps
                .iter()
                .try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1"))),
        }
    }
}

impl FromStr for TimeFormat {
    type Err = String;

    /// `auto`, `ms`, `s`, `rfc3339`, or a pattern with `%`.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Self::Auto,
            "ms" => Self::Millis,
            "s" => Self::Seconds,
            "rfc3339" => Self::Rfc3339,
            pattern if pattern.contains('%') => Self::Pattern(pattern.to_owned()),
            _ => {
                return Err("use auto, ms, s, rfc3339 or a pattern such as \"%Y-%m-%d\"".into());
            }
        })
    }
}

impl TimeFormat {
    /// The ms since the Unix epoch that `text` stands for.
    ///
    /// # Errors
    /// A sentence that shows the text and what is wanted.
    pub fn parse(&self, text: &str) -> Result<i64, String> {
        let text = text.trim();
        let wrong = |wanted: &str| format!("{text:?} is not {wanted}");
        match self {
            Self::Auto => text.parse().or_else(|_| {
                rfc3339(text).ok_or_else(|| {
                    wrong(
                        "a timestamp: use ms since 1970, or RFC 3339 such as 2013-01-01T05:15:00Z",
                    )
                })
            }),
            Self::Millis => text.parse().map_err(|_| wrong("a whole number of ms since 1970")),
            Self::Seconds => seconds(text).ok_or_else(|| wrong("a number of seconds since 1970")),
            Self::Rfc3339 => {
                rfc3339(text).ok_or_else(|| wrong("RFC 3339, such as 2013-01-01T05:15:00Z"))
            }
            Self::Pattern(pattern) => {
                by_pattern(pattern, text).map_err(|error| format!("{text:?}: {error}"))
            }
        }
    }
}

fn rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|time| time.as_millisecond())
}

/// Seconds with a fraction, without the rounding of a float.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    let ms = if whole.starts_with('-') { -ms } else { ms };
    seconds.checked_mul(1_000)?.checked_add(ms)
}

fn by_pattern(pattern: &str, text: &str) -> Result<i64, jiff::Error> {
    let parts = strtime::parse(pattern, text)?;
    if let Ok(time) = parts.to_timestamp() {
        return Ok(time.as_millisecond());
    }
    // No offset: UTC. No time of day: midnight.
    let date = parts.to_date()?;
    let time = parts.to_time().unwrap_or_default();
    Ok(date.to_datetime(time).to_zoned(TimeZone::UTC)?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(format: &str, text: &str) -> Result<i64, String> {
        format.parse::<TimeFormat>().unwrap().parse(text)
    }

    #[test]
    fn every_format_reads_the_same_instant() {
        let ms = 1_357_017_300_123;
        for (format, text) in [
            ("auto", "1357017300123"),
            ("auto", "2013-01-01T05:15:00.123Z"),
            ("auto", "2013-01-01T00:15:00.123-05:00"),
            ("ms", "1357017300123"),
            ("s", "1357017300.123"),
            ("rfc3339", "2013-01-01T05:15:00.123Z"),
            ("%Y-%m-%d %H:%M:%S%.f", "2013-01-01 05:15:00.123"),
            ("%Y-%m-%dT%H:%M:%S%.f%z", "2013-01-01T00:15:00.123-0500"),
        ] {
            assert_eq!(parse(format, text), Ok(ms), "{format} {text}");
        }
    }

    #[test]
    fn a_field_is_a_json_pointer_or_a_header() {
        let steps = |steps: &[&str]| {
            TimeField::Value(steps.iter().map(|step| (*step).to_owned()).collect())
        };
        assert_eq!("/a~1b/c~0/".parse(), Ok(steps(&["a/b", "c~", ""])));
        assert_eq!("header:at".parse(), Ok(TimeField::Header("at".into())));
        for text in ["/a~1b/c~0/", "header:at"] {
            assert_eq!(text.parse::<TimeField>().unwrap().to_string(), text);
        }
        for text in ["", "/", "time", "header:"] {
            assert!(text.parse::<TimeField>().unwrap_err().contains("JSON pointer"), "{text}");
        }
    }

    #[test]
    fn a_date_alone_is_midnight_utc_and_time_before_1970_is_negative() {
        assert_eq!(parse("%d.%m.%Y", "01.01.2013"), Ok(1_356_998_400_000));
        assert_eq!(parse("s", "-1.5"), Ok(-1_500));
        assert_eq!(parse("s", "-0.5"), Ok(-500));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for (format, text) in [
            ("auto", "soon"),
            ("ms", "1.5"),
            ("s", "1e9"),
            ("s", ""),
            ("%Y", "x"),
            ("rfc3339", "5"),
        ] {
            let error = parse(format, text).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
        assert!("hours".parse::<TimeFormat>().is_err());
    }
}

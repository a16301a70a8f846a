//! Where a consumer stands: the position vector, and the words for where to begin.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use pelton_core::{Error, Result};

use super::{parse_time, user};

/// Partitions that a cursor names at most.
const PARTITIONS_MAX: usize = 1_024;

/// The offset to be read next, by partition, of one topic. Written `0:12,1:7@3`; what it does not name is
/// not read. Without the topic, `0:12,1:7`, it is of whichever topic has the name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The offset to be read next, by partition.
    pub at: BTreeMap<u32, u64>,
    /// The topic's number in the journal: another topic of its name has another one.
    pub topic: Option<u32>,
}

impl Cursor {
    /// At these offsets, by partition, of whichever topic has the name.
    #[must_use]
    pub fn at(at: impl IntoIterator<Item = (u32, u64)>) -> Self {
        Self { at: at.into_iter().collect(), topic: None }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (partition, offset)) in self.at.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{partition}:{offset}")?;
        }
        self.topic.map_or(Ok(()), |topic| write!(f, "@{topic}"))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let text: String = text.chars().take(100).collect();
            user(
                "E-CURSOR",
                format!(
                    "{text:?} is no cursor: it is partition:offset, such as 0:12,1:7 or 0:12@3"
                ),
            )
        };
        let (pairs, topic) = match text.split_once('@') {
            Some((pairs, topic)) => (pairs, Some(number(topic).ok_or_else(wrong)?)),
            None => (text, None),
        };
        let mut positions = BTreeMap::new();
        for pair in pairs.split(',') {
            let (partition, offset) = pair.split_once(':').ok_or_else(wrong)?;
            let partition = number(partition).ok_or_else(wrong)?;
            let offset = number(offset).ok_or_else(wrong)?;
            let twice = positions.insert(partition, offset).is_some();
            if twice || positions.len() > PARTITIONS_MAX {
                return Err(wrong());
            }
        }
        Ok(Self { at: positions, topic })
    }
}

/// Digits only: `parse` also takes a plus sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Where to begin to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum From {
    /// At the oldest record.
    #[default]
    Earliest,
    /// Behind the newest durable record.
    Latest,
    /// At this offset, of one partition.
    Offset(u64),
    /// At the first record whose timestamp, ms, is not before this.
    Time(i64),
    /// Where a cursor says.
    Cursor(Cursor),
}

impl FromStr for From {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let text: String = text.chars().take(100).collect();
            let wanted = "earliest, latest, an offset, time:MS, time:2026-01-31T12:00:00Z or a \
                          cursor such as 0:12,1:7";
            user("E-FROM", format!("`from`: {text:?} is no place to begin; use {wanted}"))
        };
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => match text.strip_prefix("time:") {
                Some(time) => parse_time(time).map(Self::Time).ok_or_else(wrong),
                None if text.contains(':') => text.parse().map(Self::Cursor),
                None => number(text).map(Self::Offset).ok_or_else(wrong),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        for text in ["0:0", "0:12,1:7", "3:18446744073709551615", "0:12,1:7@3"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in [
            "", ":", "0", "0:", ":1", "0:1,", "0:1,0:2", "-1:0", "+1:0", "0:1 ", "x:y", "0:1@",
            "@3", "0:1@x", "0:1@-1", "0:1@3@3",
        ] {
            assert_eq!(text.parse::<Cursor>().unwrap_err().code, "E-CURSOR", "{text:?}");
        }
        let long: Vec<String> = (0..=PARTITIONS_MAX).map(|n| format!("{n}:0")).collect();
        long[1..].join(",").parse::<Cursor>().unwrap();
        assert_eq!(long.join(",").parse::<Cursor>().unwrap_err().code, "E-CURSOR");
    }

    #[test]
    fn every_way_to_say_where_to_begin_is_understood() {
        let from = |text: &str| text.parse::<From>();
        assert_eq!(from("earliest").unwrap(), From::Earliest);
        assert_eq!(from("latest").unwrap(), From::Latest);
        assert_eq!(from("12").unwrap(), From::Offset(12));
        assert_eq!(from("time:-5").unwrap(), From::Time(-5));
        assert_eq!(from("time:1970-01-01T00:00:01Z").unwrap(), From::Time(1_000));
        assert_eq!(from("1:2").unwrap(), From::Cursor(Cursor::at([(1, 2)])));
        for text in ["", "soon", "time:", "time:soon", "-1", "1.5"] {
            assert_eq!(from(text).unwrap_err().code, "E-FROM", "{text:?}");
        }
    }
}

//! The demo's data: flights from New York in January and February 2013.

use std::collections::BTreeMap;

use crate::error::{CliError, Result};
use crate::exit::Exit;

const FLIGHTS: &str = include_str!("../../data/flights.csv");
const AIRLINES: &str = include_str!("../../data/airlines.csv");
/// 2013-01-01T00:00Z, ms since the Unix epoch.
const EPOCH_MS: i64 = 1_356_998_400_000;
pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
/// New York's winter time.
pub(super) const LOCAL_MS: i64 = -5 * HOUR_MS;
/// The days that the data covers.
pub(super) const DAYS: i64 = 59;

/// A departure, or one that was cancelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flight {
    /// Code of the airline.
    pub carrier: &'static str,
    /// Code of the airport.
    pub origin: &'static str,
    dest: &'static str,
    tailnum: &'static str,
    sched_ms: i64,
    /// Delay in minutes; `None` where it was cancelled.
    pub delay_min: Option<i32>,
}

impl Flight {
    fn parse(line: &'static str) -> Option<Self> {
        let mut cells = line.split(',');
        let flight = Self {
            carrier: cells.next()?,
            origin: cells.next()?,
            dest: cells.next()?,
            tailnum: cells.next()?,
            sched_ms: EPOCH_MS + MINUTE_MS * cells.next()?.parse::<i64>().ok()?,
            delay_min: match cells.next()? {
                "" => None,
                minutes => Some(minutes.parse().ok()?),
            },
        };
        cells.next().is_none().then_some(flight)
    }

    /// When it departed, ms since the Unix epoch.
    pub(super) fn departed_ms(&self) -> Option<i64> {
        self.delay_min.map(|minutes| self.sched_ms + MINUTE_MS * i64::from(minutes))
    }

    /// Event time: when it departed, or was to.
    pub(super) fn event_ms(&self) -> i64 {
        self.departed_ms().unwrap_or(self.sched_ms)
    }

    /// Writes the value of its record, its times later by `shift_ms`.
    pub(super) fn write_json(&self, shift_ms: i64, out: &mut Vec<u8>) {
        let Self { carrier, origin, dest, .. } = self;
        let or_null = |value: Option<i64>| value.map_or("null".into(), |value| value.to_string());
        let tailnum = match self.tailnum {
            "" => "null".to_owned(),
            known => format!("\"{known}\""),
        };
        let text = format!(
            "{{\"carrier\":\"{carrier}\",\"origin\":\"{origin}\",\"dest\":\"{dest}\",\
             \"tailnum\":{tailnum},\"sched\":{},\"dep_delay\":{},\"dep_time\":{}}}",
            self.sched_ms + shift_ms,
            or_null(self.delay_min.map(i64::from)),
            or_null(self.departed_ms().map(|time| time + shift_ms)),
        );
        out.extend_from_slice(text.as_bytes());
    }
}

/// All flights in the order of event time.
pub(crate) fn flights() -> Result<Vec<Flight>> {
    let lines = FLIGHTS.lines().skip(1).enumerate();
    let flights = lines.map(|(index, line)| {
        Flight::parse(line).ok_or_else(|| {
            let text = format!("flights.csv:{}: cannot be read: {line}", index + 2);
            CliError::new("E-INTERNAL", Exit::Failure, text)
        })
    });
    flights.collect()
}

/// How many of the flights were in January, local time: they stand first.
pub(super) fn in_january(flights: &[Flight]) -> usize {
    let february = EPOCH_MS + 31 * 24 * HOUR_MS - LOCAL_MS;
    flights.partition_point(|flight| flight.event_ms() < february)
}

/// Names of the airlines by code.
pub(super) fn airlines() -> BTreeMap<&'static str, &'static str> {
    AIRLINES.lines().skip(1).filter_map(|line| line.split_once(',')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_whole_and_in_the_order_of_event_time() {
        let flights = flights().unwrap();
        assert_eq!(flights.len(), 51_955);
        assert_eq!(flights.iter().filter(|flight| flight.delay_min.is_none()).count(), 1_782);
        assert!(flights.is_sorted_by_key(Flight::event_ms));
        assert_eq!(in_january(&flights), 26_996);
        let airlines = airlines();
        assert!(flights.iter().all(|flight| airlines.contains_key(flight.carrier)));
        let days = (flights.last().unwrap().event_ms() - flights[0].event_ms()) / (24 * HOUR_MS);
        assert!((57..=DAYS).contains(&days), "{days}");
    }

    #[test]
    fn a_flight_becomes_a_json_object() {
        let mut out = Vec::new();
        flights().unwrap()[0].write_json(0, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"carrier\":\"UA\",\"origin\":\"EWR\",\"dest\":\"IAH\",\"tailnum\":\"N14228\",\
             \"sched\":1357035300000,\"dep_delay\":2,\"dep_time\":1357035420000}"
        );
    }
}

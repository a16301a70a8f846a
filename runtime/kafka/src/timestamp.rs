//! Times that Kafka has no way to say: brokers refuse those before 1970, and librdkafka takes 0 for
//! "now". Such a record is sent as of the first millisecond of 1970, and its own time goes with it
//! in a header, which reading takes off again.

/// The header's name. Its value is the time in ms since the Unix epoch, in decimal.
pub(crate) const HEADER: &str = "pelton.timestamp";
/// What such a record has for Kafka.
const STAND_IN: i64 = 1;

/// The timestamp for Kafka, and the value of the header where one is needed.
pub(crate) fn outgoing(timestamp: i64) -> (i64, Option<String>) {
    if timestamp > 0 { (timestamp, None) } else { (STAND_IN, Some(timestamp.to_string())) }
}

/// The time that a record's first header says instead of its timestamp, if it is one of ours.
pub(crate) fn incoming(timestamp: i64, name: &[u8], value: Option<&[u8]>) -> Option<i64> {
    if timestamp != STAND_IN || name != HEADER.as_bytes() {
        return None;
    }
    let told: i64 = std::str::from_utf8(value?).ok()?.parse().ok()?;
    (told <= 0).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_kafka_cannot_say_comes_back() {
        for timestamp in [0, -1, -62_135_596_800_000, i64::MIN] {
            let (sent, header) = outgoing(timestamp);
            assert!(sent > 0);
            let value = header.unwrap();
            assert_eq!(incoming(sent, HEADER.as_bytes(), Some(value.as_bytes())), Some(timestamp));
        }
        assert_eq!(outgoing(1), (1, None));
        assert_eq!(outgoing(i64::MAX), (i64::MAX, None));
    }

    #[test]
    fn a_header_of_somebody_else_s_stays() {
        let ours = HEADER.as_bytes();
        assert_eq!(incoming(2, ours, Some(b"0")), None);
        assert_eq!(incoming(1, b"timestamp", Some(b"0")), None);
        for value in [None, Some(&b""[..]), Some(b"5"), Some(b"x"), Some(b"\xff")] {
            assert_eq!(incoming(1, ours, value), None, "{value:?}");
        }
    }
}

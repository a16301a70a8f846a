//! What a record may be: the same as what a server takes.

use pelton_core::Limits;
use pelton_server::data::TIMESTAMP_MS_MAX;

use super::{BadLine, Row};

/// Refuses a record that is too large, or so far from 1970 that its time must be an error.
///
/// # Errors
/// `E-LIMIT`, which names the limit, or `E-RECORD-TIMESTAMP`, with the line of the record.
pub(crate) fn check(row: &Row, limits: &Limits) -> Result<(), BadLine> {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
    let headers = row.headers.iter();
    let header_bytes: u64 =
        headers.map(|(name, value)| name.len() as u64 + len(value.as_deref())).sum();
    let checks = [
        (&limits.record_headers, row.headers.len() as u64),
        (&limits.header_bytes, header_bytes),
        (&limits.record_bytes, len(row.key()) + len(row.value()) + header_bytes),
    ];
    for (limit, amount) in checks {
        limit.check(amount, "the record").map_err(|error| {
            let text = error.to_string().replace(" [E-LIMIT]", "");
            BadLine::new("E-LIMIT", row.line, 0, text)
        })?;
    }
    match row.timestamp {
        Some(ms) if ms.unsigned_abs() > TIMESTAMP_MS_MAX as u64 => {
            let text = format!(
                "the timestamp {ms} is more than a thousand years from 1970; it is in ms since then"
            );
            Err(BadLine::new("E-RECORD-TIMESTAMP", row.line, 0, text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: usize, headers: &[(usize, usize)], timestamp: i64) -> Row {
        let mut row = Row::default();
        (row.line, row.timestamp) = (7, Some(timestamp));
        row.key_mut().extend_from_slice(b"key");
        row.value_mut().resize(value, b'x');
        row.headers = headers
            .iter()
            .map(|(name, value)| ("n".repeat(*name), Some(vec![0; *value])))
            .collect();
        row
    }

    fn refused(row: &Row) -> String {
        let bad = check(row, &Limits::default()).unwrap_err();
        assert_eq!(bad.line, 7);
        format!("{} {}", bad.code, bad.text)
    }

    #[test]
    fn records_are_held_to_the_limits_and_not_one_past_them() {
        let limits = Limits::default();
        let most = limits.record_bytes.value as usize - 3;
        let headers = limits.record_headers.value as usize;
        let header_bytes = limits.header_bytes.value as usize;
        for fits in [
            row(most, &[], 0),
            row(0, &vec![(1, 1); headers], 0),
            row(0, &[(4, header_bytes - 4)], 0),
            row(0, &[], TIMESTAMP_MS_MAX),
            row(0, &[], -TIMESTAMP_MS_MAX),
        ] {
            check(&fits, &limits).unwrap();
        }
        assert!(refused(&row(most + 1, &[], 0)).contains("E-LIMIT the record: 1048577 bytes"));
        assert!(refused(&row(0, &vec![(1, 1); headers + 1], 0)).contains("`record_headers`"));
        assert!(refused(&row(0, &[(4, header_bytes - 3)], 0)).contains("`header_bytes`"));
        for far in [TIMESTAMP_MS_MAX + 1, -TIMESTAMP_MS_MAX - 1, i64::MAX, i64::MIN] {
            assert!(refused(&row(0, &[], far)).starts_with("E-RECORD-TIMESTAMP "));
        }
    }
}

//! Whether something that a call sets becomes due in the middle of the very batch that set it.

use pelton_batch::{OpKind, Operations};
use pelton_core::TimeDomain;

use crate::call::RowIndex;
use crate::config::TaskConfig;

/// Entries with a time to live go in steps: at most this many in the time that they live.
const EXPIRY_STEPS: i64 = 64;

/// When a value that was put at `timestamp` with this time to live expires, ms: rounded up to a
/// multiple of a power of two about a 64th of the time to live, so that dense expiries do not cut
/// batches small. Expiry is judged by the watermark.
pub(crate) fn expires_at(timestamp: i64, ttl_ms: i64) -> i64 {
    let step = (ttl_ms / EXPIRY_STEPS).max(1);
    let step = 1_i64.checked_shl(63 - step.leading_zeros()).unwrap_or(1).max(1);
    let exact = timestamp.saturating_add(ttl_ms);
    let rest = exact.rem_euclid(step);
    if rest == 0 { exact } else { exact.saturating_add(step - rest) }
}

/// The number of records that the batch must be cut to so that everything set by its operations
/// becomes due behind its last record; `None` where it may stay whole. `watermarks` are those
/// behind each record.
pub(crate) fn cut(
    operations: &Operations<'_>,
    config: &TaskConfig,
    watermarks: &[i64],
    rows: &RowIndex<'_>,
) -> Option<usize> {
    let last = *watermarks.last()?;
    let mut keep = watermarks.len();
    for operation in operations.iter() {
        let due_at = match operation.kind {
            OpKind::SetTimer => {
                let timer = config.declaration.timers.get(operation.target as usize);
                if timer.is_none_or(|timer| timer.domain != TimeDomain::Event) {
                    continue;
                }
                operation.timestamp.unwrap_or(i64::MAX).saturating_add(1)
            }
            OpKind::Put | OpKind::Append if config.ttl_of(&operation) > 0 => {
                let Some((records, at)) = rows.get(operation.cause as usize) else { continue };
                expires_at(records.timestamp(at), config.ttl_of(&operation))
            }
            _ => continue,
        };
        if due_at > last {
            continue;
        }
        let from = (operation.cause as usize).min(watermarks.len());
        let due_row = from + watermarks[from..].partition_point(|after| *after < due_at);
        keep = keep.min(due_row + 1);
    }
    (keep < watermarks.len()).then_some(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_never_early_and_at_most_a_step_late() {
        for ttl in [1, 63, 64, 1_000, 86_400_000] {
            for timestamp in [-5, 0, 1, 999, 1_357_000_000_123] {
                let exact = timestamp + ttl;
                let at = expires_at(timestamp, ttl);
                assert!(at >= exact && at - exact <= ttl / EXPIRY_STEPS, "{timestamp} {ttl}: {at}");
            }
        }
        assert_eq!(expires_at(i64::MAX, 5), i64::MAX);
    }
}

//! How much the functions of a tenant may log together.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use pelton_core::TenantId;

/// Bytes of log lines that a server takes from all functions of a tenant within a second.
pub const LOG_BYTES_PER_SECOND: u64 = 1024 * 1024;

/// What each tenant may still log in the current second.
pub(super) struct LogRate {
    /// `u64::MAX` is no limit.
    per_second: AtomicU64,
    tenants: DashMap<TenantId, Second>,
}

#[derive(Clone, Copy)]
struct Second {
    number: i64,
    bytes: u64,
}

impl Default for LogRate {
    fn default() -> Self {
        Self { per_second: AtomicU64::new(u64::MAX), tenants: DashMap::new() }
    }
}

impl LogRate {
    pub(super) fn limit(&self, per_second: u64) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Whether a line of so many bytes is within the tenant's share of this second.
    pub(super) fn admits(&self, tenant: &TenantId, bytes: usize, now_ms: i64) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        if per_second == u64::MAX {
            return true;
        }
        let number = now_ms.div_euclid(1_000);
        let fresh = Second { number, bytes: 0 };
        let mut second = match self.tenants.get_mut(tenant) {
            Some(second) => second,
            None => self.tenants.entry(tenant.clone()).or_insert(fresh),
        };
        if second.number != number {
            *second = fresh;
        }
        // A flood of empty lines is one too.
        let bytes = second.bytes + bytes.max(1) as u64;
        let admitted = bytes <= per_second;
        if admitted {
            second.bytes = bytes;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_logs_up_to_its_limit_in_each_second_and_does_not_use_up_another_s() {
        let (one, two) = (TenantId::new("one").unwrap(), TenantId::new("two").unwrap());
        let rate = LogRate::default();
        assert!(rate.admits(&one, usize::MAX >> 1, 0), "without a limit");
        rate.limit(100);
        assert!(rate.admits(&one, 99, 1_000));
        assert!(rate.admits(&one, 1, 1_999), "at the limit");
        assert!(!rate.admits(&one, 0, 1_999), "one past it");
        assert!(rate.admits(&two, 100, 1_999));
        assert!(rate.admits(&one, 100, 2_000), "the next second");
        assert!(rate.admits(&one, 100, 1_000), "a clock that went back");
    }
}

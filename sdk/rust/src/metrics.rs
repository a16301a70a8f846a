//! Metrics of the function's own, shown beside the host's.

use crate::host;

/// Adds to a counter.
pub fn add(name: &str, amount: f64) {
    host::counter(name, amount);
}

/// Sets a gauge.
pub fn set(name: &str, value: f64) {
    host::gauge(name, value);
}

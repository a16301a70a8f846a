//! The demo's functions and topics.

/// All flights, in the order of event time, by carrier. One partition: the order holds for all.
pub(super) const FLIGHTS: &str = "flights";
/// What is known of each carrier, after every flight.
pub(super) const STATISTICS: &str = "carrier-statistics";
/// Days with far more cancelled flights than usual.
pub(super) const UNUSUAL_DAYS: &str = "unusual-days";
/// The flights that departed, by airport.
pub(super) const DEPARTURES: &str = "departures";
/// The flights that did not.
pub(super) const CANCELLATIONS: &str = "cancellations";
/// Departures of each airport and hour.
pub(super) const HOURLY: &str = "departures-by-hour";
/// Partitions of the results, by carrier.
pub(super) const PARTITIONS: u32 = 4;

/// A function of the demo.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) wasm: &'static [u8],
    /// Its pelton.toml.
    pub(super) manifest: &'static str,
}

/// Running statistics of each carrier: the function that is there first. On a machine that is slow
/// to compile the others it must not count as idle meanwhile: that is a commit, and none is expected.
pub(super) const FLIGHTS_STATS: Function = Function {
    name: "flights-stats",
    wasm: include_bytes!("../../../../guest-examples/prebuilt/flights_stats.wasm"),
    manifest: r#"
[function]
name = "flights-stats"

[[input]]
topic = "flights"
idle_timeout = "1h"

[[output]]
name = "out"
topic = "carrier-statistics"
"#,
};

/// Reads the results of [`FLIGHTS_STATS`].
pub(super) const ANOMALY_DETECTOR: Function = Function {
    name: "anomalies",
    wasm: include_bytes!("../../../../guest-examples/prebuilt/anomalies.wasm"),
    manifest: r#"
[function]
name = "anomalies"

[[input]]
topic = "carrier-statistics"

[[output]]
name = "out"
topic = "unusual-days"

[config]
utc-offset-minutes = -300
"#,
};

/// Begins at the first flight, whenever it comes.
pub(super) const BY_AIRPORT: Function = Function {
    name: "by-airport",
    wasm: include_bytes!("../../../../guest-examples/prebuilt/by_airport.wasm"),
    manifest: r#"
[function]
name = "by-airport"

[[input]]
topic = "flights"

[[output]]
name = "departed"
topic = "departures"

[[output]]
name = "cancelled"
topic = "cancellations"
"#,
};

/// Reads what [`BY_AIRPORT`] has sent.
pub(super) const HOURLY_COUNT: Function = Function {
    name: "hourly-count",
    wasm: include_bytes!("../../../../guest-examples/prebuilt/windowed_count.wasm"),
    manifest: r#"
[function]
name = "hourly-count"

[[input]]
topic = "departures"

[[output]]
name = "out"
topic = "departures-by-hour"

[[output]]
name = "late"
topic = "departures-late"
"#,
};

/// All of them, in the order in which they come.
pub(super) const FUNCTIONS: [&Function; 4] =
    [&FLIGHTS_STATS, &ANOMALY_DETECTOR, &BY_AIRPORT, &HOURLY_COUNT];

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_core::Manifest;

    #[test]
    fn every_manifest_is_that_of_its_function() {
        for function in FUNCTIONS {
            let manifest = Manifest::parse(function.manifest, "pelton.toml").unwrap();
            assert_eq!(manifest.function.name(), function.name);
            assert!(!function.wasm.is_empty());
        }
    }
}

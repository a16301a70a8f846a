//! The keys of a manifest and the bounds of its numbers: what it is read by, and what its schema is
//! made of.

/// Tables and lists of tables at the top; the last one holds the others once more.
pub const TOP: [&str; 12] = [
    "function", "build", "input", "output", "store", "window", "config", "secrets", "limits",
    "delivery", "canary", "profile",
];
/// Tables and lists of tables at the top of a pipeline; the last one holds the others once more.
pub const PIPELINE_TOP: [&str; 4] = ["pipeline", "topic", "functions", "profile"];
/// Keys of `[pipeline]`.
pub const PIPELINE: [&str; 1] = ["name"];
/// Keys of `[[topic]]`.
pub const TOPIC: [&str; 3] = ["name", "partitions", "internal"];
/// Keys of `[functions.NAME]`: `path`, and the tables of a manifest.
pub const MEMBER: [&str; 11] = [
    "path", "build", "input", "output", "store", "window", "config", "secrets", "limits",
    "delivery", "canary",
];
/// Keys of `[build]`.
pub const BUILD: [&str; 2] = ["command", "file"];
/// Keys of `[[input]]`.
pub const INPUT: [&str; 13] = [
    "topic",
    "name",
    "event_time",
    "event_time_format",
    "out_of_orderness",
    "watermark",
    "idle_timeout",
    "start",
    "partitions",
    "broadcast",
    "batch_records",
    "batch_bytes",
    "max_wait",
];
/// Keys of `[[output]]`.
pub const OUTPUT: [&str; 3] = ["name", "topic", "partitions"];
/// Keys of `[[store]]`.
pub const STORE: [&str; 4] = ["name", "kind", "schema", "ttl"];
/// Keys of `[window]`.
pub const WINDOW: [&str; 16] = [
    "size",
    "advance",
    "sliding",
    "gap",
    "count",
    "calendar",
    "time_zone",
    "global",
    "early_records",
    "early_every",
    "early_delay",
    "discard",
    "grace",
    "marker",
    "shape",
    "late_output",
];
/// Keys of `[delivery]`.
pub const DELIVERY: [&str; 4] = ["retries", "on_poison", "dead_letter", "commit_interval"];
/// Keys of `[canary]`.
pub const CANARY: [&str; 5] = ["share", "for", "max_faults", "max_latency_ratio", "min_calls"];

/// Most entries of `[config]`.
pub const CONFIG_ENTRIES_MAX: usize = 64;
/// Longest name and value together of one of them, bytes.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024;
/// Most functions of a pipeline.
pub const FUNCTIONS_MAX: usize = 64;
/// Most topics that a pipeline lists.
pub const TOPICS_MAX: usize = 256;
/// Most partitions of a topic that a deployment makes.
pub const PARTITIONS_MAX: u32 = 256;
/// Most retries that can be asked for.
pub const RETRIES_MAX: u32 = 1_000_000;
/// Most records of one input in a call.
pub const BATCH_RECORDS_MAX: u32 = 65_536;
/// Most bytes of one input in a call.
pub const BATCH_BYTES_MAX: u64 = 16 << 20;
/// Longest time that records wait for others, ms.
pub const WAIT_MS_MAX: i64 = 60_000;
/// Longest time to live of a store's values, ms: about 100 years.
pub const TTL_MS_MAX: i64 = 36_525 * 86_400_000;
/// Smallest and largest share of the keys that a canary gets, percent.
pub const CANARY_PERCENT: (f64, f64) = (0.01, 50.0);
/// Longest time that a canary is watched, ms.
pub const CANARY_MS_MAX: i64 = 7 * 86_400_000;
/// Bounds of how many times the old version's CPU time for a record a canary may take.
pub const CANARY_RATIO: (f64, f64) = (0.1, 1_000.0);
/// Most faults that a canary may be allowed, and most calls that it may be judged by.
pub const CANARY_COUNT_MAX: u32 = 1_000_000_000;

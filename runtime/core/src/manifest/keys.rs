//! The keys of a manifest and the bounds of its numbers: what it is read by, and what its schema is
//! made of.

/// Tables and lists of tables at the top; the last one holds the others once more.
pub const TOP: [&str; 11] = [
    "function", "build", "input", "output", "store", "window", "config", "secrets", "limits",
    "delivery", "profile",
];
/// Keys of `[build]`.
pub const BUILD: [&str; 2] = ["command", "file"];
/// Keys of `[[input]]`.
pub const INPUT: [&str; 6] =
    ["topic", "name", "out_of_orderness", "idle_timeout", "start", "partitions"];
/// Keys of `[[output]]`.
pub const OUTPUT: [&str; 3] = ["name", "topic", "partitions"];
/// Keys of `[[store]]`.
pub const STORE: [&str; 3] = ["name", "kind", "schema"];
/// Keys of `[window]`.
pub const WINDOW: [&str; 10] = [
    "size",
    "advance",
    "gap",
    "count",
    "global",
    "early_records",
    "discard",
    "grace",
    "shape",
    "late_output",
];
/// Keys of `[delivery]`.
pub const DELIVERY: [&str; 3] = ["retries", "on_poison", "dead_letter"];

/// Most entries of `[config]`.
pub const CONFIG_ENTRIES_MAX: usize = 64;
/// Longest name and value together of one of them, bytes.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024;
/// Most partitions of a topic that a deployment makes.
pub const PARTITIONS_MAX: u32 = 256;
/// Most retries that can be asked for.
pub const RETRIES_MAX: u32 = 1_000_000;

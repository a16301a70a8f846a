//! Functions over windows.

use super::{Example, Key, LATE, MISSING, Spec, key, optional, required};

const FIELD: Key = required("field", "a JSON pointer", "The number, such as `/delay`.");
const MINUTE: Option<&str> = Some("tumbling, one minute");

pub(super) const ALL: &[Spec] = &[
    Spec {
        name: "count",
        about: "Counts the records of each key and window.",
        window: MINUTE,
        keys: &[LATE],
        sends: "`start` and `end` of the window (ms) and `count`, under its key.",
        example: Example {
            flags: &[],
            config: &[],
            input: r#"{"key":"JFK","value":"a","timestamp":0}
{"key":"LGA","value":"b","timestamp":1000}
{"key":"JFK","value":"c","timestamp":59999}
{"key":"JFK","value":"d","timestamp":60000}
"#,
            output: "",
        },
    },
    Spec {
        name: "stats",
        about: "Count, sum, mean, least and largest of a number, of each key and window.",
        window: MINUTE,
        keys: &[FIELD, MISSING, LATE],
        sends: "`start`, `end`, `count`, `sum`, `mean`, `min` and `max`, under the key. Of a window \
                without a number: nothing.",
        example: Example {
            flags: &["--window", "1h"],
            config: &[("field", "/delay")],
            input: r#"{"key":"UA","value":{"delay":5},"timestamp":0}
{"key":"UA","value":{"delay":-2.5},"timestamp":1000}
{"key":"UA","value":{"delay":20},"timestamp":3600000}
"#,
            output: "",
        },
    },
    Spec {
        name: "top",
        about: "The records with the largest numbers, of each key and window.",
        window: MINUTE,
        keys: &[
            FIELD,
            key(
                "item",
                "a JSON pointer",
                "",
                "What is listed of a record: all of its value, else.",
            ),
            key("n", "1 to 1000", "10", "How many are listed."),
            MISSING,
            LATE,
        ],
        sends: "`start`, `end` and `top`: a list of `by` (the number) and `item`, the largest first; \
                of equal ones the first that came.",
        example: Example {
            flags: &["--window", "1h"],
            config: &[("field", "/delay"), ("item", "/flight"), ("n", "2")],
            input: r#"{"key":"UA","value":{"flight":"UA1","delay":5},"timestamp":0}
{"key":"UA","value":{"flight":"UA2","delay":70},"timestamp":1000}
{"key":"UA","value":{"flight":"UA3","delay":20},"timestamp":2000}
"#,
            output: "",
        },
    },
    Spec {
        name: "distinct",
        about: "How many different values a field has, of each key and window: exactly, or about \
                (HyperLogLog) in little memory.",
        window: MINUTE,
        keys: &[
            required("field", "a JSON pointer", "The field, such as `/user`."),
            key(
                "method",
                "`exact` or `hyperloglog`",
                "exact",
                "`exact` keeps every value; `hyperloglog` 2^precision bytes for each window.",
            ),
            key(
                "precision",
                "4 to 16",
                "12",
                "Of `hyperloglog`: the standard error is 1.04 / sqrt(2^precision), 1.6 % at 12.",
            ),
            MISSING,
            LATE,
        ],
        sends: "`start`, `end` and `distinct`, under the key.",
        example: Example {
            flags: &[],
            config: &[("field", "/user"), ("method", "hyperloglog")],
            input: r#"{"key":"home","value":{"user":"ann"},"timestamp":0}
{"key":"home","value":{"user":"bob"},"timestamp":1000}
{"key":"home","value":{"user":"ann"},"timestamp":2000}
"#,
            output: "",
        },
    },
    Spec {
        name: "quantiles",
        about: "Quantiles of a number, of each key and window, with a relative error (DDSketch).",
        window: MINUTE,
        keys: &[
            FIELD,
            key("quantiles", "shares from 0 to 1", "0.5,0.9,0.99", "Which ones, with commas."),
            key("accuracy", "0.001 to 0.1", "0.01", "The relative error of each, at most."),
            MISSING,
            LATE,
        ],
        sends: "`start`, `end`, `count` and `quantiles`: a value for each share, as it was written.",
        example: Example {
            flags: &[],
            config: &[("field", "/ms"), ("quantiles", "0,0.5,1")],
            input: r#"{"key":"api","value":{"ms":10},"timestamp":0}
{"key":"api","value":{"ms":100},"timestamp":1000}
{"key":"api","value":{"ms":1000},"timestamp":2000}
"#,
            output: "",
        },
    },
    Spec {
        name: "session",
        about: "Sessions: records of a key that are no further apart than the gap of `[window]`.",
        window: Some("session, gap of 30 minutes"),
        keys: &[LATE],
        sends: "`first` and `last` (the times of its first and last record, ms), `duration_ms` \
                between them, and `count`.",
        example: Example {
            flags: &["--gap", "10m"],
            config: &[],
            input: r#"{"key":"ann","value":"home","timestamp":0}
{"key":"ann","value":"cart","timestamp":300000}
{"key":"ann","value":"home","timestamp":3600000}
"#,
            output: "",
        },
    },
    Spec {
        name: "rate",
        about: "Records per second of each key and window: of all, or of those beyond a limit.",
        window: MINUTE,
        keys: &[
            optional("above", "a number", "Tells of windows with more per second."),
            optional(
                "below",
                "a number",
                "Tells of windows with fewer per second. A window \
                      without a record is none.",
            ),
            LATE,
        ],
        sends: "`start`, `end`, `count` and `per_second`, under the key.",
        example: Example {
            flags: &["--window", "2s"],
            config: &[("above", "1")],
            input: r#"{"key":"door","value":"a","timestamp":0}
{"key":"door","value":"b","timestamp":2000}
{"key":"door","value":"c","timestamp":2500}
{"key":"door","value":"d","timestamp":3000}
"#,
            output: "",
        },
    },
];

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
            output: r#"{"topic":"out","key":"JFK","value":{"start":0,"end":60000,"count":2},"timestamp":59999}
{"topic":"out","key":"LGA","value":{"start":0,"end":60000,"count":1},"timestamp":59999}
{"topic":"out","key":"JFK","value":{"start":60000,"end":120000,"count":1},"timestamp":119999}
"#,
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
            output: r#"{"topic":"out","key":"UA","value":{"start":0,"end":3600000,"count":2,"sum":2.5,"mean":1.25,"min":-2.5,"max":5.0},"timestamp":3599999}
{"topic":"out","key":"UA","value":{"start":3600000,"end":7200000,"count":1,"sum":20.0,"mean":20.0,"min":20.0,"max":20.0},"timestamp":7199999}
"#,
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
            output: r#"{"topic":"out","key":"UA","value":{"start":0,"end":3600000,"top":[{"by":70.0,"item":"UA2"},{"by":20.0,"item":"UA3"}]},"timestamp":3599999}
"#,
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
            output: r#"{"topic":"out","key":"home","value":{"start":0,"end":60000,"distinct":2},"timestamp":59999}
"#,
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
            output: r#"{"topic":"out","key":"api","value":{"start":0,"end":60000,"count":3,"quantiles":{"0":10.074696689511331,"0.5":100.49456770856496,"1":1002.4280085221304}},"timestamp":59999}
"#,
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
            output: r#"{"topic":"out","key":"ann","value":{"first":0,"last":300000,"duration_ms":300000,"count":2},"timestamp":899999}
{"topic":"out","key":"ann","value":{"first":3600000,"last":3600000,"duration_ms":0,"count":1},"timestamp":4199999}
"#,
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
            output: r#"{"topic":"out","key":"door","value":{"start":2000,"end":4000,"count":3,"per_second":1.5},"timestamp":3999}
"#,
        },
    },
    Spec {
        name: "debounce",
        about: "Passes the last record of each key once the key has been quiet for a time, in event \
                time.",
        window: Some("session, whose gap is `quiet-ms`"),
        keys: &[
            required("quiet-ms", "ms, at least 1", "How long there must be no other record."),
            LATE,
        ],
        sends: "The record's key and value with its own timestamp, without its headers; of records \
                of the same time the last that came.",
        example: Example {
            flags: &[],
            config: &[("quiet-ms", "1000")],
            input: r#"{"key":"lamp","value":"on","timestamp":0}
{"key":"lamp","value":"off","timestamp":500}
{"key":"lamp","value":"on","timestamp":5000}
"#,
            output: r#"{"topic":"out","key":"lamp","value":"off","timestamp":500}
{"topic":"out","key":"lamp","value":"on","timestamp":5000}
"#,
        },
    },
];

//! Functions over two inputs.

use super::{Example, Key, Spec, key, optional, required};

const VALUE: Key = key(
    "value",
    "`merged` or `apart`",
    "merged",
    "`merged`: one object with the fields of both; of a field that both have, the second one's counts. \
     `apart`: an object with each under the name of its side.",
);

const PREFIX: Key = key(
    "prefix",
    "text",
    "",
    "Of `merged`: what stands in front of the names of the second one's fields.",
);

pub(super) const ALL: &[Spec] = &[
    Spec {
        name: "join",
        about: "Joins records of two inputs that have the same key and lie near each other in event \
                time: each pair once.",
        window: None,
        keys: &[
            required("within-ms", "ms, at least 0", "How far apart the two may be, at most."),
            optional(
                "before-ms",
                "ms, at least 0",
                "How long the right one may be before the left one, where that differs.",
            ),
            optional(
                "after-ms",
                "ms, at least 0",
                "How long the right one may be after the left one, where that differs.",
            ),
            key(
                "kind",
                "`inner`, `left` or `outer`",
                "inner",
                "What becomes of records that find no other: `inner` sends nothing of them, `left` \
                 sends those of the left input, `outer` those of both, once no other can come.",
            ),
            optional("left", "an input", "The left input; else the first one."),
            optional("right", "an input", "The right input; else the second one."),
            VALUE,
            PREFIX,
        ],
        sends: "The two values as one (`apart`: as `left` and `right`, null for none), under their \
                key, with the time of the later record.",
        example: Example {
            flags: &["--reads", "orders", "--reads", "payments"],
            config: &[("within-ms", "60000"), ("kind", "left")],
            input: r#"{"topic":"orders","key":"1","value":{"item":"tea","at":"shop"},"timestamp":0}
{"topic":"payments","key":"1","value":{"cents":250,"at":"bank"},"timestamp":45000}
{"topic":"orders","key":"2","value":{"item":"jam","at":"shop"},"timestamp":50000}
{"topic":"payments","key":"2","value":{"cents":410},"timestamp":200000}
"#,
            output: r#"{"topic":"out","key":"1","value":{"at":"bank","cents":250,"item":"tea"},"timestamp":45000}
{"topic":"out","key":"2","value":{"at":"shop","item":"jam"},"timestamp":50000}
"#,
        },
    },
    Spec {
        name: "lookup",
        about: "Joins each record with what a table, the other input, said about its key at its time: \
                the newest record of that key that is not younger. One without a value takes the entry \
                away.",
        window: None,
        keys: &[
            optional(
                "key",
                "a JSON pointer",
                "What is looked up; else the record's key. For a table that \
                      every task reads as a whole (`broadcast = true` at its input).",
            ),
            key(
                "kind",
                "`left` or `inner`",
                "left",
                "What becomes of records about which the table says nothing: `left` sends them as they \
                 are, `inner` sends nothing of them.",
            ),
            key(
                "keep-ms",
                "ms, at least 0",
                "0",
                "How long what was replaced in the table is kept: so \
                 late may records be. A later one is rejected.",
            ),
            optional(
                "records",
                "an input",
                "The input whose records are joined; else the first one.",
            ),
            optional("table", "an input", "The input that is the table; else the second one."),
            VALUE,
            PREFIX,
        ],
        sends: "The two values as one (`apart`: as `record` and `table`, null for none), under the \
                record's key and with its time.",
        example: Example {
            flags: &["--reads", "flights", "--reads", "weather"],
            config: &[("prefix", "weather_")],
            input: r#"{"topic":"weather","key":"JFK","value":{"wind":12},"timestamp":0}
{"topic":"flights","key":"JFK","value":{"flight":"UA1"},"timestamp":1000}
{"topic":"flights","key":"LGA","value":{"flight":"UA2"},"timestamp":1500}
{"topic":"weather","key":"JFK","value":{"wind":30},"timestamp":2000}
{"topic":"flights","key":"JFK","value":{"flight":"UA3"},"timestamp":2000}
"#,
            output: r#"{"topic":"out","key":"JFK","value":{"flight":"UA1","weather_wind":12},"timestamp":1000}
{"topic":"out","key":"LGA","value":{"flight":"UA2"},"timestamp":1500}
{"topic":"out","key":"JFK","value":{"flight":"UA3","weather_wind":30},"timestamp":2000}
"#,
        },
    },
];

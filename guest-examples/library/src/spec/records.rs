//! Functions that are called for each record.

use super::{Example, Key, MISSING, Spec, key, optional, required};

const NUMBER: Key = required("field", "a JSON pointer", "The number, such as `/celsius`.");

pub(super) const ALL: &[Spec] = &[
    Spec {
        name: "deduplicate",
        about: "Passes the first record of each key, and drops those that follow it within a time.",
        window: None,
        keys: &[
            key(
                "within-ms",
                "ms, at least 1",
                "3600000",
                "How long one hides those that follow it.",
            ),
            optional("field", "a JSON pointer", "What tells the records of a key apart as well."),
            MISSING,
        ],
        sends: "The record, unchanged.",
        example: Example {
            flags: &[],
            config: &[("within-ms", "60000"), ("field", "/id")],
            input: r#"{"key":"ann","value":{"id":1},"timestamp":0}
{"key":"ann","value":{"id":1},"timestamp":59999}
{"key":"ann","value":{"id":2},"timestamp":59999}
{"key":"ann","value":{"id":1},"timestamp":60000}
"#,
            output: r#"{"topic":"out","key":"ann","value":{"id":1},"timestamp":0}
{"topic":"out","key":"ann","value":{"id":2},"timestamp":59999}
{"topic":"out","key":"ann","value":{"id":1},"timestamp":60000}
"#,
        },
    },
    Spec {
        name: "alert",
        about: "Tells when a number of a key passes a limit, and when it is back.",
        window: None,
        keys: &[
            NUMBER,
            optional(
                "above",
                "a number",
                "The alert is on while the number is larger. This or \
                      `below` is needed.",
            ),
            optional("below", "a number", "The alert is on while the number is smaller."),
            key(
                "margin",
                "a number, at least 0",
                "0",
                "So far within the limit it has to come \
                 back, so that an alert does not flutter.",
            ),
            MISSING,
        ],
        sends: "`state` (`on` or `off`) and `value`, under the key, when the state changes.",
        example: Example {
            flags: &[],
            config: &[("field", "/celsius"), ("above", "30"), ("margin", "2")],
            input: r#"{"key":"oven","value":{"celsius":29},"timestamp":0}
{"key":"oven","value":{"celsius":31},"timestamp":1000}
{"key":"oven","value":{"celsius":29},"timestamp":2000}
{"key":"oven","value":{"celsius":28},"timestamp":3000}
"#,
            output: r#"{"topic":"out","key":"oven","value":{"state":"on","value":31.0},"timestamp":1000}
{"topic":"out","key":"oven","value":{"state":"off","value":28.0},"timestamp":3000}
"#,
        },
    },
    Spec {
        name: "anomaly",
        about: "Tells of numbers that are far from what the key had before (robust z-score).",
        window: None,
        keys: &[
            NUMBER,
            key("values", "3 to 10000", "100", "How many of the latest numbers are looked at."),
            key("least", "3 to 10000", "10", "How many it takes before any is judged."),
            key("score", "a number, at least 0", "3.5", "Scores beyond this are told of."),
            key(
                "deviation",
                "a number above 0",
                "0.000001",
                "The least median deviation that is \
                 taken for real: without one, the first change of a constant is an anomaly.",
            ),
            MISSING,
        ],
        sends: "`value`, the `median` of those before and the `score`, under the key.",
        example: Example {
            flags: &[],
            config: &[("field", "/ms"), ("least", "5")],
            input: r#"{"key":"api","value":{"ms":10},"timestamp":0}
{"key":"api","value":{"ms":12},"timestamp":1}
{"key":"api","value":{"ms":11},"timestamp":2}
{"key":"api","value":{"ms":9},"timestamp":3}
{"key":"api","value":{"ms":10},"timestamp":4}
{"key":"api","value":{"ms":90},"timestamp":5}
"#,
            output: r#"{"topic":"out","key":"api","value":{"value":90.0,"median":10.0,"score":53.96},"timestamp":5}
"#,
        },
    },
    Spec {
        name: "sample",
        about: "Passes a share of the records, or all records of a share of the keys. The same ones \
                on every replay.",
        window: None,
        keys: &[
            required("share", "0 to 1", "The share that passes."),
            key("by", "`record` or `key`", "record", "What is drawn."),
        ],
        sends: "The record, unchanged.",
        example: Example {
            flags: &[],
            config: &[("share", "0.5"), ("by", "key")],
            input: r#"{"key":"ann","value":"a","timestamp":0}
{"key":"bob","value":"b","timestamp":1}
{"key":"cid","value":"c","timestamp":2}
{"key":"ann","value":"d","timestamp":3}
"#,
            output: r#"{"topic":"out","key":"bob","value":"b","timestamp":1}
{"topic":"out","key":"cid","value":"c","timestamp":2}
"#,
        },
    },
    Spec {
        name: "flatten",
        about: "Makes nested objects flat, or sends a record for each element of a list.",
        window: None,
        keys: &[
            optional(
                "each",
                "a JSON pointer",
                "The list whose elements are sent; else the value \
                      is made flat.",
            ),
            key("separator", "text", ".", "What stands between the names of a flat field."),
            MISSING,
        ],
        sends: "The record with its new value.",
        example: Example {
            flags: &[],
            config: &[],
            input: r#"{"key":"a","value":{"from":{"airport":"JFK","gate":7},"tags":[1,2]},"timestamp":0}
"#,
            output: r#"{"topic":"out","key":"a","value":{"from.airport":"JFK","from.gate":7,"tags":[1,2]},"timestamp":0}
"#,
        },
    },
    Spec {
        name: "project",
        about: "Keeps some fields, by other names and under another key where that is asked for.",
        window: None,
        keys: &[
            required(
                "fields",
                "JSON pointers, with commas",
                "What is kept: `/carrier`, or with a \
                      new name `late=/departure/delay`.",
            ),
            optional("key", "a JSON pointer", "What becomes the record's key."),
            key(
                "missing",
                "`reject` or `skip`",
                "reject",
                "What becomes of a record without one \
                 of the fields: `reject` leaves it to the delivery policy (a dead letter), `skip` \
                 leaves the field out.",
            ),
        ],
        sends: "The record with the fields that are kept, under the new key where there is one.",
        example: Example {
            flags: &[],
            config: &[("fields", "/carrier,late=/departure/delay"), ("key", "/carrier")],
            input: r#"{"key":"1","value":{"carrier":"UA","departure":{"delay":5},"seat":"7A"},"timestamp":0}
"#,
            output: r#"{"topic":"out","key":"UA","value":{"carrier":"UA","late":5},"timestamp":0}
"#,
        },
    },
    Spec {
        name: "rekey",
        about: "Sends records under another key, as they are: to the partition of that key.",
        window: None,
        keys: &[required("key", "a JSON pointer", "What becomes the record's key.")],
        sends: "The record under its new key. One without the field is left to the delivery policy (a \
                dead letter).",
        example: Example {
            flags: &[],
            config: &[("key", "/carrier")],
            input: r#"{"key":"1","value":{"carrier":"UA","delay":5},"timestamp":0}
"#,
            output: r#"{"topic":"out","key":"UA","value":{"carrier":"UA","delay":5},"timestamp":0}
"#,
        },
    },
    Spec {
        name: "mask",
        about: "Replaces fields by a text, so that what is personal goes no further.",
        window: None,
        keys: &[
            required(
                "fields",
                "JSON pointers, with commas",
                "What is replaced; a field that is \
                      not there needs none.",
            ),
            key("with", "text", "***", "What stands in its place."),
        ],
        sends: "The record with its new value. Its key and headers stay.",
        example: Example {
            flags: &[],
            config: &[("fields", "/name,/card/number")],
            input: r#"{"key":"1","value":{"name":"Ann","card":{"number":"4711","kind":"debit"}},"timestamp":0}
"#,
            output: r#"{"topic":"out","key":"1","value":{"card":{"kind":"debit","number":"***"},"name":"***"},"timestamp":0}
"#,
        },
    },
];

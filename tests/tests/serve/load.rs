//! Functions on a server, and records whose way through them can be checked.

use std::ops::Range;

use serde_json::Value;

use crate::server::Server;
use crate::support::{Place, faulty, guest};

/// Deploys the filter from `all`, of two partitions, to `long`.
pub(crate) fn deploy_filter(place: &Place, server: &Server<'_>) {
    place.write(
        "filter.toml",
        "[function]\nname = 'long'\n[[input]]\ntopic = 'all'\npartitions = 2\n\
         [[output]]\nname = 'out'\ntopic = 'long'\n",
    );
    server.pelton(&["deploy", &guest("filter"), "--manifest", "filter.toml"]).expect(0);
}

/// Deploys the function that does what its records say, from `in` to `fine`.
pub(crate) fn deploy_faulty(place: &Place, server: &Server<'_>) {
    place.write(
        "faulty.toml",
        "[function]\nname = 'faulty'\n[[input]]\ntopic = 'in'\n\
         [[output]]\nname = 'out'\ntopic = 'fine'\n",
    );
    server.pelton(&["deploy", &faulty(), "--manifest", "faulty.toml"]).expect(0);
}

/// Records that all pass the filter, each value once.
pub(crate) fn records(numbers: Range<usize>) -> String {
    let pad = "x".repeat(100);
    let line = |number| format!("{{\"key\":\"{number}\",\"value\":\"{number} {pad}\"}}\n");
    numbers.map(line).collect()
}

/// The numbers of these records, sorted.
pub(crate) fn numbers(records: &[Value]) -> Vec<usize> {
    let number = |record: &Value| {
        record["value"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    let mut numbers: Vec<usize> = records.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

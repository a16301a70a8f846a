//! Every figure comes out. None is judged: a busy machine is no failure.

use std::process::Command;

/// Lines of the table: group and how many.
const LINES: [(&str, usize); 10] = [
    ("call", 4),
    ("journal", 3),
    ("engine", 4),
    ("state", 3),
    ("start", 4),
    ("snapshot", 3),
    ("latency", 12),
    ("windows", 10),
    ("nexmark", 11),
    ("serve", 7),
];

#[test]
fn every_line_of_the_table_is_there_and_has_numbers() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pelton-benches"));
    let output = command.args(["--quick", "-o", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    for (group, count) in LINES {
        let of_group: Vec<_> = lines.iter().filter(|line| line["group"] == group).collect();
        assert_eq!(of_group.len(), count, "lines of {group}");
        for line in of_group {
            let numbers = [&line["ours"]["value"], &line["native"]["value"], &line["ratio"]];
            assert!(!numbers[0].is_null(), "{line}");
            for number in numbers.into_iter().filter(|number| !number.is_null()) {
                let number = number.as_f64().unwrap();
                assert!(number.is_finite() && number > 0.0, "{line}");
            }
        }
    }
    assert_eq!(lines.len(), LINES.iter().map(|(_, count)| count).sum::<usize>());
}

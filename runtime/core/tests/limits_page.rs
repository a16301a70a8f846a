//! docs/limits.md lists every limit as the code has it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use pelton_core::Limits;

fn page() -> String {
    let mut page = String::from(
        "# Limits\n\nWhat a function may use. `[limits]` in its `pelton.toml` sets a limit by its \
         name, as a plain number,\nfrom 1 to its ceiling: `call_cpu_ms = 500`. An error that a limit \
         causes names it.\n\nThe limits of a record hold for records that a function makes and that \
         come in; one that it forwards has\nbeen checked when it came in. A guest's stack is 512 KiB, \
         which no setting changes.\n\nOf all functions of a tenant a server takes 1 MiB of log lines \
         a second; what is more is left out\nand counted \
         (`pelton_function_log_lines_left_out_total`).\n\n\
         | limit | default | ceiling | unit | what |\n|-|-:|-:|-|-|\n",
    );
    for limit in Limits::default().all() {
        let (value, ceiling) = (digits(limit.value), digits(limit.ceiling));
        let (name, unit, about) = (limit.name, limit.unit, limit.about);
        writeln!(page, "| `{name}` | {value} | {ceiling} | {unit} | {about} |").unwrap();
    }
    page.push_str(
        "\n## Watching\n\nWhat a tap (`pelton tap`, the console) may hold. A function never waits for \
         one who looks on: what\ndoes not fit is left out, counted, and the count is shown.\n\n\
         | what | most |\n|-|-:|\n\
         | Taps of a function at a time; one more is refused with `E-TAP-BUSY` | 8 |\n\
         | Commits of a task that wait for a tap | 256 |\n\
         | Bytes of the calls and answers of a task that wait for a tap | 8,388,608 |\n\
         | Samples that a tap is told at once | 500 |\n",
    );
    page
}

/// With a comma between each three digits.
fn digits(number: u64) -> String {
    let plain = number.to_string();
    let groups = plain.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

#[test]
fn every_limit_stands_on_its_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
    if std::env::var_os("PELTON_UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == page(),
        "docs/limits.md: PELTON_UPDATE=1 cargo test --test limits_page writes it"
    );
}

//! One line a figure, as a Markdown table or as JSON.

use std::fmt::Write;

use serde::Serialize;

/// A number and what it counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Amount {
    /// The number.
    pub value: f64,
    /// What it counts, such as `ns` or `records/s`.
    pub unit: &'static str,
}

impl Amount {
    /// `value` of `unit`.
    #[must_use]
    pub fn new(value: f64, unit: &'static str) -> Self {
        Self { value, unit }
    }
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The group that it belongs to.
    pub group: &'static str,
    /// What was measured.
    pub what: String,
    /// What Pelton took or did.
    pub ours: Amount,
    /// What the same took or did in plain Rust, or raw.
    pub native: Option<Amount>,
    /// The one by the other: of times, ours by native; of rates, ours by native as well.
    pub ratio: Option<f64>,
    /// What the design holds it to.
    pub floor: Option<&'static str>,
    /// What the design aims at.
    pub aim: Option<&'static str>,
}

impl Line {
    /// A figure that is compared with nothing.
    #[must_use]
    pub fn alone(group: &'static str, what: impl Into<String>, ours: Amount) -> Self {
        let what = what.into();
        Self { group, what, ours, native: None, ratio: None, floor: None, aim: None }
    }

    /// The same beside what it is compared with.
    #[must_use]
    pub fn beside(self, native: Amount, ratio: f64) -> Self {
        Self { native: Some(native), ratio: Some(ratio), ..self }
    }

    /// The same with what the design says of it.
    #[must_use]
    pub fn held_to(self, floor: &'static str, aim: &'static str) -> Self {
        Self { floor: Some(floor), aim: Some(aim), ..self }
    }
}

/// The lines as a Markdown table.
#[must_use]
pub fn markdown(lines: &[Line]) -> String {
    let mut out = String::from("| what | ours | native or raw | ratio | floor | aim |\n");
    out.push_str("|-|-:|-:|-:|-:|-:|\n");
    for line in lines {
        let native = line.native.map_or_else(|| "-".to_owned(), amount);
        let ratio = line.ratio.map_or_else(|| "-".to_owned(), ratio);
        let (floor, aim) = (line.floor.unwrap_or("-"), line.aim.unwrap_or("-"));
        let ours = amount(line.ours);
        let what = &line.what;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {what} | {ours} | {native} | {ratio} | {floor} | {aim} |");
    }
    out
}

fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}")
}

/// Three digits that matter, and a unit of a size that they fit.
fn amount(Amount { value, unit }: Amount) -> String {
    let (value, prefix) = match unit {
        "ns" if value >= 1e9 => return number(value / 1e9, " s"),
        "ns" if value >= 1e6 => return number(value / 1e6, " ms"),
        "ns" if value >= 1e3 => return number(value / 1e3, " us"),
        _ if value >= 1e9 => (value / 1e9, " G "),
        _ if value >= 1e6 => (value / 1e6, " M "),
        _ if value >= 1e4 => (value / 1e3, " k "),
        _ => (value, " "),
    };
    number(value, prefix) + unit
}

fn number(value: f64, suffix: &str) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}{suffix}"),
        value if value >= 10.0 => format!("{value:.1}{suffix}"),
        value => format!("{value:.2}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_enough_to_read() {
        let text = |value, unit| amount(Amount::new(value, unit));
        assert_eq!(text(12.34, "ns"), "12.3 ns");
        assert_eq!(text(12_340.0, "ns"), "12.3 us");
        assert_eq!(text(4_200_000.0, "records/s"), "4.20 M records/s");
        assert_eq!(text(2_044.0, "commits/s"), "2044 commits/s");
    }

    #[test]
    fn a_line_without_a_comparison_has_dashes() {
        let line = Line::alone("start", "instantiate", Amount::new(6_600.0, "ns"));
        let table = markdown(&[line]);
        assert!(table.ends_with("| instantiate | 6.60 us | - | - | - | - |\n"), "{table}");
    }
}

//! A table of the manifest whose keys are known.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use super::units::{duration_text, parse_bytes, parse_duration_ms};

/// A value with its place in the text.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A table whose unknown keys have been reported.
pub(super) struct Section<'a> {
    path: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
}

impl<'a> Section<'a> {
    /// The table at `path`, where every key must be one of `allowed`.
    pub(super) fn new(
        path: impl Into<String>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        allowed: &[&str],
        problems: &mut Problems<'_>,
    ) -> Self {
        let section = Self { path: path.into(), table, span };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !allowed.contains(&name) {
                let text = unknown_key(name, allowed);
                problems.add(key.span().start, section.key(name), text);
            }
        }
        section
    }

    /// The full name of a key of this table.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value<'a>> {
        self.table.iter().find(|(key, _)| key.get_ref().as_ref() == name).map(|(_, value)| value)
    }

    /// The sub-table `name`, its keys checked.
    pub(super) fn table(
        &self,
        name: &str,
        allowed: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Section<'a>> {
        let value = self.get(name)?;
        let table = self.expect(name, value, value.get_ref().as_table(), "a table", problems)?;
        Some(Section::new(self.key(name), table, value.span(), allowed, problems))
    }

    /// The tables of the array `name`, their keys checked.
    pub(super) fn tables(
        &self,
        name: &str,
        allowed: &[&str],
        problems: &mut Problems<'_>,
    ) -> Vec<Section<'a>> {
        let Some(value) = self.get(name) else {
            return Vec::new();
        };
        let wanted = format!("a list of tables: write [[{name}]]");
        let array = value.get_ref().as_array();
        let Some(array) = self.expect(name, value, array, &wanted, problems) else {
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(array.len());
        for (index, item) in array.iter().enumerate() {
            let table = item.get_ref().as_table();
            if let Some(table) = self.expect(name, item, table, &wanted, problems) {
                let path = format!("{}[{index}]", self.key(name));
                sections.push(Section::new(path, table, item.span(), allowed, problems));
            }
        }
        sections
    }

    /// The entries of this table.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> + use<'a> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    /// A text.
    pub(super) fn text(&self, name: &str, problems: &mut Problems<'_>) -> Option<&'a str> {
        let value = self.get(name)?;
        self.expect(name, value, value.get_ref().as_str(), "a text in quotes", problems)
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str, problems: &mut Problems<'_>) -> Option<&'a str> {
        if self.get(name).is_none() {
            problems.add(self.span.start, self.key(name), "is missing");
        }
        self.text(name, problems)
    }

    /// A text that `read` understands.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let text = self.text(name, problems)?;
        read(text).map_err(|error| self.wrong(name, error, problems)).ok()
    }

    /// A duration in ms.
    pub(super) fn duration(&self, name: &str, problems: &mut Problems<'_>) -> Option<i64> {
        self.parsed(name, parse_duration_ms, problems)
    }

    /// A duration within `range`, ms.
    pub(super) fn duration_within(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> Option<i64> {
        let (least, most) = (duration_text(*range.start()), duration_text(*range.end()));
        let read = |text: &str| {
            let ms = parse_duration_ms(text)?;
            let error = || format!("{text:?} is not a duration from {least} to {most}");
            range.contains(&ms).then_some(ms).ok_or_else(error)
        };
        self.parsed(name, read, problems)
    }

    /// A number of bytes within `range`: a size such as `1MiB`, or a whole number.
    pub(super) fn bytes_within(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        problems: &mut Problems<'_>,
    ) -> Option<u64> {
        let value = self.get(name)?.get_ref();
        let read = match (integer(value), value.as_str()) {
            (Some(number), _) => u64::try_from(number).map_err(|error| error.to_string()),
            (None, Some(text)) => parse_bytes(text),
            (None, None) => Err(format!("must be a size in quotes; found: {}", value.type_str())),
        };
        let within = read.and_then(|bytes| match range.contains(&bytes) {
            true => Ok(bytes),
            false => Err(format!("{bytes} is not from {} to {} bytes", range.start(), range.end())),
        });
        within.map_err(|text| self.wrong(name, text, problems)).ok()
    }

    /// A number within these bounds, with or without a fraction.
    pub(super) fn ratio(
        &self,
        name: &str,
        (least, most): (f64, f64),
        problems: &mut Problems<'_>,
    ) -> Option<f64> {
        let value = self.get(name)?.get_ref();
        let number = match value {
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            _ => integer(value).map(|number| number as f64),
        };
        let within = number.filter(|number| (least..=most).contains(number));
        if within.is_none() {
            self.wrong(name, format!("must be a number from {least} to {most}"), problems);
        }
        within
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
        problems: &mut Problems<'_>,
    ) -> Option<u32> {
        let value = self.get(name)?;
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.expect(name, value, integer(value.get_ref()), &wanted, problems)?;
        let within = u32::try_from(number).ok().filter(|number| range.contains(number));
        if within.is_none() {
            self.wrong(name, format!("{number} is not {wanted}"), problems);
        }
        within
    }

    /// True or false.
    pub(super) fn truth(&self, name: &str, problems: &mut Problems<'_>) -> Option<bool> {
        let value = self.get(name)?;
        self.expect(name, value, value.get_ref().as_bool(), "true or false", problems)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let find = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, it)| *it);
        let all = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>();
        let read = |text: &str| {
            find(text).ok_or_else(|| format!("{text:?} is not one of {}", all.join(", ")))
        };
        self.parsed(name, read, problems)
    }

    /// Notes that the value of `name` is wrong.
    pub(super) fn wrong(
        &self,
        name: &str,
        text: impl std::fmt::Display,
        problems: &mut Problems<'_>,
    ) {
        let at = self.get(name).map_or(self.span.start, |value| value.span().start);
        problems.add(at, self.key(name), text.to_string());
    }

    /// Notes that something is wrong with the table as a whole.
    pub(super) fn note_here(&self, text: impl Into<String>, problems: &mut Problems<'_>) {
        problems.add(self.span.start, self.path.clone(), text);
    }

    fn expect<T>(
        &self,
        name: &str,
        value: &Value<'_>,
        found: Option<T>,
        wanted: &str,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        if found.is_none() {
            let kind = value.get_ref().type_str();
            let text = format!("must be {wanted}; found: {kind}");
            problems.add(value.span().start, self.key(name), text);
        }
        found
    }
}

/// The number that a TOML integer is.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn unknown_key(name: &str, allowed: &[&str]) -> String {
    let near = allowed.iter().min_by_key(|known| distance(name, known));
    let near = near.filter(|known| distance(name, known) <= 2);
    let hint = near.map_or(String::new(), |known| format!(" (did you mean `{known}`?)"));
    format!("unknown key{hint}; allowed here: {}", allowed.join(", "))
}

/// Edits (insert, delete, replace) between two short words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

//! The configuration file of a server.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::settings::{Given, KEYS};

/// What a file says, in its order, and what is wrong with it, by line.
pub(super) fn read(text: &str, file: &str) -> (Vec<Given>, Vec<String>) {
    let place = |at: usize| {
        let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        format!("{file}:{line}")
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<String> = errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(0, |span| span.start);
            format!("{}: not TOML: {}", place(at), error.message().trim())
        })
        .collect();
    let mut given = Vec::new();
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let (name, at) = (key.get_ref().as_ref(), place(key.span().start));
        let Some(known) = KEYS.iter().find(|known| **known == name) else {
            problems.push(format!("{at}: unknown key `{name}`; there are: {}", KEYS.join(", ")));
            continue;
        };
        match text_of(value.get_ref()) {
            Some(text) => given.push(Given { key: known, place: format!("{at}: `{name}`"), text }),
            None => problems.push(format!("{at}: `{name}` must be text or a number")),
        }
    }
    (given, problems)
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// A path of a file is meant from the folder that the file lies in.
pub(super) fn beside(file: &Path, path: &str) -> String {
    file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path).display().to_string())
}

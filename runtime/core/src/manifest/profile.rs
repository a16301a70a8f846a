//! `[profile.NAME]`: settings that go before the others where the profile is asked for.
//!
//! A profile holds the same tables as the manifest. Its keys replace those of the same name, one by
//! one; a list of tables (`[[profile.NAME.input]]`) replaces the whole list.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::problem::{ManifestError, Problems};
use super::section::integer;

const KEY: &str = "profile";

/// What a file's table says under the profile that is asked for. Every profile is checked, so
/// that a mistake shows before the day when it is needed.
pub(super) fn read<'a, T>(
    table: &DeTable<'a>,
    profile: Option<&str>,
    problems: &mut Problems<'a>,
    read: impl Fn(&DeTable<'a>, &mut Problems<'a>) -> Option<T>,
) -> Option<T> {
    let profiles = profiles(table, problems);
    let mut found = read(&without(table, KEY), problems);
    for (name, overlay) in &profiles {
        let mut merged = without(table, KEY);
        merge(&mut merged, &without(overlay, KEY));
        let of_profile = read(&merged, problems);
        if profile == Some(name) {
            found = of_profile;
        }
    }
    if let Some(wanted) = profile.filter(|wanted| profiles.iter().all(|(name, _)| name != wanted)) {
        let names: Vec<&str> = profiles.iter().map(|(name, _)| &**name).collect();
        let there = match names.is_empty() {
            true => "the file has no profile; write [profile.NAME...]".to_owned(),
            false => format!("the file has: {}", names.join(", ")),
        };
        problems.add(0, KEY, format!("there is no profile {wanted:?}; {there}"));
    }
    found
}

fn profiles<'t, 'a>(
    table: &'t DeTable<'a>,
    problems: &mut Problems<'_>,
) -> Vec<(String, &'t DeTable<'a>)> {
    let Some((_, value)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == KEY) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let Some(all) = value.get_ref().as_table() else {
        problems.add(value.span().start, KEY, "must be a table: write [profile.NAME.limits]");
        return found;
    };
    for (name, value) in all {
        let path = format!("{KEY}.{}", name.get_ref());
        match value.get_ref().as_table() {
            Some(table) => {
                if let Some((key, _)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == KEY)
                {
                    let text = "a profile holds no profiles";
                    problems.add(key.span().start, format!("{path}.{KEY}"), text);
                }
                found.push((name.get_ref().to_string(), table));
            }
            None => problems.add(value.span().start, path, "must be a table"),
        }
    }
    found
}

/// The table without the entry `name`.
fn without<'a>(table: &DeTable<'a>, name: &str) -> DeTable<'a> {
    let others = table.iter().filter(|(key, _)| key.get_ref().as_ref() != name);
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn merge<'a>(base: &mut DeTable<'a>, overlay: &DeTable<'a>) {
    for (key, value) in overlay {
        let name = key.get_ref().as_ref();
        let known = base.iter_mut().find(|(known, _)| known.get_ref().as_ref() == name);
        match (known, value.get_ref()) {
            (Some((_, known)), DeValue::Table(over)) if known.get_ref().as_table().is_some() => {
                if let DeValue::Table(known) = known.as_mut() {
                    merge(known, over);
                }
            }
            (Some((_, known)), _) => *known = value.clone(),
            (None, _) => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The text of the manifest that a file is under a profile: what a server is given, which knows no
/// profiles.
///
/// # Errors
/// As [`Manifest::parse_profile`].
pub fn flatten(text: &str, file: &str, profile: &str) -> Result<String, ManifestError> {
    super::build::file(text, file, Some(profile))?;
    // It has just been read: nothing is wrong with it.
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.get_ref();
    let mut merged = without(table, KEY);
    let profiles = profiles(table, &mut Problems::new(text));
    if let Some((_, overlay)) = profiles.iter().find(|(name, _)| name == profile) {
        merge(&mut merged, overlay);
    }
    Ok(plain_table(&merged).to_string())
}

pub(super) fn plain_table(table: &DeTable<'_>) -> Table {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(_) => Value::Integer(integer(value).unwrap_or_default()),
        // A number of the configuration reaches the function as it is written.
        DeValue::Float(number) => Value::String(number.as_str().replace('_', "")),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(all) => {
            Value::Array(all.iter().map(|value| plain(value.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(plain_table(table)),
    }
}

//! `[profile.NAME]`: settings that go before the others where the profile is asked for.
//!
//! A profile holds the same tables as the manifest. Its keys replace those of the same name, one by
//! one; a list of tables (`[[profile.NAME.input]]`) replaces the whole list.

use toml::Table;
use toml::de::{DeTable, DeValue};

use super::Manifest;
use super::problem::{ManifestError, Problems};

const KEY: &str = "profile";

/// The manifest of a file's table under the profile that is asked for. Every profile is checked, so
/// that a mistake shows before the day when it is needed.
pub(super) fn manifest<'a>(
    table: &DeTable<'a>,
    profile: Option<&str>,
    problems: &mut Problems<'a>,
    read: impl Fn(&DeTable<'a>, &mut Problems<'a>) -> Option<Manifest>,
) -> Option<Manifest> {
    let profiles = profiles(table, problems);
    let mut manifest = read(&without(table, KEY), problems);
    for (name, overlay) in &profiles {
        let mut merged = without(table, KEY);
        merge(&mut merged, &without(overlay, KEY));
        let of_profile = read(&merged, problems);
        if profile == Some(name) {
            manifest = of_profile;
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
    manifest
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
    super::build::manifest(text, file, Some(profile))?;
    let mut table: Table = text.parse().unwrap_or_default();
    let overlay = match table.remove(KEY) {
        Some(toml::Value::Table(mut all)) => all.remove(profile),
        _ => None,
    };
    if let Some(toml::Value::Table(overlay)) = overlay {
        merge_values(&mut table, overlay);
    }
    Ok(table.to_string())
}

fn merge_values(base: &mut Table, overlay: Table) {
    for (key, value) in overlay {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(over)) => {
                merge_values(known, over);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

//! `[[store]]`: the state that a deployment is expected to keep.
//!
//! A function declares its stores by itself. A manifest that lists them says what was reviewed: code
//! that keeps other state is refused before it runs.

use std::collections::HashSet;

use super::keys;
use super::problem::Problems;
use super::section::Section;
use crate::declaration::{StoreDeclaration, StoreKind};
use crate::error::{Domain, Error, Result};

const KINDS: [(&str, StoreKind); 2] = [("kv", StoreKind::Kv), ("ordered", StoreKind::Ordered)];

/// `[[store]]`: a store that the function keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The name that the function declares.
    pub name: String,
    /// How it may be read; absent: either way.
    pub kind: Option<StoreKind>,
    /// The version of its values; absent: any.
    pub schema: Option<u32>,
    /// How long a value stays that is written without a time to live of its own, ms of event time;
    /// absent: for ever.
    pub ttl_ms: Option<i64>,
}

pub(super) fn read(top: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Store> {
    let mut names = HashSet::new();
    let mut stores = Vec::new();
    for section in top.tables("store", &keys::STORE, problems) {
        let name = section.required("name", problems);
        let kind = section.choice("kind", &KINDS, problems);
        let schema = section.number("schema", 0..=u32::MAX, problems);
        let ttl_ms = section.duration_within("ttl", 1..=keys::TTL_MS_MAX, problems);
        let Some(name) = name else { continue };
        if !names.insert(name) {
            section.wrong("name", format!("store {name:?} stands here twice"), problems);
        }
        stores.push(Store { name: name.to_owned(), kind, schema, ttl_ms });
    }
    stores
}

/// Whether what the function declares is what the manifest lists, where it lists any.
pub(super) fn check(listed: &[Store], declared: &[StoreDeclaration]) -> Result<()> {
    if listed.is_empty() {
        return Ok(());
    }
    let wrong = |text: String| Err(Error::new("E-MANIFEST-STORE", Domain::User, text));
    for store in declared {
        let Some(entry) = listed.iter().find(|entry| entry.name == store.name) else {
            return wrong(format!(
                "the function keeps a store `{0}`, which no [[store]] lists; add name = \"{0}\", or \
                 remove all of them",
                store.name
            ));
        };
        if let Some(kind) = entry.kind.filter(|kind| *kind != store.kind) {
            let word = |kind| KINDS.iter().find(|(_, it)| *it == kind).map_or("", |(word, _)| word);
            return wrong(format!(
                "store `{}`: [[store]] says kind = \"{}\", the function declares \"{}\"",
                store.name,
                word(kind),
                word(store.kind)
            ));
        }
        if let Some(schema) = entry.schema.filter(|schema| *schema != store.schema) {
            return wrong(format!(
                "store `{}`: [[store]] says schema = {schema}, the function writes version {}",
                store.name, store.schema
            ));
        }
    }
    match listed.iter().find(|entry| declared.iter().all(|store| store.name != entry.name)) {
        None => Ok(()),
        Some(entry) => {
            let names: Vec<&str> = declared.iter().map(|store| &*store.name).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            wrong(format!(
                "[[store]] lists `{}`, which the function does not declare; it declares: {names}",
                entry.name
            ))
        }
    }
}

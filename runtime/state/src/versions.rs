//! Schema versions of a store's values: how many are of which, and where those are that code of
//! another version has to migrate.

use crate::slot::Slot;
use crate::space::Change;
use crate::state::TaskState;
use crate::table::{KV_PARTS, KeyRange};

/// Entries that one search looks at, more or less: a task waits for it between two calls.
const LOOKED_AT: usize = 50_000;
/// Keys that one search answers at most.
const FOUND_MAX: usize = 4_096;

/// How many entries of a store are of which version.
#[derive(Debug, Default)]
pub(crate) struct Versions(Vec<(u32, u64)>);

impl Versions {
    /// Follows a change of an entry. Where the version stays, there is nothing to do.
    #[inline]
    pub(crate) fn note(&mut self, change: Change) {
        let before = change.before.map(|meta| meta.tag);
        let after = change.after.map(|meta| meta.tag);
        if before == after {
            return;
        }
        if let Some(version) = after {
            match self.0.iter_mut().find(|(known, _)| *known == version) {
                Some((_, count)) => *count += 1,
                None => self.0.push((version, 1)),
            }
        }
        if let Some(at) = self.0.iter().position(|(known, _)| Some(*known) == before) {
            self.0[at].1 -= 1;
            if self.0[at].1 == 0 {
                self.0.swap_remove(at);
            }
        }
    }
}

/// How far a search through a store has come. A new one begins at the store's start.
#[derive(Debug, Clone, Default)]
pub struct VersionSearch {
    /// Of a `kv` store: the part of the table that comes next.
    part: usize,
    /// Of an `ordered` store: the key that was looked at last.
    after: Option<Vec<u8>>,
}

impl TaskState {
    /// Entries of a declared store that are of another schema version than it declares.
    #[must_use]
    pub fn unmigrated(&self, store: u16) -> u64 {
        self.other_versions(store).map(|(_, count)| count).sum()
    }

    /// The schema versions that a declared store holds beside the one that it declares, and how
    /// many entries are of each, in no order.
    pub fn other_versions(&self, store: u16) -> impl Iterator<Item = (u32, u64)> + '_ {
        let store = self.stores[..self.declared_stores].get(usize::from(store));
        store.into_iter().flat_map(|store| {
            let declared = store.declaration.schema;
            store.versions.0.iter().copied().filter(move |(version, _)| *version != declared)
        })
    }

    /// Keys of entries of a declared store whose schema version is `wanted`, sorted, from where
    /// `search` has come to. It looks at some 50,000 entries at most, and answers at most 4,096
    /// keys; at the end of the store `search` begins anew, so that what was answered and is still
    /// of that version is found again.
    pub fn find_version(
        &self,
        store: u16,
        wanted: impl Fn(u32) -> bool,
        search: &mut VersionSearch,
    ) -> Vec<Box<[u8]>> {
        let Some(store) = self.stores[..self.declared_stores].get(usize::from(store)) else {
            return Vec::new();
        };
        let is_wanted = |slot: &Slot| wanted(slot.tag);
        let start = search.after.as_ref().map(|key| [key, &[0][..]].concat()).unwrap_or_default();
        let range = KeyRange { start: &start, end: None };
        let mut found: Vec<Box<[u8]>> = Vec::new();
        let Some(entries) = store.space.layers.range(range, false) else {
            let mut looked_at = 0;
            while search.part < KV_PARTS && looked_at < LOOKED_AT {
                for (key, slot) in store.space.layers.part(search.part) {
                    looked_at += 1;
                    if is_wanted(slot) {
                        if found.len() == FOUND_MAX {
                            // The rest of this part is found once these are migrated.
                            found.sort_unstable();
                            return found;
                        }
                        found.push(key.into());
                    }
                }
                search.part += 1;
            }
            if search.part == KV_PARTS {
                search.part = 0;
            }
            found.sort_unstable();
            return found;
        };
        let mut last = None;
        for (looked_at, (key, slot)) in entries.enumerate() {
            if looked_at == LOOKED_AT || found.len() == FOUND_MAX {
                search.after = last.map(<[u8]>::to_vec);
                return found;
            }
            last = Some(key);
            if is_wanted(slot) {
                found.push(key.into());
            }
        }
        search.after = None;
        found
    }
}

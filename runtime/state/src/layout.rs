//! Which stores and timers a task has, and what becomes of them when its code changes.

use pelton_core::{Limits, StoreDeclaration, TimerDeclaration};

use crate::encoding;
use crate::slot::Slot;
use crate::space::{Change, Space};
use crate::state::{Store, TaskState, Timers};
use crate::table::Table;
use crate::versions::Versions;
use crate::{PANES, TIMERS};

/// Stores and timers in the order of their indexes, and the limits that hold for them.
#[derive(Debug, Clone, Default)]
pub struct StateLayout {
    /// The stores. Names are unique.
    pub stores: Vec<StoreDeclaration>,
    /// The timers. Names are unique.
    pub timers: Vec<TimerDeclaration>,
    /// Whether panes are key_windows: then the windows of a key can be asked for.
    pub key_windows: bool,
    /// Whether panes that have got records since they fired last can be asked for.
    pub fresh: bool,
    /// Limits: `state_key_bytes`, `state_value_bytes`, `state_bytes`, `timers`, `panes` and
    /// `pane_bytes` are used.
    pub limits: Limits,
}

impl TaskState {
    /// The stores and timers that operations can name now, with their limits.
    #[must_use]
    pub fn layout(&self) -> StateLayout {
        let declared = &self.stores[..self.declared_stores];
        StateLayout {
            stores: declared.iter().map(|store| store.declaration.clone()).collect(),
            timers: self.timers.declarations[..self.timers.declared].to_vec(),
            key_windows: self.panes.key_windows.is_some(),
            fresh: self.panes.fresh.is_some(),
            limits: self.limits.clone(),
        }
    }

    /// Goes over to another layout: stores and timers are matched by name, and what the new layout
    /// lacks is kept aside, so that a later layout that has it finds it. A store that changes its
    /// kind is rebuilt. To be called between calls, with all changes taken: theirs are the old
    /// indexes.
    pub fn relayout(&mut self, layout: StateLayout) {
        debug_assert!(!self.undo.is_open() && self.changes.is_empty(), "changes are not taken");
        let mut old = std::mem::take(&mut self.stores);
        self.declared_stores = layout.stores.len();
        for declaration in layout.stores {
            let found = old.iter().position(|store| store.declaration.name == declaration.name);
            let store = match found {
                Some(index) => old.remove(index).redeclared(declaration),
                None => Store::new(declaration),
            };
            self.stores.push(store);
        }
        self.stores.extend(old.into_iter().filter(|store| store.space.entries > 0));
        for (id, store) in self.stores.iter_mut().enumerate() {
            store.space.id = id as u16;
        }
        self.limits = layout.limits;
        self.panes.index_key_windows(layout.key_windows);
        self.panes.index_fresh(layout.fresh);
        self.relayout_timers(layout.timers);
        self.rebuild_expiry();
    }

    fn relayout_timers(&mut self, declared: Vec<TimerDeclaration>) {
        let mut timers = Timers::new(declared);
        for (key, slot) in self.timers.space.layers.take().drain(usize::MAX) {
            let Some((target, rest)) = encoding::split_u16(&key) else { continue };
            let Some(declaration) = self.timers.declarations.get(target as usize) else { continue };
            let mut moved = timers.target(declaration).to_be_bytes().to_vec();
            moved.extend_from_slice(rest);
            let moved = timers.insert(&moved, slot);
            debug_assert!(moved, "names are unique");
        }
        self.timers = timers;
    }
}

impl Store {
    /// An empty store.
    pub(crate) fn new(declaration: StoreDeclaration) -> Self {
        let space = Space::new(0, Table::new(declaration.kind));
        Self { declaration, space, versions: Versions::default() }
    }

    fn redeclared(mut self, declaration: StoreDeclaration) -> Self {
        if self.declaration.kind != declaration.kind {
            let mut table = Table::new(declaration.kind);
            for (key, slot) in self.space.layers.take().drain(usize::MAX) {
                table.insert_new(key, slot);
            }
            self.space.layers = crate::layers::Layers::new(table);
        }
        self.declaration = declaration;
        self
    }
}

/// Puts a new slot into a space without undo; `None` where the key is there already.
pub(crate) fn insert(space: &mut Space, key: &[u8], slot: Slot) -> Option<Change> {
    let change = Change { before: None, after: slot.meta() };
    let top = space.layers.top(key);
    if top.get(key).is_some() {
        return None;
    }
    top.insert_new(key.into(), slot);
    space.count(key, change);
    Some(change)
}

impl Timers {
    /// Timers of these declarations, none of them set.
    pub(crate) fn new(declarations: Vec<TimerDeclaration>) -> Self {
        let declared = declarations.len();
        let space = Space::new(TIMERS, Table::new(pelton_core::StoreKind::Kv));
        Self { declarations, declared, space, due: Default::default() }
    }

    /// The index of the timer of that name; one that is not declared is kept behind those that are.
    fn target(&mut self, declaration: &TimerDeclaration) -> u16 {
        let found = self.declarations.iter().position(|known| known.name == declaration.name);
        let index = found.unwrap_or_else(|| {
            self.declarations.push(declaration.clone());
            self.declarations.len() - 1
        });
        index as u16
    }

    /// Sets a timer of a snapshot or of another layout, and tells whether it was not set.
    pub(crate) fn insert(&mut self, key: &[u8], slot: Slot) -> bool {
        let change = insert(&mut self.space, key, slot);
        if let Some(change) = change {
            self.index(key, change);
        }
        change.is_some()
    }
}

/// The space of the panes, empty.
pub(crate) fn pane_space() -> Space {
    Space::new(PANES, Table::new(pelton_core::StoreKind::Kv))
}

//! From the indexes of a deployment's stores and timers to those of the changelog.
//!
//! A deployment numbers its stores in its own order, and a later one may number them otherwise. The
//! changelog gives every name a number of its own, once and for all, and keeps the list in its
//! layout record.

use pelton_core::Layout;

/// State targets from here on are no stores but Pelton's own: the panes of windows.
const OWN: u16 = u16::MAX;

#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// Every name that the changelog has a number for.
    known: Layout,
    stores: Vec<u16>,
    timers: Vec<u16>,
}

impl Targets {
    /// The list as it was read back.
    pub(super) fn restored(known: Layout) -> Self {
        Self { known, ..Self::default() }
    }

    pub(super) fn known(&self) -> &Layout {
        &self.known
    }

    /// From here on, changes use the indexes of this layout. Names that are new get a number; what
    /// the layout does not name is kept, for a later one that names it again.
    pub(super) fn adopt(&mut self, layout: &Layout) {
        let stores = &mut self.known.stores;
        self.stores = numbers(&layout.stores, stores, |store| &store.name);
        self.timers = numbers(&layout.timers, &mut self.known.timers, |timer| &timer.name);
    }

    /// The number of a store; the same where no layout was named yet.
    pub(super) fn store(&self, target: u16) -> u16 {
        number(&self.stores, target)
    }

    /// The number of a timer; the same where no layout was named yet.
    pub(super) fn timer(&self, target: u16) -> u16 {
        number(&self.timers, target)
    }
}

fn number(numbers: &[u16], target: u16) -> u16 {
    match numbers.get(usize::from(target)) {
        Some(number) if target != OWN => *number,
        _ => target,
    }
}

/// The number of each of `items` in `known`; those that are new go to its end, and what is known
/// under a name is what was said last.
fn numbers<T: Clone>(items: &[T], known: &mut Vec<T>, name: impl Fn(&T) -> &String) -> Vec<u16> {
    let mut find = |item: &T| {
        let found = known.iter().position(|other| name(other) == name(item));
        let at = found.unwrap_or(known.len());
        if found.is_some() {
            known[at] = item.clone();
        } else {
            known.push(item.clone());
        }
        u16::try_from(at).unwrap_or(OWN)
    };
    items.iter().map(&mut find).collect()
}

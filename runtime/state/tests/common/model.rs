//! The state as plain maps, and a comparison that reads everything that can be read.

use std::collections::BTreeMap;

use pelton_core::TimeDomain;
use pelton_core::window::Window;
use pelton_state::{DueTimer, ENTRY_BYTES, Entry, PaneRef, TaskState};

use super::{KV, ORDERED, scan};

#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    pub value: Vec<u8>,
    pub schema: u32,
    pub expires: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelPane {
    pub value: Vec<u8>,
    pub records: u64,
    pub fired: u32,
    pub pending: bool,
    pub fresh: bool,
    pub on_time: bool,
}

pub type Key = Option<Vec<u8>>;
/// When a timer is due, and its value.
pub type ModelTimer = (i64, Option<Vec<u8>>);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    pub stores: [BTreeMap<Vec<u8>, ModelEntry>; 2],
    pub timers: BTreeMap<(u16, Key), ModelTimer>,
    pub panes: BTreeMap<(Window, Key), ModelPane>,
}

pub const DOMAINS: [TimeDomain; 3] = [TimeDomain::Event, TimeDomain::Processing, TimeDomain::Event];

impl Model {
    pub fn append(&mut self, store: u16, key: &[u8], value: &[u8], new: ModelEntry) {
        let expires = new.expires;
        let fresh = ModelEntry { value: Vec::new(), ..new };
        let entry = self.stores[store as usize].entry(key.to_vec()).or_insert(fresh);
        entry.value.extend_from_slice(value);
        entry.expires = expires.or(entry.expires);
    }

    pub fn expire(&mut self, time: i64) {
        for store in &mut self.stores {
            store.retain(|_, entry| entry.expires.is_none_or(|expires| expires > time));
        }
    }

    /// Due timers by time, target and key.
    pub fn due_timers(&self, domain: TimeDomain, time: i64) -> Vec<DueTimer> {
        let of_domain = |entry: &(&(u16, Key), _)| DOMAINS[entry.0.0 as usize] == domain;
        let mut due: Vec<_> = (self.timers.iter().filter(of_domain))
            .filter(|(_, (due, _))| *due < time)
            .map(|((target, key), (due, value))| DueTimer {
                target: *target,
                key: key.clone().map(Into::into),
                due: *due,
                value: value.clone().map(Into::into),
            })
            .collect();
        due.sort_by(|a, b| (a.due, a.target, &a.key).cmp(&(b.due, b.target, &b.key)));
        due
    }

    fn bytes(&self) -> u64 {
        let entry = |key: usize, value: usize| (key + value) as u64 + ENTRY_BYTES;
        let stores = self.stores.iter().flatten().map(|(k, e)| entry(k.len(), e.value.len()));
        let length = |key: &Key| key.as_ref().map_or(0, Vec::len);
        let timers = (self.timers.iter())
            .map(|((_, k), (_, v))| entry(3 + length(k), v.as_ref().map_or(0, Vec::len)));
        let panes = self.panes.iter().map(|((_, k), p)| entry(17 + length(k), p.value.len()));
        stores.chain(timers).chain(panes).sum()
    }

    /// Panics unless everything that can be read of `state` is as here.
    pub fn assert_is(&self, state: &mut TaskState) {
        self.assert_stores(state);
        self.assert_timers(state);
        self.assert_panes(state);
        assert_eq!(state.size().bytes(), self.bytes());
        let entries = self.stores.iter().map(BTreeMap::len).sum::<usize>();
        let entries = entries + self.timers.len() + self.panes.len();
        assert_eq!(state.size().entries(), entries as u64);
    }

    fn assert_stores(&self, state: &TaskState) {
        for store in [KV, ORDERED] {
            let map = &self.stores[store as usize];
            assert_eq!(state.size().stores[store as usize].entries, map.len() as u64);
            for (key, entry) in map {
                let expected =
                    Entry { value: &entry.value, schema: entry.schema, expires_ms: entry.expires };
                assert_eq!(state.get(store, key), Some(expected), "store {store}, {key:?}");
            }
        }
        let map = &self.stores[ORDERED as usize];
        let all: Vec<_> = map.iter().map(|(k, e)| (k.clone(), e.value.clone())).collect();
        assert_eq!(scan(state, ORDERED, b"", None, usize::MAX, false), all);
        let back: Vec<_> = all.iter().rev().cloned().collect();
        assert_eq!(scan(state, ORDERED, b"", None, usize::MAX, true), back);
        for (start, end) in [(&b"a"[..], Some(&b"b"[..])), (b"a\0", None), (b"b", Some(b"a"))] {
            let inside = |k: &Vec<u8>| k[..] >= *start && end.is_none_or(|end| k[..] < *end);
            let part: Vec<_> = all.iter().filter(|pair| inside(&pair.0)).cloned().collect();
            assert_eq!(scan(state, ORDERED, start, end, usize::MAX, false), part);
            let first: Vec<_> = part.iter().rev().take(2).cloned().collect();
            assert_eq!(scan(state, ORDERED, start, end, 2, true), first);
        }
        let expiries = self.stores.iter().flatten().filter_map(|(_, entry)| entry.expires);
        assert_eq!(state.next_expiry(), expiries.min());
    }

    fn assert_timers(&self, state: &TaskState) {
        assert_eq!(state.timer_count(), self.timers.len());
        for domain in [TimeDomain::Event, TimeDomain::Processing] {
            for time in [0, 2, i64::MAX] {
                let due = self.due_timers(domain, time);
                assert_eq!(state.due_timers(domain, time, usize::MAX), due);
                let first: Vec<_> = due.into_iter().take(1).collect();
                assert_eq!(state.due_timers(domain, time, 1), first);
            }
            let first = self.due_timers(domain, i64::MAX).first().map(|timer| timer.due);
            assert_eq!(state.next_timer(domain), first);
        }
    }

    fn assert_panes(&self, state: &mut TaskState) {
        assert_eq!(state.pane_count(), self.panes.len());
        for ((window, key), pane) in &self.panes {
            let expected = PaneRef {
                value: &pane.value,
                records: pane.records,
                fired: pane.fired,
                pending: pane.pending,
                on_time: pane.on_time,
            };
            assert_eq!(state.pane(*window, key.as_deref()), Some(expected));
        }
        for key in self.panes.keys().map(|(_, key)| key) {
            let of_key = self.panes.keys().filter(|(_, known)| known == key);
            let windows: Vec<Window> = of_key.map(|(window, _)| *window).collect();
            assert_eq!(state.key_windows(key.as_deref()), windows);
        }
        assert_eq!(state.first_window(), self.panes.keys().next().map(|(window, _)| *window));
        let pending = || self.panes.iter().filter(|(_, pane)| pane.pending);
        assert_eq!(state.next_pane_end(), pending().next().map(|((window, _), _)| window.end));
        let fresh = self.panes.iter().filter(|(_, pane)| pane.fresh);
        let fresh: Vec<_> =
            fresh.map(|((window, key), _)| (*window, key.clone().map(Into::into))).collect();
        assert_eq!(state.fresh_panes(usize::MAX), fresh);
        assert_eq!(state.has_fresh_panes(), !fresh.is_empty());
        for watermark in [-5, 10, i64::MAX] {
            let due: Vec<_> = pending()
                .filter(|((window, _), _)| window.end <= watermark)
                .map(|((window, key), _)| (*window, key.clone().map(Into::into)))
                .collect();
            assert_eq!(state.due_panes(watermark, usize::MAX), due);
            let first: Vec<_> = due.into_iter().take(2).collect();
            assert_eq!(state.due_panes(watermark, 2), first);
        }
    }
}

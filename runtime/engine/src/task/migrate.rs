//! The background sweep: values of another schema version go to the guest in small calls, until
//! there are none.
//!
//! Where there is nothing else to do the sweep goes on call by call, else it gets one call in
//! [`STEPS_BETWEEN`]. A deployment that is on trial is asked to migrate a few values of each version
//! before its first record, and its answers are thrown away: one that cannot is found out before it
//! has left a trace.

use std::collections::VecDeque;

use bytes::Bytes;
use pelton_batch::MigrateBuilder;
use pelton_core::{Domain, Error, Fault, FaultKind, Result};
use pelton_state::VersionSearch;

use super::Task;
use super::settle::Settled;
use crate::call::{Call, Work};
use crate::faults::{Decision, decide};
use crate::migrate::{MIGRATE_BYTES_MAX, MIGRATE_VALUES_MAX, OldValue, StoreKey};

/// Steps with records between two calls of the sweep.
const STEPS_BETWEEN: u32 = 16;

/// How far the sweep has come.
#[derive(Default)]
pub(crate) struct Sweep {
    /// Keys that were found, to be migrated next.
    queue: VecDeque<StoreKey>,
    /// The store that is searched for more, and how far.
    store: u16,
    search: VersionSearch,
    /// Steps since its last call.
    steps: u32,
    /// A record waits for what is in the queue.
    urgent: bool,
    /// On trial: stores and versions that have not been tried yet.
    rehearsals: VecDeque<(u16, u32)>,
}

/// What the sweep does in a step.
#[expect(clippy::large_enum_variant, reason = "lives on the stack, one at a time")]
pub(super) enum Swept {
    /// Nothing, for now or since all is migrated.
    Nothing,
    /// It has searched, and is to go on.
    Searching,
    /// It makes this call.
    Call(Call),
}

impl Task {
    /// Values in its stores that are of another schema version than the function declares: they are
    /// migrated when they are read, and in the background.
    #[must_use]
    pub fn unmigrated(&self) -> u64 {
        self.store_indexes().map(|store| self.state.unmigrated(store)).sum()
    }

    fn store_indexes(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.config.declaration.stores.len() as u16
    }

    /// Begins the trial of another deployment: what it has to be able to migrate.
    pub(super) fn plan_rehearsals(&mut self) {
        let versions = |store| self.state.other_versions(store).map(move |(v, _)| (store, v));
        let mut all: Vec<(u16, u32)> = self.store_indexes().flat_map(versions).collect();
        all.sort_unstable();
        self.sweep = Sweep { rehearsals: all.into(), ..Sweep::default() };
    }

    /// What the sweep does now. `idle` says that there is nothing else to do.
    pub(super) fn sweep(&mut self, idle: bool) -> Swept {
        if self.unmigrated() == 0 {
            return Swept::Nothing;
        }
        let sweep = &mut self.sweep;
        let rehearsing = self.trial.is_some();
        sweep.urgent &= !sweep.queue.is_empty();
        if rehearsing && sweep.rehearsals.is_empty() && sweep.queue.is_empty() {
            return Swept::Nothing;
        }
        sweep.steps += 1;
        if !(idle || rehearsing || sweep.urgent || sweep.steps > STEPS_BETWEEN) {
            return Swept::Nothing;
        }
        sweep.steps = 0;
        if sweep.queue.is_empty() {
            if rehearsing { self.find_rehearsal() } else { self.find_more() }
        }
        self.migrate_call().map_or(Swept::Searching, Swept::Call)
    }

    /// Fills the queue with the next values of another version.
    fn find_more(&mut self) {
        let (from, sweep) = (self.sweep.store, &mut self.sweep);
        let stores = self.config.declaration.stores.len() as u16;
        let mut all = (from..stores).chain(0..from.min(stores));
        let Some(store) = all.find(|store| self.state.unmigrated(*store) > 0) else { return };
        if store != from {
            (sweep.store, sweep.search) = (store, VersionSearch::default());
        }
        let declared = self.config.declaration.stores[usize::from(store)].schema;
        let keys = self.state.find_version(store, |v| v != declared, &mut sweep.search);
        sweep.queue.extend(keys.into_iter().map(|key| (store, key)));
    }

    /// Fills the queue with a few values of the next version that has not been tried.
    fn find_rehearsal(&mut self) {
        let sweep = &mut self.sweep;
        let Some((store, version)) = sweep.rehearsals.front().copied() else { return };
        let mut keys = self.state.find_version(store, |v| v == version, &mut sweep.search);
        keys.truncate(MIGRATE_VALUES_MAX);
        if !keys.is_empty() || self.state.other_versions(store).all(|(v, _)| v != version) {
            sweep.rehearsals.pop_front();
            sweep.search = VersionSearch::default();
        }
        sweep.queue.extend(keys.into_iter().map(|key| (store, key)));
    }

    /// The call for the first values of the queue that still are of another version.
    fn migrate_call(&mut self) -> Option<Call> {
        let (mut values, mut builder, mut bytes) = (Vec::new(), MigrateBuilder::new(), 0);
        while values.len() < self.migrate_limit.current() {
            let Some((store, key)) = self.sweep.queue.pop_front() else { break };
            let declaration = self.config.declaration.stores.get(usize::from(store));
            let (Some(entry), Some(declaration)) = (self.state.get(store, &key), declaration)
            else {
                continue;
            };
            if entry.schema == declaration.schema {
                continue;
            }
            bytes += key.len() + entry.value.len();
            if bytes > MIGRATE_BYTES_MAX && !values.is_empty() {
                self.sweep.queue.push_front((store, key));
                break;
            }
            builder.push(store, &key, entry.value, entry.schema);
            let (version, declared) = (entry.schema, declaration.schema);
            values.push(OldValue { store, key, version, declared, expires_ms: entry.expires_ms });
        }
        if values.is_empty() {
            return None;
        }
        let batches = vec![Bytes::from(builder.finish())];
        Some(Call { work: Work::Migrate(values), batches })
    }

    /// Has what the failed call has read of other versions migrated first, and answers whether there
    /// was any.
    pub(super) fn migrate_first(&mut self) -> bool {
        let old = self.old_reads.take();
        if old.is_empty() || self.trial.is_some() {
            return false;
        }
        self.sweep.queue = old.into();
        self.sweep.urgent = true;
        true
    }

    /// Decides what becomes of a call to migrate that failed. A value that cannot be migrated ends
    /// the trial, or stops the function: there is nothing that it could be left out of.
    pub(super) fn migration_failed(
        &mut self,
        values: &[OldValue],
        fault: &Fault,
    ) -> Result<Settled> {
        for value in values.iter().rev() {
            self.sweep.queue.push_front((value.store, value.key.clone()));
        }
        self.attempt += 1;
        match decide(fault, values.len(), self.attempt, &self.config.retry) {
            Decision::Shrink(fewer) => {
                self.attempt = 0;
                self.migrate_limit.shrink(fewer);
                Ok(Settled::Again)
            }
            Decision::Retry { .. }
                if fault.kind == FaultKind::Open && self.go_back(Some(fault))? =>
            {
                Ok(Settled::Again)
            }
            Decision::Retry { after_ms } => {
                Ok(Settled::Wait { until_ms: self.time.ms().saturating_add(after_ms) })
            }
            Decision::Poison => self.cannot_migrate(values, fault),
            Decision::Stop => self.cannot_run(fault),
        }
    }

    fn cannot_migrate(&mut self, values: &[OldValue], fault: &Fault) -> Result<Settled> {
        let stores = &self.config.declaration.stores;
        let what = values.first().map(|value| value.describe(stores)).unwrap_or_default();
        let message = format!("{what}: {}", fault.message);
        let named = Fault { message, ..fault.clone() };
        if self.go_back(Some(&named))? {
            return Ok(Settled::Again);
        }
        let text = format!(
            "{} stopped: {named}; deploy code that migrates this value too. Values that are migrated \
             already stay so: code to roll back to has to migrate them back",
            self.config.id
        );
        Err(Error::new("E-STATE-MIGRATE", Domain::Guest, text))
    }
}

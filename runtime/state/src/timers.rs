//! Timers: set, cancelled, due.

use std::collections::BTreeSet;

use pelton_batch::{OpKind, Operation};
use pelton_core::TimeDomain;

use crate::StateError;
use crate::changes::ChangeRow;
use crate::encoding;
use crate::slot::{Meta, Slot};
use crate::space::Change;
use crate::state::{TaskState, Timers, check_bytes};
use crate::stores::wrong;

/// A timer that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTimer {
    /// Index of the declared timer.
    pub target: u16,
    /// The key that it was set for.
    pub key: Option<Box<[u8]>>,
    /// The time that it was set to, ms.
    pub due: i64,
    /// The value that it was set with.
    pub value: Option<Box<[u8]>>,
}

/// Declared timers that are set, by (due, target, key), for each time domain.
#[derive(Debug, Default)]
pub(crate) struct DueIndex {
    event: BTreeSet<Box<[u8]>>,
    processing: BTreeSet<Box<[u8]>>,
    scratch: Vec<u8>,
}

impl DueIndex {
    fn of(&self, domain: TimeDomain) -> &BTreeSet<Box<[u8]>> {
        match domain {
            TimeDomain::Event => &self.event,
            TimeDomain::Processing => &self.processing,
        }
    }

    fn note(&mut self, domain: TimeDomain, key: &[u8], before: Option<i64>, after: Option<i64>) {
        let Self { event, processing, scratch } = self;
        let set = match domain {
            TimeDomain::Event => event,
            TimeDomain::Processing => processing,
        };
        let encode = |due: i64, out: &mut Vec<u8>| {
            out.clear();
            encoding::push_i64(out, due);
            out.extend_from_slice(key);
        };
        if let Some(due) = before {
            encode(due, scratch);
            set.remove(&**scratch);
        }
        if let Some(due) = after {
            encode(due, scratch);
            set.insert(scratch.as_slice().into());
        }
    }
}

/// A timer's key in its space: target, big endian, then the key.
fn timer_key(target: u16, key: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 + key.map_or(0, <[u8]>::len));
    out.extend_from_slice(&target.to_be_bytes());
    encoding::push_key(&mut out, key);
    out
}

impl Timers {
    /// Follows a change of a timer. One that is not declared is never due.
    pub(crate) fn index(&mut self, key: &[u8], change: Change) {
        let due = |meta: Option<Meta>| meta.map(|meta| meta.number);
        let (before, after) = (due(change.before), due(change.after));
        let target = encoding::split_u16(key).map_or(usize::MAX, |(target, _)| target.into());
        if before != after && target < self.declared {
            self.due.note(self.declarations[target].domain, key, before, after);
        }
    }
}

impl TaskState {
    fn check_timer(&self, op: &Operation<'_>) -> Result<(), StateError> {
        let declared = self.timers.declared;
        if (op.target as usize) < declared {
            return Ok(());
        }
        Err(StateError::UnknownTimer { target: op.target, declared })
    }

    /// Sets a guest's timer within the limits, and journals it.
    pub(crate) fn set_timer(&mut self, op: &Operation<'_>) -> Result<(), StateError> {
        self.write_timer(op, true)?;
        let row = ChangeRow {
            value: op.value,
            timestamp: op.timestamp,
            ..ChangeRow::new(OpKind::SetTimer, op.target, op.key)
        };
        self.changes.push(row);
        Ok(())
    }

    /// Sets a timer; with `limited`, sizes are checked.
    pub(crate) fn write_timer(
        &mut self,
        op: &Operation<'_>,
        limited: bool,
    ) -> Result<(), StateError> {
        self.check_timer(op)?;
        let due = op.timestamp.ok_or_else(|| wrong(op, "it has no time"))?;
        let key = timer_key(op.target, op.key);
        let value = op.value.unwrap_or_default();
        let (limits, total, count) = (&self.limits, self.bytes, self.timers.space.entries);
        let name = &self.timers.declarations[op.target as usize].name;
        let admit = |before: Option<Meta>| {
            if limited {
                let (key_length, length) = (op.key.map_or(0, <[u8]>::len), value.len());
                let key_is = || format!("a key of timer `{name}`");
                StateError::check(&limits.state_key_bytes, key_length as u64, key_is)?;
                let value_is = || format!("a value of timer `{name}`");
                StateError::check(&limits.state_value_bytes, length as u64, value_is)?;
                if before.is_none() {
                    StateError::check(&limits.timers, count + 1, || "timers of the task")?;
                }
                check_bytes(limits, total, &key, before, length)?;
            }
            Ok((due, u32::from(op.value.is_some())))
        };
        let change = self.timers.space.put(&mut self.undo, &key, value, admit)?;
        self.note(crate::TIMERS, &key, change);
        Ok(())
    }

    pub(crate) fn cancel_timer(&mut self, op: &Operation<'_>) -> Result<(), StateError> {
        self.check_timer(op)?;
        if self.unset_timer(op.target, op.key) {
            self.changes.push(ChangeRow::new(OpKind::CancelTimer, op.target, op.key));
        }
        Ok(())
    }

    /// Removes a timer, and tells whether it was set.
    pub(crate) fn unset_timer(&mut self, target: u16, key: Option<&[u8]>) -> bool {
        let key = timer_key(target, key);
        let Some(change) = self.timers.space.remove(&mut self.undo, &key) else { return false };
        self.note(crate::TIMERS, &key, change);
        true
    }

    /// When the earliest timer that follows this time is due, ms.
    #[must_use]
    pub fn next_timer(&self, domain: TimeDomain) -> Option<i64> {
        let first = self.timers.due.of(domain).first()?;
        Some(encoding::split_i64(first)?.0)
    }

    /// At most `max` timers that are due before `time` (exclusive: a timer at T fires once the time
    /// has passed T), by time, target and key. They stay set.
    #[must_use]
    pub fn due_timers(&self, domain: TimeDomain, time: i64, max: usize) -> Vec<DueTimer> {
        let entries = self.timers.due.of(domain).iter().filter_map(|entry| {
            let (due, timer) = encoding::split_i64(entry)?;
            let (target, key) = encoding::split_u16(timer)?;
            let key = encoding::read_key(key)?.map(Into::into);
            let slot = self.timers.space.layers.get(timer);
            let value = slot.filter(|slot| slot.tag == 1).map(Slot::bytes).map(Into::into);
            Some(DueTimer { target, key, due, value })
        });
        entries.take_while(|timer| timer.due < time).take(max).collect()
    }

    /// Removes a timer that fires. Where it has been set to another time meanwhile, it stays.
    /// Inside a call it can be taken back.
    pub fn remove_timer(&mut self, domain: TimeDomain, timer: &DueTimer) {
        let declared = self.timers.declarations.get(timer.target as usize);
        debug_assert!(declared.is_some_and(|declared| declared.domain == domain));
        let key = timer.key.as_deref();
        let set = self.timers.space.layers.meta(&timer_key(timer.target, key));
        if set.is_some_and(|set| set.number == timer.due) && self.unset_timer(timer.target, key) {
            self.changes.push(ChangeRow::new(OpKind::CancelTimer, timer.target, key));
        }
    }

    /// Number of timers that are set, undeclared ones included.
    #[must_use]
    pub fn timer_count(&self) -> usize {
        self.timers.space.entries as usize
    }
}

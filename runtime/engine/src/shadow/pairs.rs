//! Pairing what two versions did, by cause.

use std::sync::Arc;

use pelton_batch::FormatError;

use super::effects::{Cause, Effect, Effects, Vocabulary};
use super::tap::Heard;

/// Differences that are told of one commit; more are counted.
pub const TOLD_MAX: usize = 100;

/// In which way two versions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Both sent records, and not the same.
    Different,
    /// Only the running version sent any.
    OnlyOld,
    /// Only the shadow sent any.
    OnlyNew,
    /// The shadow failed where the running version did not.
    Fault,
}

/// A cause for which two versions did not do the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The cause.
    pub cause: Cause,
    /// In which way they differ.
    pub kind: DifferenceKind,
    /// What the running version did.
    pub old: Effect,
    /// What the shadow did.
    pub new: Effect,
}

/// How many records, windows and timers were compared, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Records, windows and timers.
    pub compared: u64,
    /// Those for which both sent records, and not the same.
    pub different: u64,
    /// Those for which only the running version sent any.
    pub only_old: u64,
    /// Those for which only the shadow sent any.
    pub only_new: u64,
    /// Those at which the shadow failed, and the running version did not.
    pub faults: u64,
    /// Those for which both sent the same, but changed state in another way.
    pub state: u64,
}

impl Tally {
    /// Those for which both sent the same.
    #[must_use]
    pub fn equal(&self) -> u64 {
        let Self { compared, different, only_old, only_new, faults, .. } = self;
        compared.saturating_sub(different + only_old + only_new + faults)
    }

    /// Adds what `other` has counted.
    pub fn add(&mut self, other: &Self) {
        self.compared += other.compared;
        self.different += other.different;
        self.only_old += other.only_old;
        self.only_new += other.only_new;
        self.faults += other.faults;
        self.state += other.state;
    }
}

/// What waits for its counterpart, and what has been found.
pub(crate) struct Pairs {
    old_names: Vocabulary,
    new_names: Vocabulary,
    old: Effects,
    new: Effects,
    pub(crate) tally: Tally,
    pub(crate) told: Vec<Difference>,
}

impl Pairs {
    pub(crate) fn new(old_names: Vocabulary, new_names: Vocabulary) -> Self {
        let (old, new) = Default::default();
        Self { old_names, new_names, old, new, tally: Tally::default(), told: Vec::new() }
    }

    /// Takes what both did in the same commit. Where it is the same to the byte, nobody looks closer.
    pub(crate) fn add(
        &mut self,
        old: &[Arc<Heard>],
        new: &[Arc<Heard>],
    ) -> Result<(), FormatError> {
        self.tally.compared += old.iter().map(|heard| compared(heard)).sum::<u64>();
        if self.old_names == self.new_names && same(old, new) {
            return Ok(());
        }
        old.iter().try_for_each(|heard| self.old_names.gather(heard, &mut self.old))?;
        new.iter().try_for_each(|heard| self.new_names.gather(heard, &mut self.new))
    }

    /// Judges all causes for which both have done what they do. With `all` that is everything;
    /// otherwise windows and timers that have fired on one side only wait for the other.
    pub(crate) fn settle(&mut self, all: bool) {
        let mut new = std::mem::take(&mut self.new);
        for (cause, old) in std::mem::take(&mut self.old) {
            match new.remove(&cause) {
                None if !all && fires(&cause) => drop(self.old.insert(cause, old)),
                other => self.judge(cause, old, other.unwrap_or_default()),
            }
        }
        for (cause, effect) in new {
            if !all && fires(&cause) {
                self.new.insert(cause, effect);
            } else {
                // The running version did not even count it, where it fired nothing there.
                self.tally.compared += u64::from(fires(&cause) && !effect.emitted.is_empty());
                self.judge(cause, Effect::default(), effect);
            }
        }
    }

    fn judge(&mut self, cause: Cause, old: Effect, new: Effect) {
        let failed = new.fault.is_some() && old.fault.is_none();
        let tally = &mut self.tally;
        let kind = if failed {
            tally.faults += 1;
            DifferenceKind::Fault
        } else if old.emitted == new.emitted {
            let differs = old.state != new.state || old.fault.is_some() != new.fault.is_some();
            tally.state += u64::from(differs);
            return;
        } else if new.emitted.is_empty() {
            tally.only_old += 1;
            DifferenceKind::OnlyOld
        } else if old.emitted.is_empty() {
            tally.only_new += 1;
            DifferenceKind::OnlyNew
        } else {
            tally.different += 1;
            DifferenceKind::Different
        };
        if self.told.len() < TOLD_MAX {
            self.told.push(Difference { cause, kind, old, new });
        }
    }
}

fn fires(cause: &Cause) -> bool {
    matches!(cause, Cause::Window { adding: false, .. } | Cause::Timer { .. })
}

/// Records, windows or timers of a call.
fn compared(heard: &Heard) -> u64 {
    heard.work.units() as u64
}

fn same(old: &[Arc<Heard>], new: &[Arc<Heard>]) -> bool {
    let equal = |(old, new): (&Arc<Heard>, &Arc<Heard>)| {
        let failed = old.fault.is_some() || new.fault.is_some();
        !failed && old.batches == new.batches && old.answers == new.answers
    };
    old.len() == new.len() && old.iter().zip(new).all(equal)
}

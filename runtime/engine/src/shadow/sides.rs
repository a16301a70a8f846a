//! Which version of a canary has answered what.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pelton_batch::FormatError;

use super::effects::{CallView, Cause, Vocabulary};
use super::tap::Heard;
use crate::call::{RowIndex, Work};
use crate::slice::Slice;

/// By cause, whether the new version has answered it. Nothing is in it where there was no canary.
#[derive(Debug, Default)]
pub(super) struct Sides {
    causes: BTreeMap<Cause, bool>,
    /// Of records that were added to windows: a key is on one side, with all its windows.
    keys: BTreeMap<Option<Bytes>, bool>,
}

impl Sides {
    pub(super) fn of(&self, cause: &Cause) -> Option<bool> {
        let by_key = || match cause {
            Cause::Record { key, .. } => self.keys.get(key).copied(),
            _ => None,
        };
        self.causes.get(cause).copied().or_else(by_key)
    }
}

impl Vocabulary {
    /// Which version has answered what of a call.
    pub(super) fn sides(&self, heard: &Heard) -> Result<Sides, FormatError> {
        let mut sides = Sides::default();
        let Some(new) = &heard.canary else { return Ok(sides) };
        let new: BTreeSet<u32> = new.iter().copied().collect();
        let empty = Slice::default();
        let rows = RowIndex::new(heard.work.plan().map_or(&empty, |plan| &plan.slice))?;
        let call = CallView { names: self, heard, rows: &rows, groups: None };
        let units = match &heard.work {
            Work::Accumulate(_, groups) => groups.len(),
            work => work.units(),
        };
        for unit in 0..units {
            let Some(cause) = call.cause(unit) else { continue };
            let is_new = new.contains(&(unit as u32));
            if let Cause::Window { key, adding: true, .. } = &cause {
                sides.keys.insert(key.clone(), is_new);
            }
            sides.causes.insert(cause, is_new);
        }
        Ok(sides)
    }
}

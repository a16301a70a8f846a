//! Grouping the records of a slice by window and key.

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use pelton_batch::{FormatError, Group, Kind, Pane};
use pelton_core::Declaration;
use pelton_core::window::Window;
use pelton_state::{PaneRef, TaskState};
use std::hash::BuildHasher;

use super::contents;
use super::merge::Merged;
use crate::call::{Call, PaneGroup, RowIndex, Work};
use crate::plan::Plan;
use crate::scratch::Scratch;

/// Panes that are looked up before their values are copied, so that the processor waits for the
/// memory of several at once.
const LOOKUPS: usize = 16;

/// Groups in the order of their first record, and for each assignment of the plan its group.
pub(super) struct Grouping<'a> {
    pub(super) groups: Vec<Members<'a>>,
    of_assignment: Vec<u32>,
}

/// A window and key, and what belongs to it.
pub(super) struct Members<'a> {
    pub(super) window: Window,
    pub(super) key: Option<&'a [u8]>,
    /// The first row.
    first: u32,
    /// Number of rows.
    records: u64,
    /// The panes that it grows from, where it is a session.
    pub(super) sources: &'a [Window],
}

impl Members<'_> {
    /// The pane that its records are added to, where there is one; `merged` is what several have
    /// become.
    fn pane<'a>(
        &self,
        state: &'a TaskState,
        merged: Option<&'a Option<Bytes>>,
    ) -> Option<PaneRef<'a>> {
        match self.sources {
            [] => state.pane(self.window, self.key),
            [source] => state.pane(*source, self.key),
            several => {
                let value = merged?.as_deref()?;
                let panes = several.iter().filter_map(|source| state.pane(*source, self.key));
                panes.max_by_key(|pane| pane.fired).map(|pane| PaneRef { value, ..pane })
            }
        }
    }
}

pub(super) fn group<'a>(plan: &'a Plan, rows: &RowIndex<'a>) -> Grouping<'a> {
    let hasher = FixedState::with_seed(0x7065_6c74_6f6e);
    let mut table: HashTable<u32> = HashTable::with_capacity(plan.assigned.len());
    let mut groups: Vec<Members<'a>> = Vec::new();
    let mut of_assignment = Vec::with_capacity(plan.assigned.len());
    for (row, window) in &plan.assigned {
        let key = rows.get(*row as usize).and_then(|(records, at)| records.key(at));
        let hash = hasher.hash_one((window.end, key));
        let same = |index: &u32| {
            let group = &groups[*index as usize];
            group.window == *window && group.key == key
        };
        let index = match table.find(hash, same) {
            Some(index) => *index,
            None => {
                let index = groups.len() as u32;
                let sources = plan.sources.get(groups.len()).map_or(&[][..], Vec::as_slice);
                groups.push(Members { window: *window, key, first: *row, records: 0, sources });
                table.insert_unique(hash, index, |index| {
                    let group = &groups[*index as usize];
                    hasher.hash_one((group.window.end, group.key))
                });
                index
            }
        };
        groups[index as usize].records += 1;
        of_assignment.push(index);
    }
    Grouping { groups, of_assignment }
}

impl Grouping<'_> {
    /// Assigned rows, group by group, each group's in order: a counting sort.
    fn members(&self, plan: &Plan) -> Vec<u32> {
        let mut at: Vec<u32> = Vec::with_capacity(self.groups.len());
        let mut sum = 0;
        for group in &self.groups {
            at.push(sum);
            sum += group.records as u32;
        }
        let mut members = vec![0; plan.assigned.len()];
        for ((row, _), group) in plan.assigned.iter().zip(&self.of_assignment) {
            let slot = &mut at[*group as usize];
            members[*slot as usize] = *row;
            *slot += 1;
        }
        members
    }

    /// The groups with keys of their own: slices of the fetched batches, not copies.
    pub(super) fn pane_groups(&self, plan: &Plan) -> Vec<PaneGroup> {
        let shared = |group: &Members<'_>| {
            let (piece, _) = plan.slice.locate(group.first as usize)?;
            Some(piece.fetch.batch.slice_ref(group.key?))
        };
        let groups = self.groups.iter();
        groups
            .map(|group| PaneGroup {
                window: group.window,
                key: shared(group),
                time: group.window.end.saturating_sub(1),
                records: group.records,
                sources: group.sources.to_vec(),
                slides: plan.slides,
                merged: None,
            })
            .collect()
    }
}

/// The call that adds the records of a plan to their accumulators; `merged` are those that sessions
/// grow from which have met. A plan without any assigned record calls nobody: it has no batch.
pub(crate) fn accumulate_call(
    plan: Plan,
    state: &TaskState,
    declared: &Declaration,
    scratch: &mut Scratch,
    merged: Merged,
) -> Result<Call, FormatError> {
    let rows = RowIndex::new(&plan.slice)?;
    let grouping = group(&plan, &rows);
    let mut buffer = scratch.buffer();
    let builder = &mut scratch.groups;
    builder.clear();
    plan.slice.copy_into(builder.records(), declared)?;
    let members = grouping.members(&plan);
    let mut members = members.iter();
    let mut panes = [None; LOOKUPS];
    for (chunk, groups) in grouping.groups.chunks(LOOKUPS).enumerate() {
        for (at, (pane, members)) in panes.iter_mut().zip(groups).enumerate() {
            *pane = members.pane(state, merged.get(&(chunk * LOOKUPS + at)));
        }
        for (pane, Members { window, key, records, .. }) in panes.iter().zip(groups) {
            members.by_ref().take(*records as usize).for_each(|row| builder.member(*row));
            builder.group(&Group {
                index: 0,
                key: *key,
                start: window.start,
                end: window.end,
                pane: Pane::new(pane.as_ref().map_or(0, |pane| pane.fired), 0),
                accumulator: pane.and_then(|pane| pane.accumulator()),
            });
        }
    }
    let mut groups = grouping.pane_groups(&plan);
    for (at, value) in &merged {
        groups[*at].merged.clone_from(value);
    }
    let batches = match groups.is_empty() {
        true => Vec::new(),
        false => {
            builder.finish_into(Kind::Accumulate, &mut buffer);
            vec![Bytes::from(buffer)]
        }
    };
    drop(rows);
    Ok(Call { work: Work::Accumulate(plan, groups), batches })
}

/// The work that keeps the records of a plan in the contents of their windows.
pub(crate) fn collect_call(plan: Plan) -> Result<Call, FormatError> {
    let rows = RowIndex::new(&plan.slice)?;
    let grouping = group(&plan, &rows);
    let mut bytes = vec![Vec::new(); grouping.groups.len()];
    for ((row, _), group) in plan.assigned.iter().zip(&grouping.of_assignment) {
        if let Some((records, at)) = rows.get(*row as usize) {
            contents::encode(records, at, &mut bytes[*group as usize]);
        }
    }
    let groups = grouping.pane_groups(&plan);
    drop(rows);
    Ok(Call { work: Work::Collect(plan, groups, bytes), batches: Vec::new() })
}

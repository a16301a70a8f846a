//! Sessions that have met: what they held becomes one.

use std::collections::BTreeMap;

use bytes::Bytes;
use pelton_batch::{Batch, FormatError, Group, GroupsBuilder, Kind, OpKind, Pane};
use pelton_core::{Fault, FaultKind};
use pelton_state::{StateError, TaskState};

use super::group::group;
use crate::call::{Call, PaneGroup, RowIndex, Work};
use crate::plan::Plan;

/// What the guest made of several accumulators, by the index of their group among all groups of the
/// plan; `None` where it keeps nothing.
pub(crate) type Merged = BTreeMap<usize, Option<Bytes>>;

/// The call that merges the accumulators of the sessions that have met: each group carries that of the
/// earliest, its members are the others.
pub(crate) fn merge_call(plan: Plan, state: &TaskState) -> Result<Call, FormatError> {
    let rows = RowIndex::new(&plan.slice)?;
    let grouping = group(&plan, &rows);
    let mut builder = GroupsBuilder::in_order();
    for members in grouping.groups.iter().filter(|members| members.sources.len() > 1) {
        let mut panes =
            members.sources.iter().filter_map(|source| state.pane(*source, members.key));
        let first = panes.next();
        for other in panes {
            builder.records().push(members.key, Some(other.value), members.window.end - 1);
        }
        builder.group(&Group {
            index: 0,
            key: members.key,
            start: members.window.start,
            end: members.window.end,
            pane: Pane::new(first.as_ref().map_or(0, |pane| pane.fired), 0),
            accumulator: first.map(|pane| pane.value),
        });
    }
    let groups = grouping.pane_groups(&plan);
    let batches = vec![Bytes::from(builder.finish(Kind::Merge))];
    drop(rows);
    Ok(Call { work: Work::Merge(plan, groups), batches })
}

/// What the guest has made of the accumulators of a merge call.
///
/// # Errors
/// An answer that is malformed, or has anything but accumulators.
pub(crate) fn merged_values(groups: &[PaneGroup], answer: &[u8]) -> Result<Merged, Fault> {
    let malformed = |error: FormatError| Fault::new(FaultKind::Malformed, error.to_string());
    let batch = Batch::parse(answer).map_err(malformed)?;
    batch.validate().map_err(malformed)?;
    let merging = || groups.iter().enumerate().filter(|(_, group)| group.sources.len() > 1);
    let mut merged: Merged = merging().map(|(at, _)| (at, None)).collect();
    for operation in batch.operations().map_err(malformed)?.iter() {
        let at = merging().nth(operation.cause as usize).map(|(at, _)| at);
        let (OpKind::Accumulator, Some(at)) = (operation.kind, at) else {
            let text = format!(
                "operation {} ({:?}, cause {}): a merge answers an accumulator for each of its {} \
                 groups",
                operation.row,
                operation.kind,
                operation.cause,
                merged.len()
            );
            return Err(Fault::new(FaultKind::UnknownTarget, text));
        };
        merged.insert(at, operation.value.map(Bytes::copy_from_slice));
    }
    Ok(merged)
}

/// Moves the panes that the sessions of `groups` grow from to the windows that those have now; those
/// that sliding windows grow from are copied.
/// `contents`: whether panes hold records, which are kept one behind the other where panes meet.
///
/// # Errors
/// The limits of panes and state.
pub(crate) fn join_panes(
    groups: &[PaneGroup],
    contents: bool,
    state: &mut TaskState,
) -> Result<(), StateError> {
    for PaneGroup { window, key, sources, slides, merged, .. } in groups {
        let key = key.as_deref();
        match (&sources[..], merged) {
            ([], _) => {}
            ([source], _) if *slides && source == window => {}
            ([source], _) if *slides => state.copy_pane(Some(*source), *window, key)?,
            ([source], _) => state.move_pane(*source, *window, key)?,
            (several, None) if !contents => {
                several.iter().for_each(|source| state.remove_pane(*source, key));
            }
            (several, value) => state.merge_panes(several, *window, key, value.as_deref())?,
        }
    }
    Ok(())
}

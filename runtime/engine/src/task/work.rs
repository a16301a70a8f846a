//! What a call came to, applied to state and outputs.

use bytes::Bytes;
use pelton_batch::{Batch, FormatError, Records};
use pelton_core::{Fault, FaultKind};
use pelton_state::TaskState;

use crate::apply::{Applied, Applying};
use crate::call::{Call, RowIndex, Work};
use crate::config::TaskConfig;
use crate::dead_letters::give_up;
use crate::environment::state_fault;
use crate::migrate;
use crate::outputs::{Outputs, Target};
use crate::slice::Slice;
use crate::windows;

/// Applies what the host does by itself (late and unkeyed records, contents) and then each answer.
pub(super) fn apply_all(
    call: &Call,
    answers: &[Vec<u8>],
    config: &TaskConfig,
    state: &mut TaskState,
    outputs: &mut Outputs,
    watermark: i64,
) -> Result<Applied, Fault> {
    let broken = |error| Fault::new(FaultKind::Host, format!("an input batch: {error}"));
    let empty = Slice::default();
    let slice = call.work.plan().map_or(&empty, |plan| &plan.slice);
    let rows = RowIndex::new(slice).map_err(broken)?;
    let unkeyed = apply_host(call, &rows, config, state, outputs)?;
    let mut total = (unkeyed, Vec::new());
    for (batch, answer) in call.batches.iter().zip(answers) {
        if let Work::Migrate(values) = &call.work {
            return migrate::apply(values, answer, config, state);
        }
        let contents = match &call.work {
            Work::Fire { .. } => Some(records_of(batch).map_err(broken)?),
            _ => None,
        };
        let applying = Applying { config, work: &call.work, rows: &rows, contents };
        match applying.apply(answer, state, outputs)? {
            Applied::Done { rejected, fire } => {
                total.0 += rejected;
                total.1.extend(fire);
            }
            other => return Ok(other),
        }
    }
    if let (Work::Fire { panes, why, .. }, Some(spec)) = (&call.work, &config.declaration.window) {
        windows::fired(panes, state, spec, watermark, *why).map_err(state_fault)?;
    }
    if let Work::Timers(domain, timers) = &call.work {
        timers.iter().for_each(|timer| state.remove_timer(*domain, timer));
    }
    Ok(Applied::Done { rejected: total.0, fire: total.1 })
}

fn records_of(batch: &Bytes) -> Result<Records<'_>, FormatError> {
    Batch::parse(batch)?.records()
}

/// What needs no guest: records without a time or a key, late records, contents of windows. Answers
/// how many records it gave up.
fn apply_host(
    call: &Call,
    rows: &RowIndex<'_>,
    config: &TaskConfig,
    state: &mut TaskState,
    outputs: &mut Outputs,
) -> Result<u64, Fault> {
    let Some(plan) = call.work.plan() else { return Ok(0) };
    if plan.untimed {
        return give_up_untimed(&plan.slice, rows, config, outputs);
    }
    let Some(spec) = &config.declaration.window else { return Ok(0) };
    if let Some(target) = spec.late_output {
        for row in &plan.late {
            if let Some((records, at)) = rows.get(*row as usize) {
                outputs.forward(Target::Output(target), records, at, None)?;
            }
        }
    }
    let text = "the record has no key, but the function groups by key";
    let unkeyed = Fault::new(FaultKind::Failure, text);
    for unit in plan.unkeyed.iter().filter_map(|row| rows.unit(*row as usize)) {
        give_up(&unit, &unkeyed, config, outputs)?;
    }
    for copied in &plan.copied {
        let key = rows.get(copied.row as usize).and_then(|(records, at)| records.key(at));
        state.copy_pane(copied.from, copied.to, key).map_err(state_fault)?;
    }
    let contents = matches!(call.work, Work::Collect(..));
    windows::join_panes(call.work.groups(), contents, state).map_err(state_fault)?;
    if let Work::Collect(_, groups, contents) = &call.work {
        for (group, bytes) in groups.iter().zip(contents) {
            let key = group.key.as_deref();
            state.append_pane(group.window, key, bytes, group.records).map_err(state_fault)?;
        }
    }
    Ok(plan.unkeyed.len() as u64)
}

fn give_up_untimed(
    slice: &Slice,
    rows: &RowIndex<'_>,
    config: &TaskConfig,
    outputs: &mut Outputs,
) -> Result<u64, Fault> {
    for row in 0..rows.len() {
        let Some((unit, why)) = rows.unit(row).zip(slice.untimed(row)) else { continue };
        give_up(&unit, &Fault::new(FaultKind::EventTime, why), config, outputs)?;
    }
    Ok(rows.len() as u64)
}

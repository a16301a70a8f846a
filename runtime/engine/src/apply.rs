//! What a guest's operations do to state and outputs.

use std::ops::Range;

use pelton_batch::{Batch, FormatError, OpKind, Operation, Operations};
use pelton_core::{Fault, FaultKind};
use pelton_state::TaskState;

use crate::call::{RowIndex, Unit, Work};
use crate::config::{OnPoison, TaskConfig};
use crate::dead_letters;
use crate::due;
use crate::environment::state_fault;
use crate::outputs::{Outgoing, Outputs, Target};

/// Emits in a row from which on they are sent column by column.
const RUN_MIN: usize = 4;

/// What came of a list of operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It is applied. `rejected` units are dead letters; these groups are to fire at once.
    Done { rejected: u64, fire: Vec<usize> },
    /// Nothing may stay applied: the call is to be made again with this many units.
    Cut(usize),
    /// Nothing may stay applied: the same call is to be made again after this many ms.
    Retry { after_ms: i64 },
}

/// A call whose answer is applied.
pub(crate) struct Applying<'a> {
    pub(crate) config: &'a TaskConfig,
    pub(crate) work: &'a Work,
    /// The records that causes name: those of the slice, or of a window's contents.
    pub(crate) rows: &'a RowIndex<'a>,
    /// The records of the batch that the guest was given, where it was given a window's contents.
    pub(crate) contents: Option<pelton_batch::Records<'a>>,
}

pub(crate) fn malformed(error: FormatError) -> Fault {
    Fault::new(FaultKind::Malformed, format!("the function's answer: {error}"))
}

pub(crate) fn check_size(operations: &Operations<'_>, config: &TaskConfig) -> Result<(), Fault> {
    let limit = config.limits.output_records;
    limit
        .check(operations.len() as u64, "the operations of one call")
        .map_err(|error| Fault::new(FaultKind::OutputSize, error.to_string()))
}

impl Applying<'_> {
    /// Applies the answer `bytes`. State changes go into the open call of `state`.
    ///
    /// # Errors
    /// A fault of the guest, which leaves state and outputs for the caller to take back.
    pub(crate) fn apply(
        &self,
        bytes: &[u8],
        state: &mut TaskState,
        outputs: &mut Outputs,
    ) -> Result<Applied, Fault> {
        let batch = Batch::parse(bytes).map_err(malformed)?;
        batch.validate().map_err(malformed)?;
        let operations = batch.operations().map_err(malformed)?;
        check_size(&operations, self.config)?;
        if let (Some(causes), Work::Records(_)) = (operations.plain_forwards(), self.work) {
            self.forward_all(causes.iter(), operations.len(), outputs)?;
            return Ok(Applied::Done { rejected: 0, fire: Vec::new() });
        }
        if let Some(again) = self.must_call_again(&operations)? {
            return Ok(again);
        }
        let (mut rejected, mut fire) = (0, Vec::new());
        let mut rest = 0..operations.len();
        while let Some(first) = rest.next() {
            let emits = first..first + operations.plain_emits(first).max(1);
            rest.start = emits.end;
            if emits.len() >= RUN_MIN && self.send_run(&operations, emits.clone(), outputs)? {
                continue;
            }
            for operation in emits.map(|row| operations.get(row)) {
                match operation.kind {
                    OpKind::Reject => {
                        self.reject(&operation, outputs)?;
                        rejected += 1;
                    }
                    OpKind::FireWindow => fire.push(self.group_index(&operation)?),
                    _ => self.one(&operation, &operations, state, outputs)?,
                }
            }
        }
        Ok(Applied::Done { rejected, fire })
    }

    /// Sends a run of emits to one output column by column, where that can be done. Answers whether
    /// it was.
    fn send_run(
        &self,
        operations: &Operations<'_>,
        rows: Range<usize>,
        outputs: &mut Outputs,
    ) -> Result<bool, Fault> {
        let time = |row: usize| {
            let inherited = self.time_of(operations.cause(row) as usize)?;
            Ok(operations.timestamp(row).unwrap_or(inherited))
        };
        let times: Vec<i64> = rows.clone().map(time).collect::<Result<_, Fault>>()?;
        let target = Target::Output(operations.target(rows.start));
        outputs.send_range(target, operations, rows, &times)
    }

    /// A filter's answer: forwards only, in runs of neighbours.
    fn forward_all(
        &self,
        causes: impl Iterator<Item = u32>,
        count: usize,
        outputs: &mut Outputs,
    ) -> Result<(), Fault> {
        let target = Target::Output(0);
        let mut causes = causes.map(|cause| cause as usize).peekable();
        if count == self.rows.len()
            && let Some(plan) = self.work.plan()
            && let Some(fetch) = plan.slice.whole()
            && let Some((records, _)) = self.rows.get(0)
        {
            let causes: Vec<usize> = causes.collect();
            if causes.iter().copied().eq(0..count) {
                let newest = records.iter().map(|record| record.timestamp()).max();
                if outputs.forward_whole(target, fetch, newest.unwrap_or(i64::MIN)) {
                    return Ok(());
                }
            }
            return self.forward_runs(&mut causes.into_iter().peekable(), outputs);
        }
        self.forward_runs(&mut causes, outputs)
    }

    fn forward_runs(
        &self,
        causes: &mut std::iter::Peekable<impl Iterator<Item = usize>>,
        outputs: &mut Outputs,
    ) -> Result<(), Fault> {
        while let Some(first) = causes.next() {
            let (records, at) = self.rows.get(first).ok_or_else(|| self.no_cause(first))?;
            let end = self.rows.run_end(first);
            let mut next = first + 1;
            while next < end && causes.next_if_eq(&next).is_some() {
                next += 1;
            }
            outputs.forward_range(Target::Output(0), records, at..at + next - first)?;
        }
        Ok(())
    }

    fn no_cause(&self, cause: usize) -> Fault {
        let units = self.work.units();
        let text = format!("an operation names cause {cause}, but the call has {units}");
        Fault::new(FaultKind::UnknownTarget, text)
    }

    /// Whether the call has to be made again: a retry, something that becomes due in the middle, a
    /// window that is to fire or be purged before the last record, a rejection that halts.
    fn must_call_again(&self, operations: &Operations<'_>) -> Result<Option<Applied>, Fault> {
        let units = self.work.units();
        let mut keep = units;
        let kinds = operations.kinds();
        let calls = [OpKind::Retry, OpKind::Reject, OpKind::FireWindow, OpKind::PurgeWindow];
        let accumulates = matches!(self.work, Work::Accumulate(..));
        let looked_at =
            if calls.iter().any(|kind| kinds.has(*kind)) { operations.len() } else { 0 };
        for operation in (0..looked_at).map(|row| operations.get(row)) {
            let cause = operation.cause as usize;
            match operation.kind {
                OpKind::Retry if cause == 0 || units == 1 => {
                    return Ok(Some(Applied::Retry { after_ms: operation.ttl.max(0) }));
                }
                OpKind::Retry => keep = keep.min(cause),
                OpKind::Reject if self.config.on_poison == OnPoison::Halt && cause > 0 => {
                    keep = keep.min(cause);
                }
                OpKind::FireWindow if units > 1 => keep = keep.min(units / 2),
                OpKind::PurgeWindow if units > 1 && accumulates => keep = keep.min(units / 2),
                _ => {}
            }
        }
        let writes = kinds.has(OpKind::Put) || kinds.has(OpKind::Append);
        let lives = writes && self.config.store_ttls.iter().any(|ttl| *ttl > 0);
        let timed = kinds.has(OpKind::SetTimer) || operations.has_ttl() || lives;
        if let Some(plan) = self.work.plan().filter(|_| timed) {
            let cut = due::cut(operations, self.config, &plan.watermarks, self.rows);
            keep = keep.min(cut.unwrap_or(units));
        }
        Ok((keep < units).then_some(Applied::Cut(keep.max(1))))
    }

    fn group_index(&self, operation: &Operation<'_>) -> Result<usize, Fault> {
        let cause = operation.cause as usize;
        if cause < self.work.groups().len() {
            return Ok(cause);
        }
        let groups = self.work.groups().len();
        let text = format!(
            "operation {} ({:?}) names group {cause}, but the call has {groups} groups",
            operation.row, operation.kind
        );
        Err(Fault::new(FaultKind::UnknownTarget, text))
    }

    fn reject(&self, operation: &Operation<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let reason = String::from_utf8_lossy(operation.value.unwrap_or(b"rejected"));
        let fault = Fault::new(FaultKind::Failure, reason);
        let cause = operation.cause as usize;
        match self.work {
            Work::Fire { panes, .. } => {
                let group = panes.get(cause).ok_or_else(|| self.no_cause(cause))?;
                let key = group.key.as_deref();
                let (window, time) = (group.window, group.time);
                let unit = Unit::Group { window, time, key, value: None };
                dead_letters::give_up(&unit, &fault, self.config, outputs)
            }
            Work::Timers(_, timers) => {
                let timer = timers.get(cause).ok_or_else(|| self.no_cause(cause))?;
                dead_letters::give_up(&Unit::Timer(timer), &fault, self.config, outputs)
            }
            _ => {
                let unit = self.rows.unit(cause).ok_or_else(|| self.no_cause(cause))?;
                dead_letters::give_up(&unit, &fault, self.config, outputs)
            }
        }
    }

    /// The time that an operation inherits from its cause.
    fn time_of(&self, cause: usize) -> Result<i64, Fault> {
        let time = match self.work {
            Work::Fire { panes, .. } => panes.get(cause).map(|pane| pane.time),
            Work::Timers(_, timers) => timers.get(cause).map(|timer| timer.due),
            _ => self.rows.get(cause).map(|(records, row)| records.timestamp(row)),
        };
        time.ok_or_else(|| self.no_cause(cause))
    }

    fn one(
        &self,
        operation: &Operation<'_>,
        operations: &Operations<'_>,
        state: &mut TaskState,
        outputs: &mut Outputs,
    ) -> Result<(), Fault> {
        let cause = operation.cause as usize;
        let target = Target::Output(operation.target);
        match operation.kind {
            OpKind::Forward => match (&self.contents, self.rows.get(cause)) {
                (Some(contents), _) if cause < contents.len() => {
                    outputs.forward(target, contents, cause, operation.partition)
                }
                (None, Some((records, row))) => {
                    outputs.forward(target, records, row, operation.partition)
                }
                _ => Err(self.no_cause(cause)),
            },
            OpKind::Emit => {
                let inherited = self.time_of(cause)?;
                let timestamp = operation.timestamp.unwrap_or(inherited);
                let Operation { key, value, partition, .. } = *operation;
                let record = Outgoing { key, value, timestamp, partition };
                outputs.send(target, record, operations.headers(operation.row))
            }
            // An append that names no time to live, nor its store, keeps that of the key.
            OpKind::Put | OpKind::Append => {
                self.check_store(operation)?;
                let (time, ttl) = (self.time_of(cause)?, self.config.ttl_of(operation));
                let expires = (ttl > 0).then(|| due::expires_at(time, ttl));
                state.apply(operation, expires).map_err(state_fault)
            }
            OpKind::Delete | OpKind::DeletePrefix => {
                self.check_store(operation)?;
                self.time_of(cause)?;
                state.apply(operation, None).map_err(state_fault)
            }
            OpKind::SetTimer | OpKind::CancelTimer => {
                self.check_timer(operation)?;
                self.time_of(cause)?;
                state.apply(operation, None).map_err(state_fault)
            }
            OpKind::Accumulator => self.accumulate(operation, state),
            OpKind::PurgeWindow => {
                let group = &self.work.groups()[self.group_index(operation)?];
                state.remove_pane(group.window, group.key.as_deref());
                Ok(())
            }
            OpKind::MovePane => {
                let text = format!("operation {} (MovePane) is not for guests", operation.row);
                Err(Fault::new(FaultKind::Malformed, text))
            }
            OpKind::Time => {
                let row = operation.row;
                let text = format!("operation {row} (Time) in a call that asks for no event time");
                Err(Fault::new(FaultKind::Malformed, text))
            }
            OpKind::Reject | OpKind::Retry | OpKind::FireWindow => Ok(()),
        }
    }

    fn accumulate(&self, operation: &Operation<'_>, state: &mut TaskState) -> Result<(), Fault> {
        if !matches!(self.work, Work::Accumulate(..)) {
            let text = "an accumulator in a call that does not accumulate";
            return Err(Fault::new(FaultKind::UnknownTarget, text));
        }
        let group = &self.work.groups()[self.group_index(operation)?];
        let Some(value) = operation.value else {
            state.remove_pane(group.window, group.key.as_deref());
            return Ok(());
        };
        state
            .put_pane(group.window, group.key.as_deref(), value, group.records)
            .map_err(state_fault)
    }

    fn check_store(&self, operation: &Operation<'_>) -> Result<(), Fault> {
        let stores = &self.config.declaration.stores;
        self.check_declared(operation, "store", stores.len())
    }

    fn check_timer(&self, operation: &Operation<'_>) -> Result<(), Fault> {
        self.check_declared(operation, "timer", self.config.declaration.timers.len())?;
        if operation.kind == OpKind::SetTimer && operation.timestamp.is_none() {
            let text = format!("operation {} sets a timer without a time", operation.row);
            return Err(Fault::new(FaultKind::Malformed, text));
        }
        Ok(())
    }

    fn check_declared(
        &self,
        operation: &Operation<'_>,
        what: &str,
        declared: usize,
    ) -> Result<(), Fault> {
        if usize::from(operation.target) < declared {
            return Ok(());
        }
        let text = format!(
            "operation {} ({:?}) names {what} {}, but the function declared {declared}",
            operation.row, operation.kind, operation.target
        );
        Err(Fault::new(FaultKind::UnknownTarget, text))
    }
}

//! Merging what two versions have answered to the parts of a batch.

use pelton_batch::{Batch, FormatError, Kind, OpKind, Operation, Operations, OperationsBuilder};
use pelton_core::{Declaration, Fault, FaultKind};

use super::split::Part;

/// An answer that can be applied: valid, and with targets that there are.
pub(super) fn check<'a>(
    answer: &'a [u8],
    part: &Part,
    declared: &Declaration,
) -> Result<Operations<'a>, Fault> {
    let malformed = |error: FormatError| {
        Fault::new(FaultKind::Malformed, format!("the function's answer: {error}"))
    };
    let batch = Batch::parse(answer).map_err(malformed)?;
    batch.validate().map_err(malformed)?;
    let operations = batch.operations().map_err(malformed)?;
    let (outputs, stores) = (declared.outputs.len(), declared.stores.len());
    for operation in operations.iter() {
        let known = match operation.kind {
            OpKind::Forward | OpKind::Emit => outputs,
            OpKind::Put | OpKind::Delete | OpKind::DeletePrefix | OpKind::Append => stores,
            OpKind::SetTimer | OpKind::CancelTimer => declared.timers.len(),
            _ => usize::MAX,
        };
        let is_known = usize::from(operation.target) < known && belongs(&operation, part.kind);
        if !is_known || place(part, &operation).is_none() {
            let Operation { row, kind, target, cause, .. } = operation;
            let text = format!(
                "operation {row} ({kind:?}) names target {target} and cause {cause}: there is no \
                 such thing in this call"
            );
            return Err(Fault::new(FaultKind::UnknownTarget, text));
        }
    }
    Ok(operations)
}

/// The cause of an operation in the whole batch.
fn place(part: &Part, operation: &Operation<'_>) -> Option<u32> {
    let names = if is_for_row(part.kind, operation.kind) { &part.rows } else { &part.units };
    names.get(operation.cause as usize).copied()
}

/// Whether the cause of an operation is a row of the batch, and not one of its windows or timers.
fn is_for_row(kind: Kind, operation: OpKind) -> bool {
    use OpKind::{Accumulator, FireWindow, Forward, PurgeWindow};
    match kind {
        Kind::Accumulate => !matches!(operation, Accumulator | FireWindow | PurgeWindow),
        _ => operation == Forward,
    }
}

/// Whether an operation is one that a call of this kind may answer.
fn belongs(operation: &Operation<'_>, kind: Kind) -> bool {
    match operation.kind {
        OpKind::Accumulator => matches!(kind, Kind::Accumulate | Kind::Merge),
        OpKind::FireWindow | OpKind::PurgeWindow => {
            !matches!(kind, Kind::Records | Kind::Timers | Kind::Merge)
        }
        OpKind::SetTimer => operation.timestamp.is_some(),
        _ => true,
    }
}

/// One list of operations with the causes of the whole batch: in the order of the causes, windows
/// before the rows that are added to them, and of one cause as its version has listed them.
pub(super) fn merge(answers: &[(&Part, Operations<'_>)]) -> Vec<u8> {
    let mut builder = OperationsBuilder::new();
    let mut next = vec![0; answers.len()];
    loop {
        let heads =
            answers.iter().zip(&next).enumerate().filter_map(|(index, ((part, all), at))| {
                let operation = (*at < all.len()).then(|| all.get(*at))?;
                let cause = place(part, &operation).unwrap_or(u32::MAX);
                let order = (is_for_row(part.kind, operation.kind), cause, index);
                Some((order, operation))
            });
        let Some(((_, cause, index), operation)) = heads.min_by_key(|(order, _)| *order) else {
            return builder.finish();
        };
        builder.push(&Operation { cause, ..operation });
        builder.headers(answers[index].1.headers(operation.row));
        next[index] += 1;
    }
}

//! Operations that a call answered, as a person or a script reads them.

use pelton_batch::{OpKind, Operation, Operations};
use pelton_core::Declaration;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::Result;
use crate::shown;
use crate::table::Columns;
use crate::ui::Ui;

/// Shows operations, as a table or as JSON.
pub(crate) fn show(operations: &Operations<'_>, declared: &Declaration, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        let list: Vec<Value> =
            operations.iter().map(|op| as_json(&op, operations, declared)).collect();
        return ui.json(&list);
    }
    if operations.is_empty() {
        ui.note("The function answers nothing.");
        return Ok(());
    }
    let mut table = Columns::new(&["operation", "target", "key", "value", "more"]);
    for op in operations.iter() {
        table.row(&[
            name(op.kind).to_owned(),
            target(&op, declared),
            op.key.map_or_else(String::new, |key| shown::bytes(Some(key))),
            if has_value(op.kind) { value(&op) } else { String::new() },
            more(&op, operations),
        ]);
    }
    ui.line(table.to_string())
}

/// A value as it is shown: what is stored is MessagePack where an SDK wrote it.
fn value(op: &Operation<'_>) -> String {
    if is_stored(op.kind) { shown::stored(op.value) } else { shown::bytes(op.value) }
}

/// Whether the value is for the function's own use: state, or the value of a timer.
fn is_stored(kind: OpKind) -> bool {
    matches!(kind, OpKind::Put | OpKind::Append | OpKind::SetTimer | OpKind::Accumulator)
}

fn has_value(kind: OpKind) -> bool {
    use OpKind::{Accumulator, Append, Emit, Put, Reject, SetTimer};
    matches!(kind, Emit | Put | Append | SetTimer | Reject | Accumulator)
}

fn name(kind: OpKind) -> &'static str {
    match kind {
        OpKind::Forward => "forward",
        OpKind::Emit => "emit",
        OpKind::Put => "put",
        OpKind::Delete => "delete",
        OpKind::DeletePrefix => "delete-prefix",
        OpKind::Append => "append",
        OpKind::SetTimer => "set-timer",
        OpKind::CancelTimer => "cancel-timer",
        OpKind::Reject => "reject",
        OpKind::Retry => "retry",
        OpKind::FireWindow => "fire-window",
        OpKind::PurgeWindow => "purge-window",
        OpKind::Accumulator => "accumulator",
        OpKind::MovePane => "move-pane",
        OpKind::Time => "time",
    }
}

/// The name of the output, store or timer.
fn target(op: &Operation<'_>, declared: &Declaration) -> String {
    let index = usize::from(op.target);
    let name = match op.kind {
        OpKind::Forward | OpKind::Emit => declared.outputs.get(index),
        OpKind::Put | OpKind::Delete | OpKind::DeletePrefix | OpKind::Append => {
            declared.stores.get(index).map(|store| &store.name)
        }
        OpKind::SetTimer | OpKind::CancelTimer => {
            declared.timers.get(index).map(|timer| &timer.name)
        }
        _ => return String::new(),
    };
    name.cloned().unwrap_or_else(|| format!("undeclared {index}"))
}

fn more(op: &Operation<'_>, operations: &Operations<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(time) = op.timestamp {
        parts.push(format!("at {time}"));
    }
    if let Some(partition) = op.partition {
        parts.push(format!("partition {partition}"));
    }
    match (op.ttl, op.kind) {
        (0, _) => {}
        (ms, OpKind::Retry) => parts.push(format!("after {}", crate::text::duration_ms(ms))),
        (ms, _) => parts.push(format!("lives {}", crate::text::duration_ms(ms))),
    }
    if op.schema != 0 {
        parts.push(format!("schema {}", op.schema));
    }
    let headers = operations.headers(op.row);
    parts.extend(headers.map(|header| format!("{}={}", header.name, shown::bytes(header.value))));
    parts.join(", ")
}

fn as_json(op: &Operation<'_>, operations: &Operations<'_>, declared: &Declaration) -> Value {
    let raw = |bytes| RawValue::from_string(shown::json(bytes)).ok();
    let stored = op.value.filter(|_| is_stored(op.kind)).and_then(shown::message_pack);
    let headers = operations.headers(op.row);
    json!({
        "operation": name(op.kind),
        "target": target(op, declared),
        "key": raw(op.key),
        "value": stored.unwrap_or_else(|| json!(raw(op.value))),
        "timestamp": op.timestamp,
        "partition": op.partition,
        "ttl_ms": op.ttl,
        "schema": op.schema,
        "headers": headers.map(|h| json!([h.name, raw(h.value)])).collect::<Vec<_>>(),
    })
}

//! `pelton invoke`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use pelton_batch::{Batch, Kind, OpKind, Operation, Operations, RecordsBuilder};
use pelton_core::{Declaration, GuestFactory};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::check::read_module;
use crate::bounded::spec_of;
use crate::clock;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::input::TimeFormat;
use crate::output::write_value;
use crate::session::Session;
use crate::settings::SettingsArgs;
use crate::single::SingleCall;
use crate::table::Columns;
use crate::ui::Ui;

/// Call a function with one record and show what it answers
///
/// The call has no state behind it and nothing of its answer is carried out: this shows the
/// operations that the function asks for. What it logs goes to stderr.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton invoke hello.wasm --key kitchen --value '{\"celsius\":21.5}'")]
pub(crate) struct Invoke {
    /// The function
    file: PathBuf,
    /// Key of the record; else null
    #[arg(short, long)]
    key: Option<String>,
    /// Value of the record; else null
    #[arg(short = 'V', long)]
    value: Option<String>,
    /// Timestamp: ms since 1970, or RFC 3339; else now
    #[arg(short, long)]
    timestamp: Option<String>,
    /// A header of the record; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Invoke {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let manifest = self.settings.manifest(&self.file)?;
        let wasm = read_module(&self.file, &manifest.limits)?;
        let time = self.time()?;
        let batch = self.batch(time)?;
        let session = Session::open(None)?;
        let spec = spec_of(&manifest)?;
        let factory = session.node.load(&wasm, &spec)?;
        if factory.declaration().window.is_some() {
            let text = "this function works on windows, not on single records";
            return Err(CliError::bad_input("E-INVOKE-WINDOW", text)
                .next("run it over a few records: pelton run FILE --input RECORDS"));
        }
        let call = Arc::new(SingleCall::new(spec.settings, time));
        let answer = pollster::block_on(call_once(factory.as_ref(), &batch, call));
        let answer = answer.map_err(|fault| {
            let mut error = CliError::coded(&fault);
            if let Some(backtrace) = fault.backtrace.filter(|_| ui.is_verbose()) {
                error.text = format!("{}\n{backtrace}", error.text);
            }
            error
        })?;
        let operations = Batch::parse(&answer)
            .and_then(|batch| batch.validate().map(|()| batch))
            .and_then(|batch| batch.operations())
            .map_err(|error| {
                let text = format!("the function's answer is no valid list of operations: {error}");
                CliError::new("E-GUEST-MALFORMED", Exit::Function, text)
            })?;
        show(&operations, factory.declaration(), ui)?;
        Ok(Exit::Ok)
    }

    fn time(&self) -> Result<i64> {
        let Some(text) = &self.timestamp else { return Ok(clock::now_ms()) };
        TimeFormat::Auto.parse(text).map_err(|error| usage(format!("--timestamp: {error}")))
    }

    /// A batch of the one record.
    fn batch(&self, time: i64) -> Result<Vec<u8>> {
        let mut builder = RecordsBuilder::new();
        let bytes = |text: &'_ Option<String>| text.clone().map(String::into_bytes);
        builder.push(bytes(&self.key).as_deref(), bytes(&self.value).as_deref(), time);
        builder.meta(0, 0);
        for header in &self.header {
            let Some((name, value)) = header.split_once('=') else {
                return Err(usage(format!("--header {header}: write NAME=VALUE")));
            };
            builder.header(name, Some(value.as_bytes()));
        }
        Ok(builder.finish_as(Kind::Records))
    }
}

fn usage(text: String) -> CliError {
    CliError::new("E-USAGE", Exit::Usage, text)
}

async fn call_once(
    factory: &dyn GuestFactory,
    batch: &[u8],
    call: Arc<SingleCall>,
) -> Result<Vec<u8>, pelton_core::Fault> {
    let mut guest = factory.instantiate(call.clone()).await?;
    guest.call(batch, call).await
}

fn show(operations: &Operations<'_>, declared: &Declaration, ui: &mut Ui) -> Result<()> {
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
            op.key.map_or_else(String::new, |key| shown(Some(key))),
            if has_value(op.kind) { value(&op) } else { String::new() },
            more(&op, operations),
        ]);
    }
    ui.line(table.to_string())
}

/// A value as it is shown: one that is stored is MessagePack where an SDK wrote it.
fn value(op: &Operation<'_>) -> String {
    let stored = matches!(op.kind, OpKind::Put | OpKind::Append);
    match op.value.filter(|_| stored).and_then(message_pack) {
        Some(value) => value.to_string(),
        None => shown(op.value),
    }
}

/// The value that these bytes are as MessagePack, all of them.
fn message_pack(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = rmp_serde::from_read(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

fn shown(bytes: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    write_value(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
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
    parts.extend(headers.map(|header| format!("{}={}", header.name, shown(header.value))));
    parts.join(", ")
}

fn as_json(op: &Operation<'_>, operations: &Operations<'_>, declared: &Declaration) -> Value {
    let raw = |bytes| RawValue::from_string(shown(bytes)).ok();
    let headers = operations.headers(op.row);
    json!({
        "operation": name(op.kind),
        "target": target(op, declared),
        "key": raw(op.key),
        "value": raw(op.value),
        "timestamp": op.timestamp,
        "partition": op.partition,
        "ttl_ms": op.ttl,
        "schema": op.schema,
        "headers": headers.map(|h| json!([h.name, raw(h.value)])).collect::<Vec<_>>(),
    })
}

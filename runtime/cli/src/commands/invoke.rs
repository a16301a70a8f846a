//! `pelton invoke`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use pelton_batch::{Batch, Kind, OpKind, RecordsBuilder};
use pelton_core::{GuestFactory, Manifest, TimeFormat};

use super::check::read_module;
use super::deployed::DeployedArgs;
use crate::bounded::spec_of;
use crate::clock;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::input::{Row, check_bounds};
use crate::operations;
use crate::session::Session;
use crate::settings::SettingsArgs;
use crate::single::SingleCall;
use crate::ui::Ui;
use crate::windowed;

/// Call a function with one record and show what it answers
///
/// With FILE the call has no state behind it and nothing of its answer is carried out: this shows the
/// operations that the function asks for. A function on windows is run over the one record to the
/// end: this shows what it sends when the record's windows close. With --deployed a server calls the
/// version that runs there with a copy of its state, as if the record came next, and commits nothing.
/// What is logged goes to stderr. The exit code is 6 where the record is rejected.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton invoke hello.wasm --key kitchen --value '{\"celsius\":21.5}'
  pelton invoke --deployed hello --key kitchen --value '{\"celsius\":21.5}'")]
pub(crate) struct Invoke {
    /// The function
    #[arg(required_unless_present = "deployed")]
    file: Option<PathBuf>,
    /// Key of the record; else null
    #[arg(short, long)]
    key: Option<String>,
    /// Value of the record; else null
    #[arg(short = 'V', long)]
    value: Option<String>,
    /// Timestamp: ms since 1970, or RFC 3339; else now
    #[arg(short, long, allow_hyphen_values = true)]
    timestamp: Option<String>,
    /// A header of the record; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    deployed: DeployedArgs,
}

impl Invoke {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let row = self.row()?;
        let Some(file) = &self.file else { return self.deployed.invoke(&batch(&row), ui) };
        let manifest = self.settings.manifest(file)?;
        let wasm = read_module(file, &manifest.limits)?;
        check_bounds(&row, &manifest.limits)
            .map_err(|bad| CliError::bad_input(bad.code, bad.text))?;
        let session = Session::open(None)?;
        let spec = spec_of(&manifest)?;
        let factory = session.node.load(&wasm, &spec)?;
        if factory.declaration().window.is_some() {
            drop(session);
            return windowed::invoke(&wasm, &manifest, row, ui);
        }
        self.call(&manifest, factory.as_ref(), &row, ui)
    }

    /// One call by hand, with nothing behind it.
    fn call(
        &self,
        manifest: &Manifest,
        factory: &dyn GuestFactory,
        row: &Row,
        ui: &mut Ui,
    ) -> Result<Exit> {
        let batch = batch(row);
        let settings = spec_of(manifest)?.settings;
        let call = Arc::new(SingleCall::new(settings, row.timestamp.unwrap_or_default()));
        let answer = pollster::block_on(call_once(factory, &batch, call));
        let answer = answer.map_err(|fault| {
            let mut error = CliError::coded(&fault);
            if let Some(backtrace) = fault.backtrace.filter(|_| ui.is_verbose()) {
                error.text = format!("{}\n{backtrace}", error.text);
            }
            error
        })?;
        let answered = Batch::parse(&answer)
            .and_then(|batch| batch.validate().map(|()| batch))
            .and_then(|batch| batch.operations())
            .map_err(|error| {
                let text = format!("the function's answer is no valid list of operations: {error}");
                CliError::new("E-GUEST-MALFORMED", Exit::Function, text)
            })?;
        operations::show(&answered, factory.declaration(), ui)?;
        let refused = answered.iter().any(|op| matches!(op.kind, OpKind::Reject | OpKind::Retry));
        Ok(if refused { Exit::DeadLetters } else { Exit::Ok })
    }

    /// The record.
    fn row(&self) -> Result<Row> {
        let mut row = Row::default();
        row.timestamp = Some(self.time()?);
        if let Some(key) = &self.key {
            row.key_mut().extend_from_slice(key.as_bytes());
        }
        if let Some(value) = &self.value {
            row.value_mut().extend_from_slice(value.as_bytes());
        }
        for header in &self.header {
            let Some((name, value)) = header.split_once('=') else {
                return Err(usage(format!("--header {header}: write NAME=VALUE")));
            };
            row.headers.push((name.to_owned(), Some(value.as_bytes().to_vec())));
        }
        Ok(row)
    }

    fn time(&self) -> Result<i64> {
        let Some(text) = &self.timestamp else { return Ok(clock::now_ms()) };
        TimeFormat::Auto.parse(text).map_err(|error| usage(format!("--timestamp: {error}")))
    }
}

/// A batch of the one record.
fn batch(row: &Row) -> Vec<u8> {
    let mut builder = RecordsBuilder::new();
    builder.push(row.key(), row.value(), row.timestamp.unwrap_or_default());
    builder.meta(0, 0);
    for (name, value) in &row.headers {
        builder.header(name, value.as_deref());
    }
    builder.finish_as(Kind::Records)
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

//! `pelton capsule`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use pelton_core::Limits;
use pelton_server::functions::{
    CAPSULE_BYTES_MAX, Capsule as Opened, CapsuleOutcome, CapsuleReport, CapsuleVerdict,
    FunctionState, FunctionStatus, StateKept, run_capsule,
};
use serde_json::{Value, json};
use ureq::http::Method;

use super::check::read_module;
use crate::client::ServerArgs;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::project::show;
use crate::session::Session;
use crate::shown;
use crate::text;
use crate::ui::{Ui, printable};

/// Copying the state and making the call twice takes its time.
const EXPORT_TIME: Duration = Duration::from_secs(600);

/// Capsules: one call of a function in a file, to run it again anywhere
///
/// A capsule holds the module and manifest of the version that ran, the records of the call, the
/// state that it read, and its decisions. Records and state are in it as they are; secrets are not,
/// only their names: set PELTON_SECRET_NAME where it is run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton capsule export hello                       # the newest fault, to hello.capsule
  pelton capsule export hello --dead-letter hello.dead:0:5 --file fault.capsule
  pelton capsule run fault.capsule                  # the same fault again
  pelton capsule run fault.capsule --wasm new.wasm  # is it mended?")]
pub(crate) struct Capsule {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the capsule of a call to a file
    Export(Export),
    /// Run a capsule, without a server
    Run(Run),
}

/// Write the capsule of a call to a file
///
/// Without --dead-letter and --record it is the call that the function has halted at; where it has
/// not, the newest that made a dead letter.
#[derive(Debug, Args)]
struct Export {
    /// The function
    function: String,
    /// The call that made this dead letter
    #[arg(long, value_name = "TOPIC:PARTITION:OFFSET", value_parser = place,
        conflicts_with = "record")]
    dead_letter: Option<String>,
    /// The call that read this record, or the one that would read it next
    #[arg(long, value_name = "TOPIC:PARTITION:OFFSET", value_parser = place)]
    record: Option<String>,
    /// The file, which must be new; else FUNCTION.capsule
    #[arg(short, long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Run a capsule, without a server
///
/// Makes the call again and compares with what was recorded. The exit code is 0 where both are the
/// same, and 6 where they differ. With --wasm it is 0 where nothing fails, and 6 where something does.
#[derive(Debug, Args)]
struct Run {
    /// The capsule
    file: PathBuf,
    /// A module to run in place of the capsule's
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
}

impl Capsule {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Export(export) => export.run(ui),
            What::Run(run) => run.run(ui),
        }
    }
}

impl Export {
    fn run(self, ui: &mut Ui) -> Result<Exit> {
        let name = self.function.rsplit('/').next().unwrap_or_default();
        let file = self.file.unwrap_or_else(|| PathBuf::from(format!("{name}.capsule")));
        if file.exists() {
            let text = format!("{} is there already", show(&file));
            return Err(CliError::bad_input("E-CAPSULE-FILE", text)
                .next("remove it, or name another with --file"));
        }
        let client = self.server.client()?;
        let mut record = self.record;
        if record.is_none() && self.dead_letter.is_none() {
            record = halted_at(&client.get(&["functions", &self.function])?);
            match &record {
                Some(at) => {
                    ui.note(format!("{} has halted at {at}: this is that call", self.function))
                }
                None => ui.note("this is the newest call that made a dead letter"),
            }
        }
        let call = client.call(Method::GET, &["functions", &self.function, "capsule"]);
        let call = call.query_if("dead-letter", self.dead_letter).query_if("record", record);
        let bytes = client.bytes(call.wait(EXPORT_TIME))?;
        // What has come whole is written, nothing else.
        let capsule = Opened::decode(bytes.clone())?;
        std::fs::write(&file, &bytes).map_err(|error| CliError::file("write", &file, &error))?;
        let head = &capsule.head;
        if ui.is_json() {
            ui.json(&json!({
                "file": file, "bytes": bytes.len(), "function": head.function.to_string(),
                "version": head.version, "partition": head.partition, "state": head.state,
                "secrets": head.secrets, "recorded": head.recorded,
            }))?;
            return Ok(Exit::Ok);
        }
        let kept = match head.state {
            StateKept::Touched => "with the state that the call read",
            StateKept::Whole => "with all of the task's state, which the call depends on",
        };
        ui.line(format!(
            "{}: {} version {}, task {}, {kept}, {}",
            show(&file),
            self.function,
            head.version,
            head.partition,
            text::bytes(bytes.len() as u64)
        ))?;
        tell(&head.recorded, ui)?;
        ui.note("records and state are in it as they are: mind whom you give it to");
        for secret in &head.secrets {
            ui.note(format!("it needs the secret {secret}, which is not in it"));
        }
        ui.next(format!("pelton capsule run {}", show(&file)));
        Ok(Exit::Ok)
    }
}

/// Reads a capsule, and no more than one may have.
fn read(file: &Path) -> Result<Opened> {
    let unread = |error: std::io::Error| CliError::file("read", file, &error);
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unread)?;
    let mut limited = std::io::Read::take(opened, CAPSULE_BYTES_MAX as u64 + 1);
    std::io::Read::read_to_end(&mut limited, &mut bytes).map_err(unread)?;
    Ok(Opened::decode(bytes)?)
}

impl Run {
    fn run(self, ui: &mut Ui) -> Result<Exit> {
        let capsule = read(&self.file)?;
        let wasm = self.wasm.as_deref().map(|file| read_module(file, &Limits::default()));
        let wasm = wasm.transpose()?;
        let session = Session::open(None)?;
        let report = run_capsule(&session.node, &capsule, wasm.as_deref())?;
        let fails = !report.outcome.faults.is_empty();
        let exit = match (report.verdict, wasm.is_some()) {
            (CapsuleVerdict::Same, false) => Exit::Ok,
            (_, true) if !fails => Exit::Ok,
            _ => Exit::DeadLetters,
        };
        if ui.is_json() {
            ui.json(&json(&report))?;
            return Ok(exit);
        }
        self.tell(&capsule, &report, ui)?;
        Ok(exit)
    }

    fn tell(&self, capsule: &Opened, report: &CapsuleReport, ui: &mut Ui) -> Result<()> {
        let head = &capsule.head;
        let code = self.wasm.as_deref().map_or_else(|| "its own module".into(), show);
        let (name, partition) = (head.function.name(), head.partition);
        ui.note(format!("{name} version {}, task {partition}, run with {code}", head.version));
        for line in &report.lines {
            ui.note(format!("  {} {}", line.level, printable(&line.message)));
        }
        tell(&report.outcome, ui)?;
        for change in &report.changes {
            let key =
                change.key.as_deref().map_or_else(|| "-".into(), |key| shown::bytes(Some(key)));
            let value = change.value.as_deref();
            let value = value.map_or_else(|| "-".into(), |value| shown::stored(Some(value)));
            ui.line(format!("state: {} {} {key} {value}", change.kind, change.name))?;
        }
        if report.unknown_reads > 0 {
            ui.warn(format!(
                "the capsule does not hold {} that this run read: for it they had no value",
                text::count(report.unknown_reads, "key")
            ));
        }
        match report.verdict {
            CapsuleVerdict::Same if report.recorded.faults.is_empty() => {
                ui.line("the same as recorded, without a fault")
            }
            CapsuleVerdict::Same => {
                ui.line("the same fault as recorded")?;
                if self.wasm.is_none() {
                    let file = show(&self.file);
                    ui.next(format!("mend it, then pelton capsule run {file} --wasm NEW.wasm"));
                }
                Ok(())
            }
            CapsuleVerdict::Passes if report.unknown_reads > 0 => ui.line(format!(
                "passes only without {}: nothing fails, but the call read state that the capsule \
                 does not hold; try it on the server too, with `pelton replay --diff --wasm`",
                text::count(report.unknown_reads, "key")
            )),
            CapsuleVerdict::Passes => ui.line("passes: nothing fails"),
            CapsuleVerdict::FailsOtherwise => {
                ui.line("fails, and otherwise than recorded; then it was:")?;
                tell(&report.recorded, ui)
            }
        }
    }
}

/// A report for programs.
fn json(report: &CapsuleReport) -> Value {
    let bytes = |bytes: &[u8]| serde_json::from_str::<Value>(&shown::json(Some(bytes))).ok();
    let changes = report.changes.iter().map(|change| {
        let value = change.value.as_deref();
        json!({
            "kind": change.kind, "name": change.name, "key": change.key.as_deref().map(bytes),
            "value": value.map(bytes), "decoded": value.map(shown::message_pack),
            "due_ms": change.due_ms,
        })
    });
    json!({
        "verdict": report.verdict, "recorded": report.recorded, "outcome": report.outcome,
        "lines": report.lines, "changes": changes.collect::<Vec<_>>(),
        "unknown_reads": report.unknown_reads,
    })
}

/// A record's place as a command line names it.
fn place(text: &str) -> std::result::Result<String, String> {
    let parts: Vec<_> = text.rsplitn(3, ':').collect();
    let is_number = |part: &&str| part.parse::<u64>().is_ok();
    match parts[..] {
        [_, _, topic] if !topic.is_empty() && parts[..2].iter().all(is_number) => {
            Ok(text.to_owned())
        }
        _ => Err("write TOPIC:PARTITION:OFFSET, such as hello.in:0:12".to_owned()),
    }
}

/// The record that a function has halted at, where it did: its error names it.
fn halted_at(status: &FunctionStatus) -> Option<String> {
    let error = status.error.as_deref().filter(|_| status.state == FunctionState::Stopped)?;
    let (_, rest) = error.split_once(" stopped before ")?;
    place(rest.split_once(": ")?.0).ok()
}

/// Faults, and what was sent.
pub(super) fn tell(outcome: &CapsuleOutcome, ui: &mut Ui) -> Result<()> {
    for fault in &outcome.faults {
        let message = printable(&fault.message);
        ui.line(format!("fault: {}: {message} [{}]", printable(&fault.place), fault.code))?;
        if let Some(backtrace) = &fault.backtrace {
            backtrace.lines().for_each(|line| ui.note(format!("  {}", printable(line))));
        }
    }
    for output in &outcome.outputs {
        let part = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
        let (topic, partition) = (text::short(&output.topic), output.partition);
        let (key, value) = (part(&output.key), part(&output.value));
        ui.line(format!("output: {topic} {partition} {key} {value}"))?;
    }
    let more = outcome.records.saturating_sub(outcome.outputs.len() as u64);
    if more > 0 {
        ui.note(format!("and {}", text::count(more, "further output")));
    }
    Ok(())
}

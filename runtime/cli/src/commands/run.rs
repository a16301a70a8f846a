//! `pelton run`.

use std::path::{Path, PathBuf};

use clap::Args;
use pelton_core::Manifest;
use pelton_server::Progress;
use serde_json::json;

use super::check::read_module;
use crate::bounded::{DeadLetter, Job, LoadFrom, Summary};
use crate::clock::Stopwatch;
use crate::error::Result;
use crate::exit::Exit;
use crate::input::InputArgs;
use crate::project::show;
use crate::settings::SettingsArgs;
use crate::sink::{LineSink, refuse_shared, refuse_within};
use crate::text;
use crate::ui::Ui;

/// Run a function over a file of records, to its end
///
/// Records are JSON lines: {"key","value","timestamp","headers","topic"}, or plain lines, CSV or Parquet.
/// The function's outputs are written as JSON lines. Every record counts exactly once; records
/// that the function cannot do go to the dead letters, and the exit code is then 6.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton run stats.wasm --input flights.csv --key-column carrier --output out.jsonl
  cat events.jsonl | pelton run count.wasm --window 1h > counts.jsonl
  pelton run stats.wasm --input monday.jsonl --data-dir data   # state stays in data")]
pub(crate) struct Run {
    /// The function
    file: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// File for the function's outputs, as JSON lines; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: String,
    /// File for the records that the function cannot do, with the reasons as headers; - is stdout
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<String>,
    /// Keep records and state in this folder, and go on from what is there; else nothing is kept
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Give up the rest of an input that an earlier run in --data-dir could not append to its end
    #[arg(long, requires = "data_dir")]
    abandon_unfinished: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Run {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        self.check_files()?;
        let manifest = self.settings.manifest(&self.file)?;
        let wasm = read_module(&self.file, &manifest.limits)?;
        let mut reader = self.input.open()?;
        let mut output = LineSink::open(&self.output)?;
        let mut dead = self.dead_letters.as_deref().map(LineSink::open).transpose()?;
        let mut job = Job::open(&wasm, &manifest, self.data_dir.as_deref(), ui)?;
        let clock = Stopwatch::start();
        let bar = ui.progress(None, "reading");
        let from = LoadFrom {
            file: self.input.name(),
            skip_bad_lines: self.input.skip_bad_lines,
            abandons_unfinished: self.abandon_unfinished,
        };
        let loaded = job.load(reader.as_mut(), &from);
        bar.finish_and_clear();
        let loaded = loaded?;
        let bar = ui.progress(Some(loaded.records), manifest.function.name());
        let progress = job.run(&bar)?;
        let seconds = clock.seconds();
        let mut summary = job.outputs(&mut |lines| output.write(lines, ui))?;
        match &mut dead {
            None => job.dead_letters(&mut summary, None)?,
            Some(dead) => {
                job.dead_letters(&mut summary, Some(&mut |lines| dead.write(lines, ui)))?;
            }
        }
        output.finish()?;
        dead.map_or(Ok(()), LineSink::finish)?;
        if loaded.bad_lines > 0 {
            let first = loaded.first_bad.as_deref().unwrap_or_default();
            let lines = text::count(loaded.bad_lines, "bad line");
            ui.warn(format!("left out {lines}; the first: {first}"));
        }
        if progress.calls > 0 {
            job.config_warnings().iter().for_each(|warning| ui.warn(warning));
        }
        self.report(&manifest, &summary, &progress, seconds, ui)?;
        // The last of all: a run that is stopped before is not done. What nobody has read stays to
        // be written.
        if !ui.reader_gone() {
            job.finish()?;
        }
        Ok(if progress.poison == 0 { Exit::Ok } else { Exit::DeadLetters })
    }

    /// What is read is not written to.
    fn check_files(&self) -> Result<()> {
        let manifest = self.settings.manifest_file(&self.file);
        let mut named = vec![("the function", self.file.as_path())];
        named.extend(manifest.as_deref().map(|file| ("the manifest", file)));
        let file = |name: &String| (name != "-").then(|| PathBuf::from(name));
        let (input, output) = (file(&self.input.input), file(&self.output));
        let dead_letters = self.dead_letters.as_ref().and_then(file);
        named.extend(input.as_deref().map(|file| ("--input", file)));
        let read = named.len();
        named.extend(output.as_deref().map(|file| ("--output", file)));
        named.extend(dead_letters.as_deref().map(|file| ("--dead-letters", file)));
        let written = named.len() - read;
        refuse_shared(&named, written)?;
        match &self.data_dir {
            Some(data_dir) => refuse_within(&named[read..], data_dir),
            None => Ok(()),
        }
    }

    fn report(
        &self,
        manifest: &Manifest,
        summary: &Summary,
        progress: &Progress,
        seconds: f64,
        ui: &mut Ui,
    ) -> Result<()> {
        if ui.is_json() {
            let value = json!({
                "function": manifest.function.to_string(),
                "records_in": progress.records_in,
                "records_out": summary.records,
                "late": progress.late,
                "rejected": progress.poison,
                "faults": progress.faults,
                "seconds": seconds,
                "topics": summary.topics,
                "dead_letters": summary.first_dead_letters,
            });
            // stdout is the records' where they go there.
            if self.output == "-" {
                ui.report_json(&value)
            } else {
                ui.json(&value)?
            }
            return Ok(());
        }
        let (read, written) = (progress.records_in, summary.records);
        // Of a few records a rate says nothing.
        let rate = match read {
            0..1_000 => String::new(),
            _ => format!(" ({})", text::rate(read, seconds)),
        };
        ui.note(format!(
            "{}: {} in, {} out in {}{rate}",
            manifest.function.name(),
            text::count(read, "record"),
            text::thousands(written),
            text::seconds(seconds),
        ));
        if progress.late > 0 {
            ui.warn(format!("{} too late for every window", text::count(progress.late, "record")));
        }
        self.show_dead_letters(summary, progress, ui);
        if self.output != "-" {
            ui.next(format!("look into {}", show(Path::new(&self.output))));
        }
        Ok(())
    }

    fn show_dead_letters(&self, summary: &Summary, progress: &Progress, ui: &mut Ui) {
        let rejected = progress.poison;
        if rejected == 0 {
            return;
        }
        ui.warn(format!("{} rejected", text::count(rejected, "record")));
        for DeadLetter { code, message, place, input } in &summary.first_dead_letters {
            let place = match input {
                Some(input) => format!("{input} ({place})"),
                None => place.clone(),
            };
            ui.note(format!("  {place}: {message} [{code}]"));
        }
        if rejected > summary.first_dead_letters.len() as u64 {
            ui.note("  ...");
        }
        match &self.dead_letters {
            Some(file) if file != "-" => ui.next(format!("look into {file}")),
            None if summary.dead_letters > 0 => {
                ui.next("with --dead-letters FILE they are written down, with the reasons");
            }
            _ => {}
        }
    }
}

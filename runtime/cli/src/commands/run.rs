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
use crate::project::pipeline::PipelineProject;
use crate::project::show;
use crate::settings::SettingsArgs;
use crate::sink::{LineSink, refuse_shared, refuse_within};
use crate::text;
use crate::ui::Ui;

/// Run a function over a file of records, to its end
///
/// Records are JSON lines: {"key","value","timestamp","headers","topic"}, or plain lines, CSV or Parquet.
/// With a pipeline's folder its functions run one after the other, each to the end of what the ones
/// before have sent. What no other function reads is written as JSON lines. Every record counts exactly once; records
/// that the function cannot do go to the dead letters, and the exit code is then 6.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton run stats.wasm --input flights.csv --key-column carrier --output out.jsonl
  cat events.jsonl | pelton run count.wasm --window 1h > counts.jsonl
  pelton run stats.wasm --input monday.jsonl --data-dir data   # state stays in data
  pelton run flights --input flights.csv                       # a pipeline's folder, all built")]
pub(crate) struct Run {
    /// The function, or the folder of a pipeline
    #[arg(value_name = "FILE|DIR")]
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

/// What is to be run.
enum Subject {
    Function(Box<Manifest>),
    Pipeline(PipelineProject),
}

impl Run {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        self.check_files()?;
        let (subject, modules) = self.subject()?;
        let mut reader = self.input.open()?;
        let mut output = LineSink::open(&self.output)?;
        let mut dead = self.dead_letters.as_deref().map(LineSink::open).transpose()?;
        let folder = self.data_dir.as_deref();
        let mut job = match &subject {
            Subject::Function(manifest) => Job::open(&modules[0], manifest, folder, ui)?,
            Subject::Pipeline(pipeline) => {
                Job::open_pipeline(&pipeline.manifest, &modules, folder, ui)?
            }
        };
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
        let records = |manifest: &Manifest| match subject {
            Subject::Function(_) => ui.progress(Some(loaded.records), manifest.function.name()),
            // What reaches the functions behind the first is not known before.
            Subject::Pipeline(_) => ui.progress(None, manifest.function.name()),
        };
        let ran = job.run(records)?;
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
        if ran.iter().all(|progress| progress.calls > 0) {
            job.config_warnings().iter().for_each(|warning| ui.warn(warning));
        }
        match &subject {
            Subject::Function(manifest) => self.report(manifest, &summary, &ran[0], seconds, ui)?,
            Subject::Pipeline(pipeline) => {
                let done = (loaded.records, &*ran, seconds);
                self.report_pipeline(pipeline, &summary, done, ui)?;
            }
        }
        // The last of all: a run that is stopped before is not done. What nobody has read stays to
        // be written.
        if !ui.reader_gone() {
            job.finish()?;
        }
        let whole = ran.iter().all(|progress| progress.poison == 0);
        Ok(if whole { Exit::Ok } else { Exit::DeadLetters })
    }

    /// What is to be run, and its modules.
    fn subject(&self) -> Result<(Subject, Vec<Vec<u8>>)> {
        if self.file.is_dir()
            && let Some(pipeline) = PipelineProject::find(&self.file, self.settings.file())?
        {
            return match self.settings.one_function() {
                Some(name) => {
                    let project = pipeline.function(name)?;
                    let manifest = self.settings.applied(project.manifest.clone())?;
                    let module = read_module(&project.wasm(), &manifest.limits)?;
                    Ok((Subject::Function(Box::new(manifest)), vec![module]))
                }
                None => {
                    self.settings.refuse_flags(pipeline.manifest.pipeline.name())?;
                    let read = |(name, wasm): (String, PathBuf)| {
                        let member = pipeline.function(&name)?;
                        read_module(&wasm, &member.manifest.limits)
                    };
                    let modules = pipeline.built()?.into_iter().map(read).collect::<Result<_>>()?;
                    Ok((Subject::Pipeline(pipeline), modules))
                }
            };
        }
        let manifest = self.settings.manifest(&self.file)?;
        let module = read_module(&self.file, &manifest.limits)?;
        Ok((Subject::Function(Box::new(manifest)), vec![module]))
    }

    /// What is read is not written to.
    fn check_files(&self) -> Result<()> {
        let manifest = self.settings.manifest_file(&match self.file.is_dir() {
            true => self.file.join("function"),
            false => self.file.clone(),
        });
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
            return self.show_json(&value, ui);
        }
        let name = manifest.function.name();
        note_records(name, progress.records_in, summary.records, seconds, ui);
        warn_of_late(progress, ui);
        self.show_dead_letters(summary, progress.poison, ui);
        self.show_next(ui);
        Ok(())
    }

    fn report_pipeline(
        &self,
        pipeline: &PipelineProject,
        summary: &Summary,
        (read, ran, seconds): (u64, &[Progress], f64),
        ui: &mut Ui,
    ) -> Result<()> {
        let names = pipeline.manifest.functions.iter().map(|member| &member.manifest.function);
        let each: Vec<_> = names.zip(ran).collect();
        let rejected = ran.iter().map(|progress| progress.poison).sum();
        if ui.is_json() {
            let functions = each.iter().map(|(function, progress)| {
                json!({
                    "function": function.to_string(),
                    "records_in": progress.records_in,
                    "records_out": progress.records_out,
                    "late": progress.late,
                    "rejected": progress.poison,
                    "faults": progress.faults,
                })
            });
            let value = json!({
                "pipeline": pipeline.manifest.pipeline.to_string(),
                "functions": functions.collect::<Vec<_>>(),
                "records_in": read,
                "records_out": summary.records,
                "rejected": rejected,
                "seconds": seconds,
                "topics": summary.topics,
                "dead_letters": summary.first_dead_letters,
            });
            return self.show_json(&value, ui);
        }
        for (function, progress) in each {
            let (read, sent) = (progress.records_in, progress.records_out);
            let name = function.name();
            let (read, sent) = (text::count(read, "record"), text::thousands(sent));
            ui.note(format!("{name}: {read} in, {sent} out"));
            warn_of_late(progress, ui);
        }
        note_records(pipeline.manifest.pipeline.name(), read, summary.records, seconds, ui);
        self.show_dead_letters(summary, rejected, ui);
        self.show_next(ui);
        Ok(())
    }

    /// Shows a report where the records leave room for it: stdout is theirs where they go there.
    fn show_json(&self, value: &serde_json::Value, ui: &mut Ui) -> Result<()> {
        match self.output.as_str() {
            "-" => {
                ui.report_json(value);
                Ok(())
            }
            _ => ui.json(value),
        }
    }

    fn show_next(&self, ui: &mut Ui) {
        if self.output != "-" {
            ui.next(format!("look into {}", show(Path::new(&self.output))));
        }
    }

    fn show_dead_letters(&self, summary: &Summary, rejected: u64, ui: &mut Ui) {
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

fn note_records(name: &str, read: u64, written: u64, seconds: f64, ui: &mut Ui) {
    // Of a few records a rate says nothing.
    let rate = match read {
        0..1_000 => String::new(),
        _ => format!(" ({})", text::rate(read, seconds)),
    };
    ui.note(format!(
        "{name}: {} in, {} out in {}{rate}",
        text::count(read, "record"),
        text::thousands(written),
        text::seconds(seconds),
    ));
}

fn warn_of_late(progress: &Progress, ui: &mut Ui) {
    if progress.late > 0 {
        ui.warn(format!("{} too late for every window", text::count(progress.late, "record")));
    }
}

//! `pelton test`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use pelton_core::Manifest;
use serde_json::json;

use super::check::read_module;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::fixtures::{Mismatch, Script, rewrite, run};
use crate::project::pipeline::PipelineProject;
use crate::project::{Project, cargo};
use crate::settings::SettingsArgs;
use crate::text;
use crate::ui::Ui;

/// How the files of fixtures end.
const EXTENSION: &str = "jsonl";

/// Run a project's fixtures: input, time steps and expected output, in files
///
/// Builds the function and runs each tests/*.jsonl through it, on a node of its own with a clock that
/// stands still. A fixture is a script of JSON lines: {"input": RECORD}, {"marker": {"header"}},
/// {"advance_clock": "10s"}, {"advance_watermark": TIME}, {"end": true}, {"expect": RECORD},
/// {"expect_dead_letter": {"code"}}, {"expect_nothing": true}, {"expect_state": {"store", "key",
/// "value"}}. Lines that begin with # are comments. The exit code is 6 where something else was sent or
/// stored than is expected.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton test                                   # all of tests/
  pelton test tests/late.jsonl --update         # what it sends is from now on expected
  pelton test --wasm count.wasm --window 1m late.jsonl

A fixture:
  {\"input\": {\"key\": \"a\", \"value\": 1, \"timestamp\": \"2026-01-05T08:00:00Z\"}}
  {\"expect_nothing\": true}
  {\"end\": true}
  {\"expect\": {\"topic\": \"counts\", \"key\": \"a\", \"value\": {\"count\": 1}}}")]
pub(crate) struct Test {
    /// Fixtures, or folders of them; else the project's tests/
    paths: Vec<PathBuf>,
    /// The project's folder: a function's, or a pipeline's
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// A built function, in place of the project's
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    wasm: Option<PathBuf>,
    /// Only fixtures whose path has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write what the function sends into the fixtures, as what is expected
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// A function with its fixtures.
struct Subject {
    wasm: Vec<u8>,
    manifest: Manifest,
    scripts: Vec<Script>,
}

impl Test {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let subjects = match (&self.wasm, PipelineProject::find(&self.path, self.settings.file())?)
        {
            (None, Some(pipeline)) => self.of_pipeline(&pipeline, ui)?,
            _ => vec![self.of_function(ui)?],
        };
        let mut results = Vec::new();
        for Subject { wasm, manifest, scripts } in &subjects {
            for script in scripts {
                let outcome = run(wasm, manifest, script)?;
                if self.update && !outcome.wrong.is_empty() {
                    let path = Path::new(&script.file);
                    fs::write(path, rewrite(script, &outcome))
                        .map_err(|error| CliError::file("write", path, &error))?;
                    ui.note(format!("updated {}", script.file));
                    results.push((script, Vec::new()));
                } else {
                    results.push((script, outcome.wrong));
                }
            }
        }
        self.report(&results, ui)
    }

    /// The project's function, or the one that was named, with its fixtures.
    fn of_function(&self, ui: &mut Ui) -> Result<Subject> {
        let scripts = self.scripts(&self.path.join("tests"))?;
        if scripts.is_empty() {
            return Err(no_fixtures("tests/"));
        }
        let (file, manifest) = match &self.wasm {
            Some(file) => (file.clone(), self.settings.manifest(file)?),
            None => {
                let project = Project::open(&self.path)?;
                let manifest = self.settings.manifest(&self.path.join("function"))?;
                (cargo::build(&project, ui)?, manifest)
            }
        };
        let wasm = read_module(&file, &manifest.limits)?;
        Ok(Subject { wasm, manifest, scripts })
    }

    /// The functions of a pipeline that have fixtures, or the one that was named: in `tests` of the
    /// function's folder, or, where that is the pipeline's, in `tests/NAME`.
    fn of_pipeline(&self, pipeline: &PipelineProject, ui: &mut Ui) -> Result<Vec<Subject>> {
        let named = self.settings.one_function();
        if named.is_none() {
            self.settings.refuse_flags(pipeline.manifest.pipeline.name())?;
            if !self.paths.is_empty() {
                let text = "a pipeline has several functions, and the fixtures are of one";
                return Err(CliError::new("E-USAGE", Exit::Usage, text)
                    .next("say which one: --function NAME"));
            }
        }
        let projects = match named {
            Some(name) => vec![pipeline.function(name)?],
            None => pipeline.projects().collect(),
        };
        let mut subjects = Vec::new();
        for project in projects {
            let tests = project.folder.join("tests");
            let scripts = self.scripts(&match project.folder == pipeline.folder {
                true => tests.join(project.manifest.function.name()),
                false => tests,
            })?;
            if !scripts.is_empty() {
                let manifest = self.settings.applied(project.manifest.clone())?;
                let wasm = read_module(&cargo::build(&project, ui)?, &manifest.limits)?;
                subjects.push(Subject { wasm, manifest, scripts });
            }
        }
        if subjects.is_empty() {
            return Err(no_fixtures(
                "tests/ of a function's folder, or tests/NAME of the pipeline's",
            ));
        }
        Ok(subjects)
    }

    /// The fixtures that are meant, by name: else those in the folder `tests`, if there is one.
    fn scripts(&self, tests: &Path) -> Result<Vec<Script>> {
        let tests: Vec<_> = tests.is_dir().then(|| tests.to_owned()).into_iter().collect();
        let paths = if self.paths.is_empty() { &tests } else { &self.paths };
        let mut files = Vec::new();
        for path in paths {
            let unreadable = |error| CliError::file("read", path, &error);
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            for entry in fs::read_dir(path).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                files.extend(file.extension().is_some_and(|is| is == EXTENSION).then_some(file));
            }
        }
        files.sort();
        let filter = self.filter.as_deref().unwrap_or_default();
        files.retain(|file| file.to_string_lossy().contains(filter));
        files.iter().map(|file| Script::read(file)).collect()
    }

    fn report(&self, results: &[(&Script, Vec<Mismatch>)], ui: &mut Ui) -> Result<Exit> {
        let failed = results.iter().filter(|(_, wrong)| !wrong.is_empty()).count();
        if ui.is_json() {
            let fixtures = results.iter().map(|(script, wrong)| {
                json!({ "file": script.file, "passed": wrong.is_empty(), "failures": wrong })
            });
            let fixtures: Vec<_> = fixtures.collect();
            ui.json(&json!({
                "passed": results.len() - failed, "failed": failed, "fixtures": fixtures,
            }))?;
        } else {
            for (script, wrong) in results {
                let word = if wrong.is_empty() { "ok    " } else { "FAILED" };
                ui.line(format!("{word}  {}", script.file))?;
                for Mismatch { line, text, expected, sent } in wrong {
                    ui.line(format!("  {}:{line}: {text}", script.file))?;
                    expected.iter().try_for_each(|it| ui.line(format!("    - {it}")))?;
                    sent.iter().try_for_each(|it| ui.line(format!("    + {it}")))?;
                }
            }
            let all = text::count(results.len() as u64, "fixture");
            ui.note(format!("{all}, {failed} failed"));
            if failed > 0 && !self.update {
                ui.next("mend the function; or, where what it sends (+) is right, give --update");
            }
        }
        Ok(if failed == 0 { Exit::Ok } else { Exit::DeadLetters })
    }
}

fn no_fixtures(place: &str) -> CliError {
    CliError::new("E-FIXTURE-NOT-FOUND", Exit::NotFound, "there are no fixtures to run")
        .next(format!("put some into {place}, as *.jsonl; `pelton test --help` shows one"))
}

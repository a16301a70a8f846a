//! `pelton deploy`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use pelton_core::Limits;
use pelton_core::manifest::{FILE_NAME, duration_text, parse_duration_ms};
use pelton_server::functions::{DeployReport, NewCanary, Outcome, PipelineReport, TrialState};
use serde::Deserialize;
use serde_json::json;
use ureq::http::Method;

use super::canary::CanaryArgs;
use super::check::read_module;
use super::pipeline;
use crate::client::{Client, ServerArgs};
use crate::dev::Sources;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::project::pipeline::PipelineProject;
use crate::project::{Project, cargo, manifest_text, read_manifest, show};
use crate::standard;
use crate::ui::Ui;

/// A module may take this long to be compiled, beyond what the deployment waits.
pub(crate) const COMPILE_TIME: Duration = Duration::from_secs(150);

/// Deploy a function onto a server, live
///
/// Takes the .wasm file that `pelton build` has made and the pelton.toml beside it; with a pipeline's
/// pelton.toml, the modules of all its functions, which go live together or not at all. Onto a function that
/// runs it goes between two calls: no record is lost, repeated or delayed by a restart, and state stays.
/// Until its first commit the new version is on trial: if it fails before, the old one goes on as if
/// nothing had been, and the exit code is 4.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton build && pelton deploy
  pelton deploy --build
  pelton deploy hello/hello.wasm --dry-run
  pelton deploy flights --build                # a folder with a pipeline's pelton.toml
  pelton deploy --shadow && pelton diff hello
  pelton deploy --canary 10% --canary-for 30m
  pelton deploy stats.wasm --manifest stats.toml --wait 30s")]
pub(crate) struct Deploy {
    /// The function's .wasm file, or its project's folder
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    what: PathBuf,
    /// The manifest; else the pelton.toml beside the file
    #[arg(short, long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Build the project first, as `pelton build` does
    #[arg(short, long)]
    build: bool,
    /// Check only, and show what would change
    #[arg(long)]
    dry_run: bool,
    /// Run it beside the version that runs: on live input and its own copy of state, writing nothing
    #[arg(long)]
    shadow: bool,
    #[command(flatten)]
    canary: CanaryArgs,
    /// How long to wait for the first commit of each task; at most 30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration_ms)]
    wait: i64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Uploaded {
    digest: String,
}

impl Deploy {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        if let Some(pipeline) = self.pipeline()? {
            return self.run_pipeline(&pipeline, ui);
        }
        let (wasm, path) = self.find(ui)?;
        let client = self.server.client()?;
        let wait = Duration::from_millis(self.wait.unsigned_abs());
        let asked = Asked {
            dry_run: self.dry_run,
            shadow: self.shadow,
            canary: self.canary.new_canary(&read_manifest(&path)?.canary)?,
            wait,
        };
        let waits = format!("deploying; on trial for up to {}", duration_text(self.wait));
        let bar = ui.progress(None, &waits);
        let report = deploy(&client, &wasm, &path, &asked);
        bar.finish_and_clear();
        show_report(&report?, ui)?;
        Ok(Exit::Ok)
    }

    /// The pipeline that is meant, where it is one.
    fn pipeline(&self) -> Result<Option<PipelineProject>> {
        if !self.what.is_dir() {
            return Ok(None);
        }
        PipelineProject::find(&self.what, self.manifest.as_deref())
    }

    fn run_pipeline(&self, pipeline: &PipelineProject, ui: &mut Ui) -> Result<Exit> {
        if self.shadow || self.canary.is_given() {
            let text = format!(
                "the pipeline {} is deployed as a whole, without a shadow or a canary",
                pipeline.manifest.pipeline.name()
            );
            return Err(CliError::new("E-USAGE", Exit::Usage, text)
                .next("leave --shadow and --canary out; --dry-run shows what would change"));
        }
        let modules = match self.build {
            true => pipeline.build(ui)?,
            false => {
                warn_of_newer(pipeline, ui);
                pipeline.built()?
            }
        };
        let client = self.server.client()?;
        let wait = Duration::from_millis(self.wait.unsigned_abs());
        let waits = format!("deploying; on trial for up to {}", duration_text(self.wait));
        let bar = ui.progress(None, &waits);
        let report = deploy_pipeline(&client, pipeline, &modules, self.dry_run, wait);
        bar.finish_and_clear();
        pipeline::show_report(&report?, ui)?;
        Ok(Exit::Ok)
    }

    /// The module and the manifest.
    fn find(&self, ui: &mut Ui) -> Result<(PathBuf, PathBuf)> {
        let beside = |path: PathBuf| self.manifest.clone().unwrap_or(path);
        if !self.what.is_dir() {
            if self.build {
                let text = format!("--build builds a project, and {} is none", show(&self.what));
                return Err(CliError::new("E-USAGE", Exit::Usage, text)
                    .next("name the project's folder in place of the file"));
            }
            let manifest = beside(self.what.with_file_name(FILE_NAME));
            let there = self.what.exists() || standard::name_of(&self.what).is_some();
            if self.manifest.is_none() && there && !manifest.is_file() {
                let text = format!("there is no {FILE_NAME} beside {}", show(&self.what));
                return Err(CliError::new("E-MANIFEST-NOT-FOUND", Exit::NotFound, text).next(
                    "give --manifest FILE; the least that it says is [function] name = \"...\" \
                     and [[input]] topic = \"...\"",
                ));
            }
            return Ok((self.what.clone(), manifest));
        }
        let project = match &self.manifest {
            None => Project::open(&self.what)?,
            Some(path) => Project { folder: self.what.clone(), manifest: read_manifest(path)? },
        };
        let wasm = match self.build {
            true => cargo::build(&project, ui)?,
            false => project.wasm(),
        };
        if !wasm.is_file() && standard::name_of(&wasm).is_none() {
            let text = format!("{} is not built: there is no {}", show(&self.what), show(&wasm));
            let flag = match self.what == Path::new(".") {
                true => String::new(),
                false => format!(" --path {}", show(&self.what)),
            };
            return Err(CliError::new("E-WASM-NOT-FOUND", Exit::NotFound, text)
                .next(format!("pelton build{flag}")));
        }
        if let Some(newer) = newer_source(&self.what, &wasm).filter(|_| !self.build) {
            let (newer, wasm) = (show(&newer), show(&wasm));
            ui.warn(format!("{newer} is newer than {wasm}: what was built before is deployed"));
            ui.next("pelton deploy --build");
        }
        Ok((wasm, beside(self.what.join(FILE_NAME))))
    }
}

/// Warns of functions whose sources are newer than what was built of them.
fn warn_of_newer(pipeline: &PipelineProject, ui: &mut Ui) {
    let mut warned = false;
    for project in pipeline.projects().filter(|project| project.folder != pipeline.folder) {
        let wasm = project.wasm();
        if let Some(newer) = newer_source(&project.folder, &wasm) {
            let (newer, wasm) = (show(&newer), show(&wasm));
            ui.warn(format!("{newer} is newer than {wasm}: what was built before is deployed"));
            warned = true;
        }
    }
    if warned {
        ui.next(format!("pelton deploy {} --build", show(&pipeline.folder)));
    }
}

/// The source in `folder` that was written last, where that was after the module was built.
fn newer_source(folder: &Path, wasm: &Path) -> Option<PathBuf> {
    let built = std::fs::metadata(wasm).and_then(|metadata| metadata.modified()).ok()?;
    let sources = Sources::new(folder, vec![wasm.to_owned()]);
    let (written, path) = sources.newest()?;
    (written > built).then(|| path.to_owned())
}

/// How a module is to be deployed.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) dry_run: bool,
    pub(crate) shadow: bool,
    pub(crate) canary: Option<NewCanary>,
    pub(crate) wait: Duration,
}

/// Uploads a module and deploys it under the manifest in the file `manifest`.
///
/// # Errors
/// Where a file cannot be read, and what the server answers.
pub(crate) fn deploy(
    client: &Client,
    wasm: &Path,
    manifest: &Path,
    asked: &Asked,
) -> Result<DeployReport> {
    let limits = read_manifest(manifest)?.limits;
    let text = manifest_text(manifest)?;
    let digest = upload(client, wasm, &limits)?;
    let body = json!({
        "manifest": text,
        "digest": digest,
        "dry_run": asked.dry_run,
        "shadow": asked.shadow,
        "canary": asked.canary,
        "wait_ms": asked.wait.as_millis() as u64,
    });
    Ok(client.post(&["functions"], &body, COMPILE_TIME + asked.wait)?)
}

/// Uploads a module, and answers its digest.
fn upload(client: &Client, wasm: &Path, limits: &Limits) -> Result<String> {
    let module = read_module(wasm, limits)?;
    let upload = client.call(Method::PUT, &["artefacts"]).body("application/wasm", &module);
    let Uploaded { digest } = client.json(upload)?;
    Ok(digest)
}

/// Uploads the modules of a pipeline and deploys it.
///
/// # Errors
/// Where a file cannot be read, and what the server answers.
pub(crate) fn deploy_pipeline(
    client: &Client,
    pipeline: &PipelineProject,
    modules: &[(String, PathBuf)],
    dry_run: bool,
    wait: Duration,
) -> Result<PipelineReport> {
    let mut digests = BTreeMap::new();
    for (name, wasm) in modules {
        let member = pipeline.manifest.function(name);
        let limits = member.map(|member| member.manifest.limits.clone()).unwrap_or_default();
        digests.insert(name, upload(client, wasm, &limits)?);
    }
    let body = json!({
        "manifest": pipeline.text,
        "modules": digests,
        "dry_run": dry_run,
        "wait_ms": wait.as_millis() as u64,
    });
    let compile = COMPILE_TIME.saturating_mul(modules.len() as u32);
    Ok(client.post(&["pipelines"], &body, compile + wait)?)
}

/// Shows what a deployment or a rollback did.
pub(super) fn show_report(report: &DeployReport, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(report);
    }
    show_function(report, ui)?;
    let name = report.function.name();
    if report.trial == TrialState::OnTrial && !report.dry_run {
        ui.note(ON_TRIAL);
    }
    match (report.dry_run, report.outcome) {
        (true, Outcome::Unchanged) | (false, Outcome::Unchanged) => {}
        (true, _) => ui.next("the same without --dry-run"),
        (false, Outcome::Shadowed) => ui.next(format!("pelton diff {name}; pelton promote {name}")),
        (false, _) => ui.next(format!("pelton status {name}")),
    }
    Ok(())
}

/// What there is to say of a version that some task has had no record for.
pub(super) const ON_TRIAL: &str = "on trial: some task has had no record yet; if it fails at its \
                                   first, the version before goes on";

/// Shows what became of a function.
pub(super) fn show_function(report: &DeployReport, ui: &mut Ui) -> Result<()> {
    let (name, version) = (report.function.name(), report.version);
    let before = report.before.map(|before| format!(" in place of {before}")).unwrap_or_default();
    let what = match (report.outcome, report.dry_run) {
        (Outcome::Unchanged, _) => "runs already".to_owned(),
        (Outcome::Started, false) => "started".to_owned(),
        (Outcome::Started, true) => "would be started".to_owned(),
        (Outcome::Swapped, false) => format!("went live{before}"),
        (Outcome::Swapped, true) => format!("would go live{before}"),
        (Outcome::Canary, false) => "gets a share of the keys as a canary".to_owned(),
        (Outcome::Canary, true) => "would get a share of the keys as a canary".to_owned(),
        (Outcome::Shadowed, false) => format!("follows{}", beside(report)),
        (Outcome::Shadowed, true) => format!("would follow{}", beside(report)),
        (Outcome::Restarted, false) => format!("was started{before}, since its inputs are others"),
        (Outcome::Restarted, true) => {
            format!("would be started{before}, since its inputs are others")
        }
    };
    ui.line(format!("{name} version {version} {what}"))?;
    for change in &report.changes {
        ui.line(format!("  {change}"))?;
    }
    Ok(())
}

/// What a shadow follows.
fn beside(report: &DeployReport) -> String {
    report.before.map(|version| format!(" version {version} as its shadow")).unwrap_or_default()
}

//! What a function is run with: a manifest, and flags that go before it.

use std::path::{Path, PathBuf};

use clap::Args;
use pelton_core::manifest::{FILE_NAME, Input, parse_duration_ms};
use pelton_core::{EventTime, FunctionId, Manifest, TimeField, TimeFormat, TopicName};

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::project::pipeline::PipelineProject;
use crate::project::read_manifest;

/// Settings as flags; they go before those of the manifest.
#[derive(Debug, Clone, Args)]
pub(crate) struct SettingsArgs {
    /// The manifest; else the pelton.toml beside FILE, else none
    #[arg(short, long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Which function it is, where the manifest is a pipeline's; else the one with the name of FILE
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// A topic that the function reads, in place of the manifest's; may be given several times
    #[arg(long = "reads", value_name = "TOPIC", value_parser = TopicName::parse)]
    reads: Vec<TopicName>,
    /// A configuration entry for the function; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    config: Vec<(String, String)>,
    /// Length of windows, such as 1h or 90s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_ms)]
    window: Option<i64>,
    /// Distance of window starts, where windows overlap
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_ms)]
    advance: Option<i64>,
    /// Sessions in place of windows: the longest time without a record within one
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_ms)]
    #[arg(conflicts_with_all = ["window", "advance"])]
    gap: Option<i64>,
    /// How long after its end a window takes late records
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_ms)]
    grace: Option<i64>,
    /// The output that gets records which are later than that
    #[arg(long, value_name = "OUTPUT")]
    late_output: Option<String>,
    /// How far behind the newest timestamp a record may be and still be on time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_ms)]
    out_of_orderness: Option<i64>,
    /// Where a record says when it happened, in place of its timestamp: a JSON pointer into its value
    /// such as /time, or header:NAME
    #[arg(long, value_name = "FIELD")]
    event_time: Option<TimeField>,
    /// How that is written: auto, ms, s, rfc3339, or a pattern such as "%Y-%m-%d %H:%M"
    #[arg(long, value_name = "FORMAT", requires = "event_time")]
    event_time_format: Option<TimeFormat>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("write KEY=VALUE".into()),
    }
}

impl SettingsArgs {
    /// The file of the manifest in force for the function in `file`, where there is one.
    pub(crate) fn manifest_file(&self, file: &Path) -> Option<PathBuf> {
        let beside = || Some(file.with_file_name(FILE_NAME)).filter(|beside| beside.is_file());
        self.manifest.clone().or_else(beside)
    }

    /// The manifest of a function in the file `path`, which may be a pipeline's.
    fn one_of(&self, path: &Path, file: &Path) -> Result<Manifest> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let Some(pipeline) = PipelineProject::find(folder, Some(path))? else {
            return read_manifest(path);
        };
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = self.function.as_ref().or(stem.as_ref()).map_or("", String::as_str);
        let function = pipeline.function(name).map_err(|error| match &self.function {
            Some(_) => error,
            None => error.next("say which one it is: --function NAME"),
        })?;
        Ok(function.manifest)
    }

    /// The manifest in force for the function in `file`.
    pub(crate) fn manifest(&self, file: &Path) -> Result<Manifest> {
        let manifest = match self.manifest_file(file) {
            Some(path) => self.one_of(&path, file)?,
            None => Manifest::new(function_of(file)?),
        };
        self.applied(manifest)
    }

    /// The manifest that was named.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.manifest.as_deref()
    }

    /// Which function of a pipeline is meant, where that was said.
    pub(crate) fn one_function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// Refuses settings of one function where the pipeline `name` is run as a whole.
    ///
    /// # Errors
    /// `E-USAGE`.
    pub(crate) fn refuse_flags(&self, name: &str) -> Result<()> {
        let given = [
            ("--config", !self.config.is_empty()),
            ("--reads", !self.reads.is_empty()),
            ("--window", self.window.is_some()),
            ("--advance", self.advance.is_some()),
            ("--gap", self.gap.is_some()),
            ("--grace", self.grace.is_some()),
            ("--late-output", self.late_output.is_some()),
            ("--out-of-orderness", self.out_of_orderness.is_some()),
            ("--event-time", self.event_time.is_some()),
        ];
        let Some((flag, _)) = given.iter().find(|(_, given)| *given) else { return Ok(()) };
        let text = format!("{flag} is a setting of one function, and {name} is a pipeline");
        Err(CliError::new("E-USAGE", Exit::Usage, text).next(
            "set it in the pipeline's pelton.toml, or run one of its functions: --function NAME",
        ))
    }

    /// A manifest with the flags, which go before it.
    pub(crate) fn applied(&self, mut manifest: Manifest) -> Result<Manifest> {
        self.apply(&mut manifest)?;
        Ok(manifest)
    }

    fn apply(&self, manifest: &mut Manifest) -> Result<()> {
        if !self.reads.is_empty() {
            manifest.inputs = self.reads.iter().cloned().map(Input::new).collect();
        }
        if manifest.inputs.is_empty() {
            let tenant = manifest.function.tenant().clone();
            let topic = TopicName::new(tenant, &format!("{}.in", manifest.function.name()));
            manifest.inputs.push(Input::new(topic.map_err(bad_name)?));
        }
        manifest.config.extend(self.config.iter().cloned());
        let window = &mut manifest.window;
        // One kind of windows on the command line replaces another kind of the file.
        if self.gap.is_some() {
            (window.gap_ms, window.size_ms, window.advance_ms) = (self.gap, None, None);
        } else if self.window.is_some() {
            (window.size_ms, window.gap_ms) = (self.window, None);
        }
        window.advance_ms = self.advance.or(window.advance_ms);
        window.grace_ms = self.grace.or(window.grace_ms);
        window.late_output = self.late_output.clone().or(window.late_output.take());
        if let Some(ms) = self.out_of_orderness {
            for input in &mut manifest.inputs {
                (input.out_of_orderness_ms, input.carried) = (ms, false);
            }
        }
        if let Some(field) = &self.event_time {
            let format = self.event_time_format.clone().unwrap_or_default();
            let event_time = EventTime { field: field.clone(), format };
            let inputs = manifest.inputs.iter_mut();
            inputs.for_each(|input| {
                (input.event_time, input.carried) = (Some(event_time.clone()), false);
            });
        }
        Ok(())
    }
}

/// The function's name where there is no manifest: that of the file.
pub(crate) fn function_of(file: &Path) -> Result<FunctionId> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name: String = stem
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' })
        .take(80)
        .collect();
    FunctionId::parse(name.trim_start_matches('_')).map_err(bad_name)
}

fn bad_name(error: pelton_core::NameError) -> CliError {
    CliError::bad_input("E-NAME", error.to_string())
        .next("name the function in a pelton.toml and give --manifest")
}

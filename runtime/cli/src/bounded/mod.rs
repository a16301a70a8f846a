//! Running functions over records to their end: one, or those of a pipeline, one after the other.

mod inputs;
mod letters;
mod part;
mod spec;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use indicatif::ProgressBar;
use pelton_core::manifest::{Input, PipelineManifest};
use pelton_core::window::WindowSpec;
use pelton_core::{FunctionId, LogLevel, Manifest, TopicName};
use pelton_server::functions::Planned;
use pelton_server::{Node, Progress};

pub(crate) use letters::DeadLetter;
pub(crate) use spec::spec_of;

use crate::clock;
use crate::error::{CliError, Result};
use crate::input::{LoadOptions, Loaded, Places, RowReader, load};
use crate::loading::{Loading, UNDATED};
use crate::output::write_record;
use crate::session::Session;
use crate::ui::Ui;
use crate::written::Written;
use inputs::Inputs;
use part::Part;

/// Dead letters that are shown.
const DEAD_LETTERS_SHOWN: usize = 3;
/// Output is handed on in pieces of about this size.
const OUTPUT_BYTES: usize = 1 << 18;

/// Takes lines, a piece at a time.
type Take<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Where a job's input comes from.
#[derive(Debug, Default)]
pub(crate) struct LoadFrom<'a> {
    /// How errors name it.
    pub file: &'a str,
    /// Whether bad lines are left out and counted.
    pub skip_bad_lines: bool,
    /// Whether the rest of an input that an earlier run did not append is given up.
    pub abandons_unfinished: bool,
}

/// Functions, ready to run over their input.
pub(crate) struct Job {
    session: Session,
    /// What is kept in a data directory is kept under this name.
    name: FunctionId,
    /// Who writes a topic comes before who reads it.
    parts: Vec<Part>,
    /// What is read and not written by a function here.
    inputs: Vec<Input>,
    /// What is written and not read by a function here.
    outputs: Vec<TopicName>,
    /// What was loaded: its name, and the line of each record.
    loaded: (String, Places),
    /// The number of the input in the data directory, to be noted at the end.
    load: Option<u64>,
    written: Written,
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Records of all outputs.
    pub records: u64,
    /// Records by topic.
    pub topics: BTreeMap<String, u64>,
    /// Dead letters.
    pub dead_letters: u64,
    /// The first of them.
    pub first_dead_letters: Vec<DeadLetter>,
}

impl Job {
    /// Compiles and opens a function on a node in `folder`, or in a temporary one.
    pub(crate) fn open(
        wasm: &[u8],
        manifest: &Manifest,
        folder: Option<&Path>,
        ui: &Ui,
    ) -> Result<Self> {
        let name = manifest.function.clone();
        let job = Self::of(name, [(wasm, manifest)].into_iter(), folder, ui)?;
        for input in &manifest.inputs {
            job.session.node.ensure_topic(&input.topic, input.partitions)?;
        }
        for output in &manifest.outputs {
            if let Some(partitions) = output.partitions {
                job.session.node.ensure_topic(&output.topic, partitions)?;
            }
        }
        Ok(job)
    }

    /// Compiles and opens the functions of a pipeline, whose modules are in the same order.
    pub(crate) fn open_pipeline(
        pipeline: &PipelineManifest,
        modules: &[Vec<u8>],
        folder: Option<&Path>,
        ui: &Ui,
    ) -> Result<Self> {
        let id = &pipeline.pipeline;
        let name = FunctionId::new(id.tenant().clone(), &format!("{}.pipeline", id.name()));
        let name = name.map_err(|error| CliError::bad_input("E-NAME", error.to_string()))?;
        let manifests = pipeline.functions.iter().map(|member| &member.manifest);
        let modules = modules.iter().map(Vec::as_slice);
        let job = Self::of(name, modules.zip(manifests), folder, ui)?;
        if let Some(topic) = job.circle() {
            let text = format!(
                "{id}: the topic {} is written by a function that comes of what it reads: a run to the \
                 end of its input would never end",
                short(&topic.to_string())
            );
            return Err(CliError::bad_input("E-INPUT-LOOP", text)
                .next("run its functions one by one: --function NAME"));
        }
        let journal = job.session.node.journal();
        let known = |topic: &TopicName| {
            journal.topic(&topic.to_string()).ok().map(|topic| topic.config().partitions)
        };
        Planned::new(pipeline, known).create(&job.session.node)?;
        Ok(job)
    }

    fn of<'a>(
        name: FunctionId,
        functions: impl Iterator<Item = (&'a [u8], &'a Manifest)>,
        folder: Option<&Path>,
        ui: &Ui,
    ) -> Result<Self> {
        let bar = ui.progress(None, "compiling");
        let session = Session::open(folder)?;
        show_logs(&session.node, if ui.is_verbose() { LogLevel::Trace } else { LogLevel::Warn });
        let parts = functions.map(|(wasm, manifest)| Part::open(&session, wasm, manifest));
        let parts = parts.collect::<Result<Vec<_>>>();
        bar.finish_and_clear();
        let parts = parts?;
        let written = Written::open(folder, &name)?;
        let (inputs, outputs) = (inputs_of(&parts), outputs_of(&parts));
        let (loaded, load) = Default::default();
        Ok(Self { session, name, parts, inputs, outputs, loaded, load, written })
    }

    /// A topic that a function reads before another one has written it.
    fn circle(&self) -> Option<&TopicName> {
        (1..self.parts.len()).find_map(|at| {
            let (before, after) = self.parts.split_at(at);
            let mut read = before.iter().flat_map(|part| &part.manifest.inputs);
            read.find(|input| after.iter().any(|part| part.writes(&input.topic)))
                .map(|input| &input.topic)
        })
    }

    /// Appends all rows to the input topics, durably. Where they are kept, nothing is appended
    /// before all have been read, and of an input that an earlier run did not bring to its end only
    /// what is missing: after any error the same input can be given again.
    pub(crate) fn load(
        &mut self,
        reader: &mut dyn RowReader,
        from: &LoadFrom<'_>,
    ) -> Result<Loaded> {
        let first = self.inputs.first().map(|input| short(&input.topic.to_string()));
        let is_kept = self.written.is_kept();
        let now_ms = clock::now_ms();
        let limits = self.parts.first().map(|part| part.manifest.limits.clone());
        let options = LoadOptions {
            file: from.file,
            topic: &first.unwrap_or_default(),
            now_ms: if is_kept { UNDATED } else { now_ms },
            skip_bad_lines: from.skip_bad_lines,
            limits: &limits.unwrap_or_default(),
        };
        let ends = self.inputs.iter().map(|input| {
            let ends = self.session.ends(&input.topic);
            (input.topic.to_string(), ends)
        });
        let node = &self.session.node;
        let mut target = Inputs {
            node,
            topics: &self.inputs,
            held: is_kept.then(Vec::new),
            ends: ends.collect(),
            places: Places::default(),
        };
        let loaded = load(reader, &options, &mut target)?;
        let Inputs { held, mut places, .. } = target;
        if let Some(held) = held {
            let loading = Loading {
                journal: node.journal(),
                function: &self.name,
                finished: self.written.load(),
                abandons: from.abandons_unfinished,
            };
            let appended = loading.append(from.file, &held, now_ms)?;
            for ((topic, partition), records) in appended.before {
                places.move_back(&topic, partition, records);
            }
            self.load = Some(appended.load);
        }
        node.sync()?;
        self.loaded = (from.file.to_owned(), places);
        Ok(loaded)
    }

    /// Runs the functions to the end of their input, one after the other, and answers what each did.
    pub(crate) fn run(
        &self,
        mut bar: impl FnMut(&Manifest) -> ProgressBar,
    ) -> Result<Vec<Progress>> {
        self.parts.iter().map(|part| part.run(&self.session, &bar(&part.manifest))).collect()
    }

    /// Hands `take` what has been sent and was not written out yet, as JSON lines.
    pub(crate) fn outputs(&mut self, take: &mut Take<'_>) -> Result<Summary> {
        let mut summary = Summary::default();
        for topic in self.outputs.clone() {
            let count = self.lines(&topic, take)?;
            summary.records += count;
            summary.topics.insert(short(&topic.to_string()), count);
        }
        Ok(summary)
    }

    /// Notes the first dead letters of the run in `summary`, and hands `take`, where there is one,
    /// all that were not written out yet, as JSON lines.
    pub(crate) fn dead_letters(
        &mut self,
        summary: &mut Summary,
        mut take: Option<&mut Take<'_>>,
    ) -> Result<()> {
        let all: Vec<_> = self.parts.iter().map(|part| part.dead_letters.clone()).collect();
        let mut seen = HashSet::new();
        for (topic, mut from) in all {
            if self.session.ends(&topic).is_empty() || !seen.insert(topic.clone()) {
                continue;
            }
            summary.dead_letters += self.session.read(&topic, &mut from, |record| {
                if summary.first_dead_letters.len() < DEAD_LETTERS_SHOWN {
                    let (file, places) = &self.loaded;
                    summary.first_dead_letters.push(DeadLetter::of(record, file, places));
                }
                Ok(())
            })?;
            if let Some(take) = &mut take {
                self.lines(&topic, take)?;
            }
        }
        Ok(())
    }

    /// The windows that are in force, where the first function has some.
    pub(crate) fn window(&self) -> Option<&WindowSpec> {
        self.parts.first().and_then(|part| part.spec.window.as_ref())
    }

    /// What to warn of after a run in which the functions were called: configuration that they never
    /// read.
    pub(crate) fn config_warnings(&self) -> Vec<String> {
        self.parts.iter().flat_map(Part::config_warnings).collect()
    }

    /// Keeps in mind that all this has been written out.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if let Some(load) = self.load {
            self.written.set_load(load);
        }
        self.written.save()
    }

    /// Hands `take` what was not written out yet of a topic, in pieces. Answers how many there are.
    fn lines(&mut self, topic: &TopicName, take: &mut Take<'_>) -> Result<u64> {
        let name = short(&topic.to_string());
        let mut lines = Vec::new();
        let mut from = self.written.of(topic);
        let count = self.session.read(topic, &mut from, |record| {
            write_record(&name, record, &mut lines);
            if lines.len() >= OUTPUT_BYTES {
                take(&lines)?;
                lines.clear();
            }
            Ok(())
        })?;
        take(&lines)?;
        self.written.set(topic, from);
        Ok(count)
    }
}

/// What is read and not written by the functions, in the order of their inputs.
fn inputs_of(parts: &[Part]) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for input in parts.iter().flat_map(|part| &part.manifest.inputs) {
        let is_written = parts.iter().any(|part| part.writes(&input.topic));
        if !is_written && inputs.iter().all(|known| known.topic != input.topic) {
            inputs.push(input.clone());
        }
    }
    inputs
}

/// What is written and not read by the functions, in the order of their declarations.
fn outputs_of(parts: &[Part]) -> Vec<TopicName> {
    let mut outputs: Vec<TopicName> = Vec::new();
    for topic in parts.iter().flat_map(|part| &part.outputs) {
        if !parts.iter().any(|part| part.reads(topic)) && !outputs.contains(topic) {
            outputs.push(topic.clone());
        }
    }
    outputs
}

/// A name without the tenant `default`.
fn short(name: &str) -> String {
    name.strip_prefix("default/").unwrap_or(name).to_owned()
}

/// Shows log lines of functions on stderr as they come.
fn show_logs(node: &Node, at_least: LogLevel) {
    node.telemetry().on_log(move |line| {
        if line.level >= at_least {
            let level = format!("{:?}", line.level).to_lowercase();
            Ui::log(&format!("{level}: {}: {}", short(&line.task.to_string()), line.message));
        }
    });
}

//! Running one function over records to their end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressBar;
use pelton_batch::{Record, RecordsBuilder};
use pelton_core::manifest::OnPoison;
use pelton_core::window::WindowSpec;
use pelton_core::{GuestFactory, LogLevel, Manifest, TopicName};
use pelton_engine::{RetryPolicy, Settings};
use pelton_server::{DeploymentSpec, InputSpec, Node, PoisonSpec, Progress};
use serde::Serialize;

use crate::clock;
use crate::error::{CliError, Result};
use crate::input::{LoadOptions, Loaded, Places, RowReader, Target, load};
use crate::loading::{Held, Loading, UNDATED};
use crate::observed::{ConfigReads, Observed};
use crate::output::write_record;
use crate::session::{Session, wait};
use crate::ui::Ui;
use crate::written::Written;

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

/// A function, ready to run over its input.
pub(crate) struct Job {
    session: Session,
    manifest: Manifest,
    spec: DeploymentSpec,
    factory: Arc<dyn GuestFactory>,
    reads: Arc<ConfigReads>,
    /// What was loaded: its name, and the line of each record.
    loaded: (String, Places),
    /// The number of the input in the data directory, to be noted at the end.
    load: Option<u64>,
    /// Output topics in the order of the declaration.
    outputs: Vec<TopicName>,
    /// Their topic, and its ends before the run.
    dead_letters: (TopicName, Vec<u64>),
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

/// A record that the function could not do.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DeadLetter {
    /// The code of the fault.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// Which record: topic, partition and offset, or key.
    pub place: String,
    /// Where it stood in the input of this run, `file:line`.
    pub input: Option<String>,
}

impl Job {
    /// Compiles and opens the function on a node in `folder`, or in a temporary one.
    pub(crate) fn open(
        wasm: &[u8],
        manifest: &Manifest,
        folder: Option<&Path>,
        ui: &Ui,
    ) -> Result<Self> {
        let bar = ui.progress(None, "compiling");
        let session = Session::open(folder)?;
        show_logs(&session.node, if ui.is_verbose() { LogLevel::Trace } else { LogLevel::Warn });
        let mut spec = spec_of(manifest)?;
        let factory = session.node.load(wasm, &spec);
        bar.finish_and_clear();
        let (factory, reads) = Observed::new(factory?);
        let declared = factory.declaration();
        spec.complete(manifest, declared)?;
        let mut outputs = spec.output_topics(declared)?;
        let mut seen = HashSet::new();
        outputs.retain(|topic| seen.insert(topic.clone()));
        let dead_letters = manifest.dead_letter_topic();
        refuse_loop(manifest, &outputs, &spec.on_poison)?;
        let dead_letters = (dead_letters.clone(), session.ends(&dead_letters));
        let written = Written::open(folder, &manifest.function)?;
        for input in &manifest.inputs {
            session.node.ensure_topic(&input.topic, input.partitions)?;
        }
        for output in &manifest.outputs {
            if let Some(partitions) = output.partitions {
                session.node.ensure_topic(&output.topic, partitions)?;
            }
        }
        Ok(Self {
            session,
            manifest: manifest.clone(),
            spec,
            factory: Arc::new(factory),
            reads,
            loaded: Default::default(),
            load: None,
            outputs,
            dead_letters,
            written,
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
        let first = self.manifest.inputs.first().map(|input| short(&input.topic.to_string()));
        let is_kept = self.written.is_kept();
        let now_ms = clock::now_ms();
        let options = LoadOptions {
            file: from.file,
            topic: &first.unwrap_or_default(),
            now_ms: if is_kept { UNDATED } else { now_ms },
            skip_bad_lines: from.skip_bad_lines,
            limits: &self.manifest.limits,
        };
        let ends = self.manifest.inputs.iter().map(|input| {
            let ends = self.session.ends(&input.topic);
            (input.topic.to_string(), ends)
        });
        let node = &self.session.node;
        let mut target = Inputs {
            node,
            manifest: &self.manifest,
            held: is_kept.then(Vec::new),
            ends: ends.collect(),
            places: Places::default(),
        };
        let loaded = load(reader, &options, &mut target)?;
        let Inputs { held, mut places, .. } = target;
        if let Some(held) = held {
            let loading = Loading {
                journal: node.journal(),
                function: &self.manifest.function,
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

    /// Runs the function to the end of its input.
    pub(crate) fn run(&self, bar: &ProgressBar) -> Result<Progress> {
        let deployment = self.session.node.deploy(&self.spec, Arc::clone(&self.factory))?;
        let progress = wait(&deployment, bar)?;
        self.session.node.sync()?;
        Ok(progress)
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
        take: Option<&mut Take<'_>>,
    ) -> Result<()> {
        let (topic, mut from) = self.dead_letters.clone();
        if self.session.ends(&topic).is_empty() {
            return Ok(());
        }
        summary.dead_letters = self.session.read(&topic, &mut from, |record| {
            if summary.first_dead_letters.len() < DEAD_LETTERS_SHOWN {
                let (file, places) = &self.loaded;
                summary.first_dead_letters.push(DeadLetter::of(record, file, places));
            }
            Ok(())
        })?;
        take.map_or(Ok(0), |take| self.lines(&topic, take)).map(drop)
    }

    /// The windows that are in force, where the function has some.
    pub(crate) fn window(&self) -> Option<&WindowSpec> {
        self.spec.window.as_ref()
    }

    /// What to warn of after a run in which the function was called: configuration that it never
    /// read.
    pub(crate) fn config_warnings(&self) -> Vec<String> {
        self.reads.warnings(self.manifest.config.keys())
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

impl DeadLetter {
    fn of(record: &Record<'_>, file: &str, places: &Places) -> Self {
        let text =
            |name| record.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let key = record.key().map(|key| String::from_utf8_lossy(key).into_owned());
        let (place, line) = match (text("pelton-topic"), text("pelton-offset")) {
            (Some(topic), Some(offset)) => {
                let partition = text("pelton-partition").unwrap_or_default();
                let numbers = partition.parse().ok().zip(offset.parse().ok());
                let line = numbers.and_then(|(number, at)| places.line(&topic, number, at));
                (format!("{}:{partition}:{offset}", short(&topic)), line)
            }
            _ => (format!("key {}", key.unwrap_or_else(|| "null".into())), None),
        };
        Self {
            code: text("pelton-code").unwrap_or_default(),
            message: text("pelton-message").unwrap_or_default(),
            place,
            input: line.map(|line| format!("{file}:{line}")),
        }
    }
}

/// Refuses a function that reads what it writes: its input would never end.
fn refuse_loop(manifest: &Manifest, outputs: &[TopicName], on_poison: &PoisonSpec) -> Result<()> {
    let read = |topic: &&TopicName| manifest.inputs.iter().any(|input| input.topic == **topic);
    let (what, topic) = match (outputs.iter().find(read), on_poison) {
        (Some(topic), _) => ("an [[output]]", topic),
        (None, PoisonSpec::DeadLetter(topic)) if read(&topic) => ("dead_letter", topic),
        _ => return Ok(()),
    };
    let text = format!(
        "{}: the topic {} is an [[input]] and {what} at once: a run to the end of its input would \
         never end",
        manifest.function.name(),
        short(&topic.to_string())
    );
    let next = "give one of the two another topic in pelton.toml";
    Err(CliError::bad_input("E-INPUT-LOOP", text).next(next))
}

/// A name without the tenant `default`.
fn short(name: &str) -> String {
    name.strip_prefix("default/").unwrap_or(name).to_owned()
}

/// What a manifest asks for, all but what depends on the function's declaration.
pub(crate) fn spec_of(manifest: &Manifest) -> Result<DeploymentSpec> {
    let inputs = manifest.inputs.iter().map(InputSpec::from);
    let mut spec = DeploymentSpec::new(manifest.function.clone(), inputs.collect());
    let outputs = manifest.outputs.iter();
    spec.outputs = outputs.map(|output| (output.name.clone(), output.topic.clone())).collect();
    spec.bounded = true;
    spec.limits = manifest.limits.clone();
    spec.settings = Settings { entries: manifest.config.clone(), secrets: secrets(manifest)? };
    spec.on_poison = match manifest.delivery.on_poison {
        OnPoison::DeadLetter => PoisonSpec::DeadLetter(manifest.dead_letter_topic()),
        OnPoison::Skip => PoisonSpec::Skip,
        OnPoison::Halt => PoisonSpec::Halt,
    };
    if let Some(retries) = manifest.delivery.retries {
        spec.retry = RetryPolicy { attempts_max: retries.saturating_add(1), ..spec.retry };
    }
    let idle = manifest.inputs.iter().filter_map(|input| input.idle_timeout_ms).min();
    spec.idle_timeout_ms = idle.unwrap_or(spec.idle_timeout_ms);
    Ok(spec)
}

/// The values of the secrets that the manifest names, from the environment.
fn secrets(manifest: &Manifest) -> Result<BTreeMap<String, String>> {
    let mut secrets = BTreeMap::new();
    for name in &manifest.secrets {
        let variable = format!("PELTON_SECRET_{}", name.to_uppercase().replace(['-', '.'], "_"));
        let value = std::env::var(&variable).map_err(|_| {
            let text = format!("the manifest names the secret `{name}`, but {variable} is not set");
            CliError::bad_input("E-SECRET-MISSING", text)
                .next(format!("set {variable} and run it again"))
        })?;
        secrets.insert(name.clone(), value);
    }
    Ok(secrets)
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

/// The input topics as a place for rows.
struct Inputs<'a> {
    node: &'a Node,
    manifest: &'a Manifest,
    /// Batches that are not to be appended yet.
    held: Option<Vec<Held>>,
    /// The ends of the topics' partitions before anything is appended.
    ends: HashMap<String, Vec<u64>>,
    places: Places,
}

impl Inputs<'_> {
    /// The input that a row's topic means: a topic, or an input's name. A single input takes all.
    fn find(&self, topic: &str) -> Option<&pelton_core::manifest::Input> {
        let named = |input: &&pelton_core::manifest::Input| {
            let full = input.topic.to_string();
            input.name == topic || input.topic.name() == topic || full == topic
        };
        match self.manifest.inputs.as_slice() {
            [only] => Some(only),
            inputs => inputs.iter().find(named),
        }
    }
}

impl Target for Inputs<'_> {
    fn partitions(&self, topic: &str) -> Option<u32> {
        self.find(topic).map(|input| input.partitions)
    }

    fn append(
        &mut self,
        topic: &str,
        partition: u32,
        records: &mut RecordsBuilder,
        lines: &[u64],
    ) -> Result<()> {
        let Some(input) = self.find(topic) else { return Ok(()) };
        let topic = input.topic.clone();
        let name = topic.to_string();
        let ends = self.ends.get(&name).and_then(|ends| ends.get(partition as usize));
        self.places.add(name, partition, ends.copied().unwrap_or_default(), lines);
        match &mut self.held {
            Some(held) => {
                let (count, bytes) = (records.len() as u64, records.finish());
                held.push(Held { topic, partition, records: count, bytes });
            }
            None => drop(self.node.append(&topic, partition, records)?),
        }
        Ok(())
    }
}

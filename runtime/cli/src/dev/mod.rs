//! The inner loop: watch, build, swap, and show what goes in and comes out.

mod build;
mod input;
mod server;
mod show;
mod sources;
mod subject;
mod tail;
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use pelton_core::manifest::FILE_NAME;
use pelton_server::functions::{
    Event as Happened, EventKind, FunctionStatus, Outcome, PipelineState, PipelineStatus,
    TrialState,
};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{Client, Consumed};
use crate::clock::Stopwatch;
use crate::commands::deploy::{Asked, deploy, deploy_pipeline};
use crate::commands::logs::Line;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::input::InputArgs;
use crate::project::pipeline::PipelineProject;
use crate::ui::Ui;
use build::{Build, Built};
pub(crate) use server::Embedded;
pub(crate) use sources::Sources;
pub(crate) use subject::Subject;
use tail::Role;

/// How often it looks at signals, the disk and a trial.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a deployment waits for its first commit: who waits for records is told later.
const TRIAL_WAIT: Duration = Duration::from_millis(100);
/// Events on their way: whoever has more waits.
const EVENTS_MAX: usize = 256;

/// Something that has happened.
pub(crate) enum Event {
    /// Sources have.
    Changed(Vec<PathBuf>),
    /// The build says this.
    BuildLine(String),
    Built(Built),
    Records {
        role: Role,
        topic: String,
        records: Vec<Consumed>,
    },
    /// A function has logged this.
    Log(String, Line),
    /// A record that was given cannot be used.
    BadInput(CliError),
    /// Something that passes.
    Trouble(String),
}

/// What to develop, and where.
pub(crate) struct Project {
    /// The project's folder.
    pub folder: PathBuf,
    /// What its manifest described at the start: the name holds for the session.
    pub subject: Subject,
    /// Files and folders in it that are results.
    pub results: Vec<PathBuf>,
    /// What to produce once the function runs.
    pub inputs: Vec<InputArgs>,
}

/// A session.
pub(crate) struct Dev<'a> {
    project: Project,
    client: Client,
    ui: &'a mut Ui,
    sender: SyncSender<Event>,
    events: Receiver<Event>,
    building: Option<Build>,
    /// What was saved while it builds.
    waiting: Vec<PathBuf>,
    output: Vec<String>,
    /// The version that runs.
    running: Option<u64>,
    on_trial: Option<u64>,
    /// Where topics ended when the session began.
    ends: BTreeMap<String, String>,
    tailed: HashSet<String>,
    /// Functions whose logs are followed.
    logged: HashSet<String>,
    /// The topics that the running version reads.
    reads: input::Topics,
    has_input: bool,
}

/// What has happened to a function or a pipeline.
#[derive(Deserialize)]
struct History {
    active: u64,
    events: Vec<Happened>,
}

#[derive(Deserialize)]
struct Topics {
    topics: Vec<Topic>,
}

#[derive(Deserialize)]
struct Topic {
    name: String,
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    partition: u32,
    durable: u64,
}

impl Topic {
    /// Behind its newest record, as a cursor.
    fn end(&self) -> String {
        let place = |p: &Partition| format!("{}:{}", p.partition, p.durable);
        self.partitions.iter().map(place).collect::<Vec<_>>().join(",")
    }
}

impl<'a> Dev<'a> {
    /// A session that has built nothing yet. Topics that the function reads are there then.
    ///
    /// # Errors
    /// What the server answers.
    pub(crate) fn begin(project: Project, client: Client, ui: &'a mut Ui) -> Result<Self> {
        let (sender, events) = sync_channel(EVENTS_MAX);
        let Topics { topics } = client.get(&["topics"])?;
        let ends = topics.iter().map(|topic| (topic.name.clone(), topic.end())).collect();
        let dev = Self {
            project,
            client,
            ui,
            sender,
            events,
            building: None,
            waiting: Vec::new(),
            output: Vec::new(),
            running: None,
            on_trial: None,
            ends,
            tailed: HashSet::new(),
            logged: HashSet::new(),
            reads: input::Topics::default(),
            has_input: false,
        };
        dev.make_inputs(&dev.project.subject)?;
        Ok(dev)
    }

    /// Creates the topics that the function is to read, where they are missing.
    fn make_inputs(&self, subject: &Subject) -> Result<()> {
        for input in subject.inputs() {
            let name = self.own(&input.topic.to_string());
            let made = || {
                let body = json!({ "name": name, "partitions": input.partitions });
                self.client.post::<Value>(&["topics"], &body, Duration::ZERO)
            };
            match self.client.get::<Value>(&["topics", &name]) {
                Err(failed) if failed.error.code == "E-TOPIC-UNKNOWN" => drop(made()?),
                there => drop(there?),
            }
        }
        Ok(())
    }

    /// Builds, and goes on with every change until `signals` says that it is over or `health` that it
    /// cannot go on.
    ///
    /// # Errors
    /// What makes it impossible to go on: the folder cannot be watched, the disk fails.
    pub(crate) fn run(
        mut self,
        signals: &Receiver<()>,
        health: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let sources = Sources::new(&self.project.folder, self.project.results.clone());
        let sender = self.sender.clone();
        watch::watch(sources, move |paths| sender.send(Event::Changed(paths)).is_ok())?;
        self.build(&[])?;
        while signals.try_recv().is_err() && !self.ui.reader_gone() {
            match self.events.recv_timeout(LOOK_EVERY) {
                Ok(event) => self.handle(event)?,
                Err(RecvTimeoutError::Timeout) => self.look_at_trial()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
            health()?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Changed(paths) if self.building.is_some() => {
                // Cargo writes its own lock file.
                let saved = paths.into_iter().filter(|path| !path.ends_with("Cargo.lock"));
                self.waiting.extend(saved);
            }
            Event::Changed(paths) => self.build(&paths)?,
            Event::BuildLine(line) => {
                self.ui.note(&line);
                self.output.push(line);
            }
            Event::Built(built) => self.built(built)?,
            Event::Records { role, topic, records } => {
                for record in records {
                    show::record(role, &topic, record, self.ui)?;
                }
            }
            Event::Log(function, line) => {
                let several = self.project.subject.functions().len() > 1;
                show::log(several.then_some(&*function), &line, self.ui)?;
            }
            Event::BadInput(error) => drop(self.ui.show_error(&error)),
            Event::Trouble(text) => self.ui.warn(text),
        }
        Ok(())
    }

    fn build(&mut self, changes: &[PathBuf]) -> Result<()> {
        show::building(&self.project.folder, changes, self.ui)?;
        self.output.clear();
        let (lines, end) = (self.sender.clone(), self.sender.clone());
        let line = move |line| drop(lines.send(Event::BuildLine(line)));
        let end = move |built| drop(end.send(Event::Built(built)));
        let color = self.ui.paints_errors();
        self.building = Some(Build::start(&self.project.folder, color, line, end)?);
        Ok(())
    }

    /// Deploys what was built; what was saved meanwhile is built next.
    fn built(&mut self, built: Built) -> Result<()> {
        self.building.take().into_iter().for_each(Build::ended);
        if let Err(error) = built.wasm.and_then(|wasm| self.deploy(wasm.as_deref(), built.seconds))
        {
            show::failed(&error, self.running, &self.output, self.ui)?;
        }
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() { Ok(()) } else { self.build(&waiting) }
    }

    /// Deploys what was built: `wasm`, or, without one, the modules of a pipeline.
    fn deploy(&mut self, wasm: Option<&Path>, build: f64) -> Result<()> {
        let folder = self.project.folder.clone();
        let now = Subject::read(&folder)?;
        self.project.subject.check_same(&now)?;
        self.make_inputs(&now)?;
        let clock = Stopwatch::start();
        let (version, on_trial) = match (wasm, PipelineProject::find(&folder, None)?) {
            (None, Some(pipeline)) => {
                let modules = pipeline.built()?;
                let report = deploy_pipeline(&self.client, &pipeline, &modules, false, TRIAL_WAIT)?;
                show::live_pipeline(&report, build, clock.seconds(), self.ui)?;
                (report.version, report.is_on_trial() && report.before.is_some())
            }
            (wasm, _) => {
                let asked = Asked { wait: TRIAL_WAIT, ..Asked::default() };
                let wasm = wasm.unwrap_or(Path::new(""));
                let report = deploy(&self.client, wasm, &folder.join(FILE_NAME), &asked)?;
                show::live(&report, build, clock.seconds(), self.ui)?;
                let swapped = report.outcome == Outcome::Swapped;
                (report.version, report.trial == TrialState::OnTrial && swapped)
            }
        };
        self.running = Some(version);
        self.on_trial = on_trial.then_some(version);
        let reads = now.inputs().into_iter().map(|input| self.own(&input.topic.to_string()));
        let reads: Vec<_> = reads.collect();
        *self.reads.write().unwrap_or_else(PoisonError::into_inner) = reads;
        self.follow(&now)
    }

    /// Follows every topic and every function that is not followed yet, and gives the first input.
    fn follow(&mut self, now: &Subject) -> Result<()> {
        let names: Vec<_> =
            now.functions().iter().map(|manifest| manifest.function.name().to_owned()).collect();
        let reads = self.reads.read().unwrap_or_else(PoisonError::into_inner).clone();
        for topic in reads {
            self.tail(topic, Role::Input);
        }
        for name in names {
            let status: FunctionStatus = self.client.get(&["functions", &name])?;
            for topic in status.outputs.values() {
                self.tail(self.own(topic), Role::Output);
            }
            if let Some(topic) = &status.dead_letters {
                self.tail(self.own(topic), Role::DeadLetter);
            }
            if self.logged.insert(name.clone()) {
                tail::logs(self.client.clone(), name, self.sender.clone());
            }
        }
        if !self.has_input {
            self.has_input = true;
            self.ui.next(
                "type a record, such as {\"key\":\"k\",\"value\":{}}, or edit the source; Ctrl-C ends",
            );
            let given = std::mem::take(&mut self.project.inputs);
            input::produce(&self.client, &self.reads, given, &self.sender)?;
        }
        Ok(())
    }

    /// Follows a topic that is there and not followed yet. Where records go that a function does not
    /// make (it halts, or skips) there may be none.
    fn tail(&mut self, topic: String, role: Role) {
        let exists = || self.client.get::<Value>(&["topics", &topic]).is_ok();
        if !self.tailed.contains(&topic) && exists() {
            let from = self.ends.get(&topic).cloned().unwrap_or_else(|| "earliest".to_owned());
            tail::topic(self.client.clone(), topic.clone(), role, from, self.sender.clone());
            self.tailed.insert(topic);
        }
    }

    /// A topic's name in the client's tenant.
    fn own(&self, topic: &str) -> String {
        let own = topic.strip_prefix(self.client.tenant()).and_then(|own| own.strip_prefix('/'));
        own.unwrap_or(topic).to_owned()
    }

    /// Tells how a trial has ended that had to wait for its first record.
    fn look_at_trial(&mut self) -> Result<()> {
        let Some(version) = self.on_trial else { return Ok(()) };
        let [kind, name] = self.project.subject.parts();
        let call = self.client.call(Method::GET, &[kind, name, "versions"]);
        let Ok(history) = self.client.json::<History>(call) else { return Ok(()) };
        let newest = history.events.iter().rev().find(|event| event.version == version);
        match newest.map(|event| (event.kind, event.message.as_deref())) {
            Some((EventKind::TrialFailed, message)) => {
                self.on_trial = None;
                self.running = Some(history.active);
                let text = message.unwrap_or("the version failed before its first commit");
                let text = text.trim_end_matches(" [E-DEPLOY-TRIAL]");
                let error = CliError::new("E-DEPLOY-TRIAL", Exit::Function, text);
                show::failed(&error, self.running, &[], self.ui)?;
            }
            Some((EventKind::Deployed, _)) if !self.has_passed() => {}
            _ => self.on_trial = None,
        }
        Ok(())
    }

    /// Whether a pipeline is over its trial; a function tells that by an event.
    fn has_passed(&self) -> bool {
        let Subject::Pipeline(pipeline) = &self.project.subject else { return false };
        let call = self.client.call(Method::GET, &["pipelines", pipeline.pipeline.name()]);
        let status = self.client.json::<PipelineStatus>(call);
        status.is_ok_and(|status| status.state == PipelineState::Running)
    }
}

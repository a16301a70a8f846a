//! What a deployment asks for, and what its tasks are told.

use std::collections::BTreeMap;

use pelton_core::manifest::{self, BatchLimits, Manifest};
use pelton_core::window::WindowSpec;
use pelton_core::{
    Declaration, Domain, Error, EventTime, FunctionId, Limits, Result, Start, TaskId, TopicName,
    TopicPartition,
};
use pelton_engine::{
    InputConfig, NullKey, OnPoison, OutputTopic, RetryPolicy, Settings, TaskConfig,
};

/// A subscription.
#[derive(Debug, Clone)]
pub struct InputSpec {
    /// The topic.
    pub topic: TopicName,
    /// What the function calls it.
    pub name: String,
    /// Where to start when the function has no position of its own.
    pub start: Start,
    /// How far, in ms, a record may be behind the newest before it counts as late.
    pub out_of_orderness_ms: i64,
    /// Where its records say when they happened; absent: their timestamps do.
    pub event_time: Option<EventTime>,
    /// Whether what functions have written brings their watermarks with it.
    pub carried: bool,
    /// Whether each task reads all of its partitions.
    pub broadcast: bool,
    /// How much of it goes into a call.
    pub batch: BatchLimits,
}

impl From<&manifest::Input> for InputSpec {
    fn from(input: &manifest::Input) -> Self {
        Self {
            topic: input.topic.clone(),
            name: input.name.clone(),
            start: input.start,
            out_of_orderness_ms: input.out_of_orderness_ms,
            event_time: input.event_time.clone(),
            carried: input.carried,
            broadcast: input.broadcast,
            batch: input.batch,
        }
    }
}

impl InputSpec {
    /// A subscription from the start of the topic, for records in order, by the topic's name.
    #[must_use]
    pub fn new(topic: TopicName) -> Self {
        let name = topic.name().to_string();
        let batch = BatchLimits::default();
        let start = Start::Earliest;
        Self {
            topic,
            name,
            start,
            out_of_orderness_ms: 0,
            event_time: None,
            carried: true,
            broadcast: false,
            batch,
        }
    }
}

/// What a deployment has to know of topics to configure its tasks.
#[derive(Debug, Default)]
pub(crate) struct TaskTopics {
    /// Those of the declared outputs, in their order.
    pub(crate) outputs: Vec<OutputTopic>,
    /// Numbers of partitions of inputs that are broadcast.
    pub(crate) broadcast: BTreeMap<TopicName, u32>,
}

/// What becomes of records that the function cannot get past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoisonSpec {
    /// They go to this topic.
    DeadLetter(TopicName),
    /// They are counted and left behind.
    Skip,
    /// The function stops before them.
    Halt,
}

/// The value of a secret from this process's environment: `api-key` is `PELTON_SECRET_API_KEY`.
///
/// # Errors
/// `E-SECRET-MISSING` names the variable that is not set.
pub fn secret_from_environment(name: &str) -> Result<String> {
    let variable = format!("PELTON_SECRET_{}", name.to_uppercase().replace(['-', '.'], "_"));
    std::env::var(&variable).map_err(|_| {
        let text = format!(
            "the manifest names the secret `{name}`, but {variable} is not set; set it where \
             pelton is started"
        );
        Error::new("E-SECRET-MISSING", Domain::User, text)
    })
}

/// What a deployment asks for.
#[derive(Debug, Clone)]
pub struct DeploymentSpec {
    /// The function.
    pub function: FunctionId,
    /// The version of its code.
    pub deployment: u64,
    /// Subscriptions, in the order of the input index.
    pub inputs: Vec<InputSpec>,
    /// Topics by the name of the declared output.
    pub outputs: BTreeMap<String, TopicName>,
    /// Windows in place of those that the function declared.
    pub window: Option<WindowSpec>,
    /// What becomes of poison.
    pub on_poison: PoisonSpec,
    /// What a windowed function does with records that have no key.
    pub null_key: NullKey,
    /// Limits.
    pub limits: Limits,
    /// Retries and breaker.
    pub retry: RetryPolicy,
    /// Configuration and secrets.
    pub settings: Settings,
    /// Whether it ends when its inputs end.
    pub bounded: bool,
    /// How long an input must have been empty to count as idle, ms.
    pub idle_timeout_ms: i64,
    /// How long after a commit records wait for others before the next call, ms.
    pub commit_interval_ms: i64,
    /// How long values of a store stay that are written without a time to live, ms, by its name.
    pub store_ttls: BTreeMap<String, i64>,
    /// Share of CPU time beside other tenants, at least 1.
    pub weight: u32,
    /// A task takes a snapshot when its changes since the last one are this many bytes, and as
    /// large as its state.
    pub snapshot_after_bytes: u64,
}

impl DeploymentSpec {
    /// A deployment with defaults: poison halts, unbounded.
    #[must_use]
    pub fn new(function: FunctionId, inputs: Vec<InputSpec>) -> Self {
        Self {
            function,
            deployment: 1,
            inputs,
            outputs: BTreeMap::new(),
            window: None,
            on_poison: PoisonSpec::Halt,
            null_key: NullKey::Reject,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            settings: Settings::default(),
            bounded: false,
            idle_timeout_ms: 10_000,
            commit_interval_ms: 0,
            store_ttls: BTreeMap::new(),
            weight: 1,
            snapshot_after_bytes: 64 << 20,
        }
    }

    /// What a manifest asks for, all but its window, which depends on what the function declares:
    /// see [`Self::complete`]. `secret` gives the value of a secret by its name.
    ///
    /// # Errors
    /// What `secret` answers.
    pub fn from_manifest(
        manifest: &Manifest,
        mut secret: impl FnMut(&str) -> Result<String>,
    ) -> Result<Self> {
        let inputs = manifest.inputs.iter().map(InputSpec::from);
        let mut spec = Self::new(manifest.function.clone(), inputs.collect());
        let outputs = manifest.outputs.iter();
        spec.outputs = outputs.map(|output| (output.name.clone(), output.topic.clone())).collect();
        spec.limits = manifest.limits.clone();
        let secrets = manifest.secrets.iter().map(|name| Ok((name.clone(), secret(name)?)));
        spec.settings = Settings {
            entries: manifest.config.clone(),
            secrets: secrets.collect::<Result<BTreeMap<_, _>>>()?,
        };
        spec.on_poison = match manifest.delivery.on_poison {
            manifest::OnPoison::DeadLetter => PoisonSpec::DeadLetter(manifest.dead_letter_topic()),
            manifest::OnPoison::Skip => PoisonSpec::Skip,
            manifest::OnPoison::Halt => PoisonSpec::Halt,
        };
        if let Some(retries) = manifest.delivery.retries {
            spec.retry = RetryPolicy { attempts_max: retries.saturating_add(1), ..spec.retry };
        }
        let idle = manifest.inputs.iter().filter_map(|input| input.idle_timeout_ms).min();
        spec.idle_timeout_ms = idle.unwrap_or(spec.idle_timeout_ms);
        spec.commit_interval_ms = manifest.delivery.commit_interval_ms;
        Ok(spec)
    }

    /// Completes what depends on the function's declaration: the window in force, and for each
    /// output without a topic the topic of its own name.
    ///
    /// # Errors
    /// `E-MANIFEST-WINDOW` where the manifest's window does not go with the declared one,
    /// `E-MANIFEST-STORE` where the function keeps other state than the manifest lists,
    /// `E-MANIFEST-EVENT-TIME` where only one of them says that the function tells event time.
    pub fn complete(&mut self, manifest: &Manifest, declared: &Declaration) -> Result<()> {
        manifest.check_stores(&declared.stores)?;
        manifest.check_event_time(declared.tells_time)?;
        let ttls =
            manifest.stores.iter().filter_map(|store| Some((store.name.clone(), store.ttl_ms?)));
        self.store_ttls = ttls.collect();
        self.window = manifest.window.apply(declared.window.as_ref(), &declared.outputs)?;
        for name in &declared.outputs {
            let topic = TopicName::new(manifest.function.tenant().clone(), name);
            if let (false, Ok(topic)) = (self.outputs.contains_key(name), topic) {
                self.outputs.insert(name.clone(), topic);
            }
        }
        Ok(())
    }

    /// The topic of each declared output, in the order of the declaration.
    ///
    /// # Errors
    /// `E-OUTPUT-UNMAPPED` names an output without a topic, `E-OUTPUT-UNDECLARED` a topic for an
    /// output that the function does not have.
    pub fn output_topics(&self, declared: &Declaration) -> Result<Vec<TopicName>> {
        let user = |code, text: String| Error::new(code, Domain::User, text);
        if let Some(name) = self.outputs.keys().find(|name| !declared.outputs.contains(name)) {
            let known = declared.outputs.join(", ");
            let text = format!(
                "{} has no output `{name}`; it declares: {known}; rename or remove it in [[output]]",
                self.function
            );
            return Err(user("E-OUTPUT-UNDECLARED", text));
        }
        if self.window.is_some() && declared.window.is_none() {
            let text = format!(
                "{} declares no windows, so that window settings do nothing; remove them, or build \
                 the function with `aggregate!` or `window!`",
                self.function
            );
            return Err(user("E-WINDOW-UNDECLARED", text));
        }
        let topic = |name: &String| {
            self.outputs.get(name).cloned().ok_or_else(|| {
                let text = format!(
                    "{} writes to output `{name}`, which has no topic; add an [[output]] with \
                     name = \"{name}\" and its topic",
                    self.function
                );
                user("E-OUTPUT-UNMAPPED", text)
            })
        };
        self.limits.output_topics.check(declared.outputs.len() as u64, "the declared outputs")?;
        declared.outputs.iter().map(topic).collect()
    }

    /// The configuration of the task of partition `partition`.
    pub(crate) fn task(
        &self,
        partition: u32,
        declared: &Declaration,
        topics: &TaskTopics,
        dead_letters: Option<&OutputTopic>,
    ) -> TaskConfig {
        let of_input = |(number, input): (u16, &InputSpec)| {
            let partitions = match topics.broadcast.get(&input.topic) {
                Some(partitions) if input.broadcast => 0..*partitions,
                _ => partition..partition + 1,
            };
            let config = InputConfig {
                partition: TopicPartition::local(input.topic.clone(), partition),
                input: Some(number),
                start: input.start,
                out_of_orderness_ms: input.out_of_orderness_ms,
                event_time: input.event_time.clone(),
                carried: input.carried,
                batch: input.batch,
            };
            partitions.map(move |partition| {
                let partition = TopicPartition::local(config.partition.topic.clone(), partition);
                InputConfig { partition, ..config.clone() }
            })
        };
        let store_ttls = declared.stores.iter();
        let store_ttls =
            store_ttls.map(|store| self.store_ttls.get(&store.name).copied().unwrap_or(0));
        let mut declaration = declared.clone();
        if self.window.is_some() {
            declaration.window.clone_from(&self.window);
        }
        let id = TaskId { function: self.function.clone(), partition };
        let inputs = (0..).zip(&self.inputs).flat_map(of_input).collect();
        let on_poison = match (&self.on_poison, dead_letters) {
            (PoisonSpec::DeadLetter(_), Some(topic)) => OnPoison::DeadLetter(topic.clone()),
            (PoisonSpec::Skip, _) => OnPoison::Skip,
            _ => OnPoison::Halt,
        };
        TaskConfig {
            deployment: self.deployment,
            outputs: topics.outputs.clone(),
            on_poison,
            null_key: self.null_key,
            limits: self.limits.clone(),
            retry: self.retry,
            bounded: self.bounded,
            idle_timeout_ms: self.idle_timeout_ms,
            commit_interval_ms: self.commit_interval_ms,
            store_ttls: store_ttls.collect(),
            settings: self.settings.clone(),
            snapshot_after_bytes: self.snapshot_after_bytes,
            ..TaskConfig::new(id, inputs, declaration)
        }
    }
}

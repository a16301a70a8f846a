//! The manifest, `pelton.toml`: what belongs to a deployment beside its code.
//!
//! An unknown key is an error. All problems of a file are reported at once, each with file, line
//! and what is allowed there.

mod build;
mod canary;
mod file;
pub mod keys;
mod pipeline;
mod problem;
mod profile;
mod section;
mod store;
mod units;
mod window;

use std::collections::BTreeMap;

use crate::declaration::StoreDeclaration;
use crate::error::{Domain, Error, Result};
use crate::ids::{FunctionId, TopicName};
use crate::limits::Limits;
use crate::source::Start;
use crate::time::EventTime;

pub use canary::{Canary, parse_share};
pub use file::ManifestFile;
pub use pipeline::{Member, PipelineManifest, Topic};
pub use problem::{ManifestError, Problem};
pub use profile::flatten;
pub use store::Store;
pub use units::{duration_text, parse_bytes, parse_duration_ms};
pub use window::WindowSettings;

/// The name of the file.
pub const FILE_NAME: &str = "pelton.toml";

/// A manifest that has been read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The function that this is a deployment of.
    pub function: FunctionId,
    /// How the code is built.
    pub build: Build,
    /// What the function reads, in the order of the input index.
    pub inputs: Vec<Input>,
    /// Where the function's outputs go.
    pub outputs: Vec<Output>,
    /// The stores that the function is expected to keep; empty: whatever it declares.
    pub stores: Vec<Store>,
    /// What replaces parts of the window that the function declares.
    pub window: WindowSettings,
    /// Configuration entries.
    pub config: BTreeMap<String, String>,
    /// Names of the secrets that the function may read; their values are never in the manifest.
    pub secrets: Vec<String>,
    /// Limits, set where the manifest names them.
    pub limits: Limits,
    /// When it commits, and what happens to records that the function cannot do.
    pub delivery: Delivery,
    /// What a canary is by default.
    pub canary: Canary,
}

/// `[build]`: how the code is built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Build {
    /// A shell command, run in the folder of the manifest; absent: Cargo.
    pub command: Option<String>,
    /// The `.wasm` that the command makes, relative to the manifest.
    pub file: Option<String>,
}

/// `[[input]]`: a topic that the function reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The topic.
    pub topic: TopicName,
    /// What the function calls it; the topic's name where the manifest gives none.
    pub name: String,
    /// How far behind the highest timestamp a record may come and still be on time, ms.
    pub out_of_orderness_ms: i64,
    /// Where its records say when they happened; absent: their timestamps do.
    pub event_time: Option<EventTime>,
    /// Whether what functions have written brings their watermarks with it. Then those count, and
    /// `out_of_orderness_ms` only for what others have written.
    pub carried: bool,
    /// After how long without a record the input is no longer waited for, ms; absent: never.
    pub idle_timeout_ms: Option<i64>,
    /// Where to start where the function has never read it.
    pub start: Start,
    /// Number of partitions, where the topic has to be created.
    pub partitions: u32,
    /// Whether each task reads all of its partitions, and not the one with the task's number.
    pub broadcast: bool,
    /// How much of it goes into a call.
    pub batch: BatchLimits,
}

/// How much of an input goes into one call. Neither changes a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchLimits {
    /// Most records; absent: as many as the limits of the deployment let in.
    pub records: Option<u32>,
    /// About the most bytes; a record that is larger comes alone. Absent: as with `records`.
    pub bytes: Option<u64>,
    /// How long a record waits for others to come, ms; 0: not at all.
    pub max_wait_ms: i64,
}

impl Input {
    /// An input with the manifest's defaults: in order, never idle, from the oldest record, one
    /// partition.
    #[must_use]
    pub fn new(topic: TopicName) -> Self {
        let name = topic.name().to_owned();
        Self {
            topic,
            name,
            out_of_orderness_ms: 0,
            event_time: None,
            carried: true,
            idle_timeout_ms: None,
            start: Start::Earliest,
            partitions: 1,
            broadcast: false,
            batch: BatchLimits::default(),
        }
    }
}

/// `[[output]]`: where a declared output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The name that the function declares.
    pub name: String,
    /// The topic.
    pub topic: TopicName,
    /// Number of partitions, where the topic has to be created; absent: as many as the first
    /// input has.
    pub partitions: Option<u32>,
}

/// What happens to a record that the function cannot do, once it stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnPoison {
    /// It goes to the dead letters, and the function goes on.
    #[default]
    DeadLetter,
    /// The function stops before it.
    Halt,
    /// It is counted and left out.
    Skip,
}

/// `[delivery]`: when a function commits, and what happens to records that it cannot do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// How often a retryable failure is tried again before it counts as poison; absent: 9 times.
    pub retries: Option<u32>,
    /// What happens to poison.
    pub on_poison: OnPoison,
    /// Where dead letters go; absent: see [`Manifest::dead_letter_topic`].
    pub dead_letter: Option<TopicName>,
    /// How long after a commit records wait for others before the next call, ms; 0: not at all.
    pub commit_interval_ms: i64,
}

impl Manifest {
    /// A manifest with nothing but the function's identity.
    #[must_use]
    pub fn new(function: FunctionId) -> Self {
        Self {
            function,
            build: Build::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            stores: Vec::new(),
            window: WindowSettings::default(),
            config: BTreeMap::new(),
            secrets: Vec::new(),
            limits: Limits::default(),
            delivery: Delivery::default(),
            canary: Canary::default(),
        }
    }

    /// Reads the manifest in `text`; `file` names it in errors.
    ///
    /// # Errors
    /// [`ManifestError`] with every problem that was found.
    pub fn parse(text: &str, file: &str) -> std::result::Result<Self, ManifestError> {
        ManifestFile::parse(text, file, None)?.function(file)
    }

    /// Reads the manifest in `text` under its `[profile.NAME]`.
    ///
    /// # Errors
    /// [`ManifestError`] with every problem that was found, one of which may be that there is no such
    /// profile.
    pub fn parse_profile(
        text: &str,
        file: &str,
        profile: &str,
    ) -> std::result::Result<Self, ManifestError> {
        ManifestFile::parse(text, file, Some(profile))?.function(file)
    }

    /// Whether the function keeps the state that `[[store]]` lists, and no other.
    ///
    /// # Errors
    /// `E-MANIFEST-STORE` names the store that is not as listed.
    pub fn check_stores(&self, declared: &[StoreDeclaration]) -> Result<()> {
        store::check(&self.stores, declared)
    }

    /// Whether the function `tells` event time where an input asks it to, and only there.
    ///
    /// # Errors
    /// `E-MANIFEST-EVENT-TIME` says on which side it is missing.
    pub fn check_event_time(&self, tells: bool) -> Result<()> {
        let asks = |input: &&Input| input.event_time.as_ref().is_some_and(EventTime::is_guest);
        let text = match (self.inputs.iter().find(asks), tells) {
            (Some(input), false) => format!(
                "input `{}` has event_time = \"guest\", but {} does not tell event time; wrap the \
                 function in `pelton_sdk::event_time`, or name a field of its records",
                input.name, self.function
            ),
            (None, true) => format!(
                "{} tells event time, but no input asks for it; set event_time = \"guest\" in its \
                 [[input]], or give --event-time guest",
                self.function
            ),
            _ => return Ok(()),
        };
        Err(Error::new("E-MANIFEST-EVENT-TIME", Domain::User, text))
    }

    /// The topics that it writes to: those of its outputs, and that of its dead letters, where it makes
    /// some.
    pub fn writes(&self) -> impl Iterator<Item = TopicName> + '_ {
        let letters = self.delivery.on_poison == OnPoison::DeadLetter;
        let letters = letters.then(|| self.dead_letter_topic());
        self.outputs.iter().map(|output| output.topic.clone()).chain(letters)
    }

    /// Where dead letters go: the topic that the manifest names, else `<function>.dead`.
    #[must_use]
    pub fn dead_letter_topic(&self) -> TopicName {
        let named = self.delivery.dead_letter.clone();
        named.unwrap_or_else(|| {
            let name = format!("{}.dead", self.function.name());
            let tenant = self.function.tenant().clone();
            // A function's name is so short that five more characters are allowed (see `build`).
            TopicName::new(tenant, &name).expect("the name of a function is a topic's name too")
        })
    }
}

#[cfg(test)]
mod tests;

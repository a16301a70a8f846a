//! What a function declares when it is opened.

use serde::{Deserialize, Serialize};

use crate::window::WindowSpec;

/// How a store may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// A hash map: point reads only.
    Kv,
    /// Kept in the order of its keys: range scans too.
    Ordered,
}

/// A state store that a function uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreDeclaration {
    /// Its name, unique in the function.
    pub name: String,
    /// How it may be read.
    pub kind: StoreKind,
    /// The version of the values that this code writes.
    pub schema: u32,
}

/// Which time a timer follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeDomain {
    /// The watermark.
    Event,
    /// The wall clock, as recorded with each commit.
    Processing,
}

/// A kind of timer that a function sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerDeclaration {
    /// Its name, unique in the function.
    pub name: String,
    /// The time that it follows.
    pub domain: TimeDomain,
}

/// Everything that a function declares. Operations name outputs, stores and timers by index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Declaration {
    /// Names of the outputs; the manifest maps each to a topic.
    pub outputs: Vec<String>,
    /// State stores.
    pub stores: Vec<StoreDeclaration>,
    /// Timers.
    pub timers: Vec<TimerDeclaration>,
    /// The windows that the host keeps for the function.
    pub window: Option<WindowSpec>,
    /// Whether input batches carry offsets.
    pub wants_offsets: bool,
    /// Whether input batches carry the index of the subscription.
    pub wants_inputs: bool,
    /// Whether it tells the event time of records, for inputs that ask it to.
    #[serde(default)]
    pub tells_time: bool,
    /// Whether the function exports `save`: then it gets an instance per task.
    pub saves: bool,
}

//! What is kept of a savepoint: an entry of the registry, and an artefact for each task.

use bytes::Bytes;
use pelton_core::{Domain, Error, FunctionId, Result, TopicName};
use pelton_journal::{Commit, Journal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::data::of;

/// Savepoints made by hand that a function may have.
pub const SAVEPOINTS_MAX: usize = 20;
/// Automatic savepoints that are kept of a function: one more drops the oldest.
pub const AUTOMATIC_SAVEPOINTS_MAX: usize = 3;

const PREFIX: &str = "savepoint/";
/// What the names of automatic savepoints begin with; the version that was swapped in follows.
pub(in crate::functions) const AUTOMATIC: &str = "before-v";

/// Where a task stood in one of its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedPosition {
    /// The topic.
    pub topic: String,
    /// The topic's number in the journal: another topic of its name has another one.
    pub topic_id: u32,
    /// The partition.
    pub partition: u32,
    /// The offset to be read next.
    pub next: u64,
}

/// A task in a savepoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedTask {
    /// The partition.
    pub partition: u32,
    /// BLAKE3 of its positions, state, timers and panes, in hex: the artefact that holds them.
    pub digest: String,
    /// Bytes of the artefact.
    pub size: u64,
    /// The last commit that it holds.
    pub sequence: u64,
    /// Everything before it had arrived, ms; absent before the first record.
    pub watermark_ms: Option<i64>,
    /// Where it stood.
    pub positions: Vec<SavedPosition>,
}

/// A savepoint: a named state of all tasks of a function, each at one of its commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Savepoint {
    /// Its name.
    pub name: String,
    /// The version that had committed last.
    pub version: u64,
    /// Whether it was made before a swap, not by hand.
    pub automatic: bool,
    /// When it was made, ms since the epoch.
    pub created_ms: i64,
    /// By partition.
    pub tasks: Vec<SavedTask>,
}

fn prefix_of(function: &FunctionId) -> String {
    format!("{PREFIX}{function}/")
}

fn read(key: &str, value: &[u8]) -> Result<Savepoint> {
    serde_json::from_slice(value).map_err(|error| {
        let text = format!(
            "registry entry {key} cannot be read: {error}; was it written by a newer server?"
        );
        Error::new("E-REGISTRY-FORMAT", Domain::External, text)
    })
}

/// The savepoints of a function, oldest first.
pub(super) fn all(journal: &Journal, function: &FunctionId) -> Result<Vec<Savepoint>> {
    let entries = journal.entries(&prefix_of(function));
    let read = entries.iter().map(|(key, value)| read(key, value));
    let mut all = read.collect::<Result<Vec<_>>>()?;
    all.sort_by(|a, b| (a.created_ms, &a.name).cmp(&(b.created_ms, &b.name)));
    Ok(all)
}

/// A savepoint of a function.
pub(super) fn get(journal: &Journal, function: &FunctionId, name: &str) -> Result<Savepoint> {
    let key = format!("{}{name}", prefix_of(function));
    let value = journal.entry(&key).ok_or_else(|| {
        let text = format!(
            "{function} has no savepoint `{name}`; `pelton savepoint ls {}` shows all",
            function.name()
        );
        Error::new("E-SAVEPOINT-UNKNOWN", Domain::User, text)
    })?;
    read(&key, &value)
}

/// Writes a savepoint and removes others, in one commit. Durable on return.
pub(super) fn put(
    journal: &Journal,
    function: &FunctionId,
    savepoint: Option<&Savepoint>,
    gone: &[String],
    time_ms: i64,
) -> Result<()> {
    let mut commit = Commit::new(time_ms);
    let prefix = prefix_of(function);
    gone.iter().for_each(|name| commit.entry(&format!("{prefix}{name}"), None));
    if let Some(savepoint) = savepoint {
        let value = serde_json::to_vec(savepoint).map_err(|error| {
            Error::new("E-INTERNAL", Domain::Internal, "a savepoint").caused_by(error)
        })?;
        commit.entry(&format!("{prefix}{}", savepoint.name), Some(&value));
    }
    if commit.is_empty() {
        return Ok(());
    }
    let sequence = journal.append(&mut commit).map_err(of)?;
    journal.wait_durable(sequence).map_err(of)
}

/// Where the savepoints of a function are kept.
pub(in crate::functions) fn savepoint_keys(journal: &Journal, of: &FunctionId) -> Vec<String> {
    journal.entries(&prefix_of(of)).into_iter().map(|(key, _)| key).collect()
}

/// The artefacts that savepoints name.
pub(in crate::functions) fn artefacts(journal: &Journal) -> Result<Vec<String>> {
    let mut digests = Vec::new();
    for (key, value) in journal.entries(PREFIX) {
        digests.extend(read(&key, &value)?.tasks.into_iter().map(|task| task.digest));
    }
    Ok(digests)
}

/// What a task's artefact holds.
pub(super) fn bytes_of(journal: &Journal, task: &SavedTask) -> Result<Bytes> {
    journal.artefact(&task.digest).map_err(of)
}

/// Whether a savepoint may be made by hand under this name.
pub(super) fn check_name(function: &FunctionId, name: &str) -> Result<()> {
    // The rules of all names.
    TopicName::new(function.tenant().clone(), name).map_err(|_| {
        let text = format!(
            "a savepoint cannot be called {name:?}: use 1 to 120 of a-z A-Z 0-9 . _ -, not \
             starting with '.', and not '__' at the start"
        );
        Error::new("E-SAVEPOINT-NAME", Domain::User, text)
    })?;
    if name.starts_with(AUTOMATIC) {
        let text =
            format!("`{AUTOMATIC}` begins the names of automatic savepoints: choose another");
        return Err(Error::new("E-SAVEPOINT-NAME", Domain::User, text));
    }
    Ok(())
}

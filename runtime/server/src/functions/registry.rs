//! The registry: functions, their versions and their code, all in the journal.

use std::sync::Arc;

use bytes::Bytes;
use pelton_core::{Domain, Error, FunctionId, Result};
use pelton_journal::{Commit, Journal};

use crate::data::of;

use super::record::FunctionRecord;

const PREFIX: &str = "function/";

/// Reads and writes [`FunctionRecord`]s. What it writes is durable on return.
#[derive(Clone)]
pub(crate) struct Registry {
    journal: Arc<Journal>,
}

fn key(function: &FunctionId) -> String {
    format!("{PREFIX}{function}")
}

fn read(key: &str, value: &[u8]) -> Result<FunctionRecord> {
    serde_json::from_slice(value).map_err(|error| {
        let text = format!(
            "registry entry {key} cannot be read: {error}; was it written by a newer server?"
        );
        Error::new("E-REGISTRY-FORMAT", Domain::External, text)
    })
}

impl Registry {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    /// All functions, by name.
    pub(crate) fn all(&self) -> Result<Vec<FunctionRecord>> {
        let entries = self.journal.entries(PREFIX);
        entries.iter().map(|(key, value)| read(key, value)).collect()
    }

    /// A function, where it is known.
    pub(crate) fn find(&self, function: &FunctionId) -> Result<Option<FunctionRecord>> {
        let key = key(function);
        self.journal.entry(&key).map(|value| read(&key, &value)).transpose()
    }

    /// A function.
    pub(crate) fn get(&self, function: &FunctionId) -> Result<FunctionRecord> {
        self.find(function)?.ok_or_else(|| unknown(function))
    }

    /// Writes a function's record.
    pub(crate) fn put(&self, record: &FunctionRecord, time_ms: i64) -> Result<()> {
        let (key, value) = self.entry_of(record)?;
        let mut commit = Commit::new(time_ms);
        commit.entry(&key, Some(&value));
        let sequence = self.journal.append(&mut commit).map_err(of)?;
        self.journal.wait_durable(sequence).map_err(of)
    }

    /// A function's record as an entry of the journal's registry: key and value.
    pub(crate) fn entry_of(&self, record: &FunctionRecord) -> Result<(String, Vec<u8>)> {
        let value = serde_json::to_vec(record).map_err(|error| {
            Error::new("E-INTERNAL", Domain::Internal, "a registry entry").caused_by(error)
        })?;
        Ok((key(&record.function), value))
    }

    /// Forgets a function and its replays, and, unless they are kept, its tasks and savepoints: in
    /// one commit, so that a function of this name finds all of what this one leaves, or nothing.
    pub(crate) fn remove(
        &self,
        function: &FunctionId,
        keep_state: bool,
        time_ms: i64,
    ) -> Result<()> {
        let mut keys = super::travel::replay_keys(&self.journal, function);
        keys.push(key(function));
        let owner = function.to_string();
        let is_own = |key: &str| key.rsplit_once('#').is_some_and(|(of, _)| of == owner);
        let mut tasks = self.journal.tasks();
        tasks.retain(|task| is_own(task.key()));
        if keep_state {
            // Nobody who reads what they have written waits for more.
            tasks.drain(..).for_each(|task| task.tell(i64::MIN, true));
        } else {
            keys.extend(super::travel::savepoint_keys(&self.journal, function));
        }
        let gone: Vec<_> = keys.iter().map(|key| (key.as_str(), None)).collect();
        let sequence = self.journal.remove_tasks(&tasks, &gone, time_ms).map_err(of)?;
        self.journal.wait_durable(sequence).map_err(of)
    }

    /// Keeps a module, and answers its digest.
    pub(crate) fn put_module(&self, wasm: &[u8]) -> Result<String> {
        self.journal.put_artefact(wasm).map_err(of)
    }

    /// A module.
    pub(crate) fn module(&self, digest: &str) -> Result<Bytes> {
        self.journal.artefact(digest).map_err(of)
    }

    /// Removes modules that no version, and states that no savepoint names any more, but for `fresh`
    /// ones.
    pub(crate) fn sweep(&self, fresh: &[String]) -> Result<()> {
        let records = self.all()?;
        let saved = super::travel::artefacts(&self.journal)?;
        let of_pipelines = super::pipelines::modules(&self.journal)?;
        let used = |digest: &String| {
            saved.contains(digest)
                || of_pipelines.contains(digest)
                || fresh.contains(digest)
                || records.iter().flat_map(|record| &record.versions).any(|v| v.digest == *digest)
        };
        for digest in self.journal.artefacts().map_err(of)?.iter().filter(|d| !used(d)) {
            self.journal.remove_artefact(digest).map_err(of)?;
        }
        Ok(())
    }
}

pub(crate) fn unknown(function: &FunctionId) -> Error {
    let text = format!(
        "there is no function {function}; `pelton ls` shows what is deployed, `pelton deploy` \
         deploys one"
    );
    Error::new("E-FUNCTION-UNKNOWN", Domain::User, text)
}

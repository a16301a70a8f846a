//! Pipelines in the journal's registry.

use std::collections::HashSet;
use std::sync::Arc;

use pelton_core::{Domain, Error, PipelineId, Result};
use pelton_journal::{Commit, Journal};

use super::record::PipelineRecord;
use crate::data::of;

const PREFIX: &str = "pipeline/";

/// Reads and writes [`PipelineRecord`]s. What it writes is durable on return.
#[derive(Clone)]
pub(in crate::functions) struct Store {
    journal: Arc<Journal>,
}

fn key(pipeline: &PipelineId) -> String {
    format!("{PREFIX}{pipeline}")
}

fn read(key: &str, value: &[u8]) -> Result<PipelineRecord> {
    serde_json::from_slice(value).map_err(|error| {
        let text = format!(
            "registry entry {key} cannot be read: {error}; was it written by a newer server?"
        );
        Error::new("E-REGISTRY-FORMAT", Domain::External, text)
    })
}

/// The modules that versions of pipelines name.
pub(in crate::functions) fn modules(journal: &Arc<Journal>) -> Result<HashSet<String>> {
    let all = Store::new(Arc::clone(journal)).all()?;
    let versions = all.into_iter().flat_map(|record| record.versions);
    Ok(versions.flat_map(|version| version.digests().into_values()).collect())
}

impl Store {
    pub(in crate::functions) fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    /// All pipelines, by name.
    pub(in crate::functions) fn all(&self) -> Result<Vec<PipelineRecord>> {
        let entries = self.journal.entries(PREFIX);
        entries.iter().map(|(key, value)| read(key, value)).collect()
    }

    /// A pipeline, where it is known.
    pub(super) fn find(&self, pipeline: &PipelineId) -> Result<Option<PipelineRecord>> {
        let key = key(pipeline);
        self.journal.entry(&key).map(|value| read(&key, &value)).transpose()
    }

    /// A pipeline.
    pub(super) fn get(&self, pipeline: &PipelineId) -> Result<PipelineRecord> {
        self.find(pipeline)?.ok_or_else(|| {
            let text = format!(
                "there is no pipeline {pipeline}; `pelton pipeline ls` shows what is deployed, \
                 `pelton deploy` deploys one"
            );
            Error::new("E-PIPELINE-UNKNOWN", Domain::User, text)
        })
    }

    /// Writes a pipeline's record.
    pub(super) fn put(&self, record: &PipelineRecord, time_ms: i64) -> Result<()> {
        let value = serde_json::to_vec(record).map_err(|error| {
            Error::new("E-INTERNAL", Domain::Internal, "a registry entry").caused_by(error)
        })?;
        self.entry(&record.pipeline, Some(&value), time_ms)
    }

    /// Forgets a pipeline.
    pub(super) fn remove(&self, pipeline: &PipelineId, time_ms: i64) -> Result<()> {
        self.entry(pipeline, None, time_ms)
    }

    fn entry(&self, pipeline: &PipelineId, value: Option<&[u8]>, time_ms: i64) -> Result<()> {
        let mut commit = Commit::new(time_ms);
        commit.entry(&key(pipeline), value);
        let sequence = self.journal.append(&mut commit).map_err(of)?;
        self.journal.wait_durable(sequence).map_err(of)
    }
}

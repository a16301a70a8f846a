//! What is kept of a pipeline: its versions, and which of them its functions are to run.

use std::collections::BTreeMap;

use pelton_core::manifest::{FILE_NAME, ManifestFile, PipelineManifest};
use pelton_core::{Domain, Error, FunctionId, PipelineId, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::functions::record::{EVENTS_MAX, Event, EventKind, ran_before};

/// Versions that are kept of a pipeline; one more drops the oldest that is not in use.
pub const PIPELINE_VERSIONS_MAX: usize = 100;

/// A function of one version of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineFunction {
    /// BLAKE3 of its module, in hex.
    pub digest: String,
    /// The function's own version.
    pub version: u64,
}

/// One version of a pipeline: its manifest and its modules never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineVersion {
    /// From 1 on, without gaps.
    pub number: u64,
    /// The text of its pelton.toml.
    pub manifest: String,
    /// Its functions, by name.
    pub functions: BTreeMap<String, PipelineFunction>,
    /// When it was first deployed, ms since the epoch.
    pub created_ms: i64,
}

/// What is being done to a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Its functions are what the active version says.
    Settled,
    /// They are being made so.
    Changing,
    /// They are being put back to what they were before that.
    GoingBack,
    /// They are being removed.
    Removing {
        /// Whether their state stays.
        keep_state: bool,
    },
}

/// What a function was before its pipeline changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    /// The function.
    pub function: FunctionId,
    /// The version that ran; 0: the function was not there.
    pub version: u64,
    /// Whether it was paused.
    pub paused: bool,
    /// The pipeline that it belonged to.
    pub pipeline: Option<PipelineId>,
}

/// The way back from the last change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayBack {
    /// The version that was active; 0: none.
    pub before: u64,
    /// What the change is, once it is done.
    pub kind: EventKind,
    /// What the functions were.
    pub was: Vec<Was>,
}

/// Everything that is kept of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRecord {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Oldest first.
    pub versions: Vec<PipelineVersion>,
    /// The version that its functions run, or are to run.
    pub active: u64,
    /// What is being done.
    pub phase: Phase,
    /// The way back from the last change, for as long as a function may fail its trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<WayBack>,
    /// Why its functions are not what they should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Oldest first.
    pub events: Vec<Event>,
}

impl PipelineVersion {
    /// The manifest, read.
    ///
    /// # Errors
    /// Where it cannot be read, which a version that was accepted can only by a newer server.
    pub fn manifest(&self) -> Result<PipelineManifest> {
        manifest(&self.manifest)
    }

    /// The modules of its functions.
    pub(super) fn digests(&self) -> BTreeMap<String, String> {
        let functions = self.functions.iter();
        functions.map(|(name, function)| (name.clone(), function.digest.clone())).collect()
    }
}

/// Reads a pipeline's manifest.
///
/// # Errors
/// `E-MANIFEST`; `E-PIPELINE-NONE` where it is that of one function.
pub(super) fn manifest(text: &str) -> Result<PipelineManifest> {
    match ManifestFile::parse(text, FILE_NAME, None).map_err(Error::from_coded)? {
        ManifestFile::Pipeline(pipeline) => Ok(pipeline),
        ManifestFile::Function(function) => {
            let text = format!(
                "{FILE_NAME} is that of the function {}, and of no pipeline: deploy it as a function",
                function.function
            );
            Err(Error::new("E-PIPELINE-NONE", Domain::User, text))
        }
    }
}

impl PipelineRecord {
    /// A pipeline that nothing has been deployed of.
    pub(super) fn new(pipeline: PipelineId) -> Self {
        let (versions, events) = (Vec::new(), Vec::new());
        let (way_back, trouble) = (None, None);
        Self { pipeline, versions, active: 0, phase: Phase::Settled, way_back, trouble, events }
    }

    /// The version of that number.
    #[must_use]
    pub fn version(&self, number: u64) -> Option<&PipelineVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The active version.
    #[must_use]
    pub fn active_version(&self) -> Option<&PipelineVersion> {
        self.version(self.active)
    }

    /// The version of this manifest and these modules: the same deployment twice is one version.
    pub(super) fn same(
        &self,
        manifest: &str,
        modules: &BTreeMap<String, String>,
    ) -> Option<&PipelineVersion> {
        self.versions.iter().find(|v| v.manifest == manifest && v.digests() == *modules)
    }

    /// Takes note of the version that a function has in a version of the pipeline: one that was removed
    /// and comes back counts anew.
    pub(super) fn note_function(&mut self, number: u64, name: &str, version: u64) {
        let wanted = self.versions.iter_mut().find(|version| version.number == number);
        if let Some(function) = wanted.and_then(|wanted| wanted.functions.get_mut(name)) {
            function.version = version;
        }
    }

    /// Whether its functions are what the active version says.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Settled
    }

    /// The version that ran before the active one did.
    #[must_use]
    pub fn ran_before(&self) -> Option<u64> {
        ran_before(&self.events, self.active, |number| self.version(number).is_some())
    }

    /// The number that a new version gets.
    pub(super) fn next_number(&self) -> u64 {
        self.versions.last().map_or(1, |version| version.number + 1)
    }

    /// Adds a version, and drops the oldest ones beyond [`PIPELINE_VERSIONS_MAX`]. The active one and
    /// the one before it stay.
    pub(super) fn add(&mut self, version: PipelineVersion) {
        self.versions.push(version);
        let way_back = self.way_back.as_ref().map(|way_back| way_back.before);
        let kept = [Some(self.active), self.ran_before(), way_back];
        while self.versions.len() > PIPELINE_VERSIONS_MAX {
            let newest = self.versions.len() - 1;
            let others = &self.versions[..newest];
            let oldest = others.iter().position(|v| !kept.contains(&Some(v.number)));
            let Some(oldest) = oldest else { return };
            self.versions.remove(oldest);
        }
    }

    /// Takes note of what has happened.
    pub(super) fn note(
        &mut self,
        time_ms: i64,
        kind: EventKind,
        version: u64,
        message: Option<String>,
    ) {
        self.events.push(Event { time_ms, kind, version, message });
        let excess = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> PipelineVersion {
        let functions = BTreeMap::new();
        PipelineVersion { number, manifest: number.to_string(), functions, created_ms: 0 }
    }

    #[test]
    fn versions_are_kept_up_to_their_limit_and_those_in_use_for_ever() {
        let mut record = PipelineRecord::new(PipelineId::parse("p").unwrap());
        record.note(0, EventKind::Deployed, 1, None);
        record.note(0, EventKind::Deployed, 2, None);
        record.active = 2;
        (1..=PIPELINE_VERSIONS_MAX as u64).for_each(|number| record.add(version(number)));
        assert_eq!(record.versions.len(), PIPELINE_VERSIONS_MAX);
        record.add(version(record.next_number()));
        assert_eq!(record.versions.len(), PIPELINE_VERSIONS_MAX);
        let numbers: Vec<_> = record.versions[..3].iter().map(|v| v.number).collect();
        assert_eq!(numbers, [1, 2, 4], "what ran before and what runs stay");
        assert_eq!(record.ran_before(), Some(1));
    }

    #[test]
    fn one_function_is_no_pipeline() {
        let text = "[function]\nname = \"f\"\n[[input]]\ntopic = \"in\"\n";
        assert_eq!(manifest(text).unwrap_err().code, "E-PIPELINE-NONE");
    }
}

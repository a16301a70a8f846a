//! What is kept of a function: its versions, which of them runs, what has happened to it.

use pelton_core::{FunctionId, Manifest, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::CanaryRecord;

/// Versions that are kept of a function; one more drops the oldest that is not in use.
pub const VERSIONS_MAX: usize = 100;
/// Events that are kept of a function; one more drops the oldest.
pub const EVENTS_MAX: usize = 200;

/// One version: code and manifest. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// From 1 on, without gaps.
    pub number: u64,
    /// BLAKE3 of the module, in hex: the artefact's name.
    pub digest: String,
    /// Bytes of the module.
    pub size: u64,
    /// The text of its pelton.toml.
    pub manifest: String,
    /// When it was first deployed, ms since the epoch.
    pub created_ms: i64,
}

impl Version {
    /// The manifest, read.
    ///
    /// # Errors
    /// Where it cannot be read, which a version that was accepted can only by a newer server.
    pub fn manifest(&self, function: &FunctionId) -> Result<Manifest> {
        let file = format!("the manifest of {function} version {}", self.number);
        Manifest::parse(&self.manifest, &file).map_err(pelton_core::Error::from_coded)
    }
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A version was deployed.
    Deployed,
    /// A version has made its first commit on every task.
    Passed,
    /// A version failed before its first commit; the one before goes on.
    TrialFailed,
    /// The version before was taken back.
    RolledBack,
    /// Its positions and state were put back to a savepoint.
    Rewound,
    /// The function was paused.
    Paused,
    /// The function was resumed.
    Resumed,
    /// A version follows the running one as its shadow.
    ShadowStarted,
    /// The shadow was dropped.
    ShadowStopped,
    /// A share of the keys goes through a version.
    CanaryStarted,
    /// The canary did not pass: all keys go through the version before.
    CanaryRolledBack,
    /// The shadow or the canary was deployed as the version that runs.
    Promoted,
    /// Its tasks have stopped by themselves: it halts at a record, or storage failed.
    Stopped,
}

/// Something that has happened to a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// When, ms since the epoch.
    pub time_ms: i64,
    /// What.
    pub kind: EventKind,
    /// The version that it is about.
    pub version: u64,
    /// More about it, such as the fault.
    pub message: Option<String>,
}

/// Everything that is kept of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// The function.
    pub function: FunctionId,
    /// Oldest first.
    pub versions: Vec<Version>,
    /// The version whose code runs.
    pub active: u64,
    /// While the active version is on trial: the one to go back to.
    pub before: Option<u64>,
    /// While the active version is on trial: whether the function was paused when it was deployed, and
    /// is to be so again if it fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_paused: bool,
    /// The version that follows as a shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<u64>,
    /// The version that a share of the keys goes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryRecord>,
    /// Whether it is paused.
    pub paused: bool,
    /// Oldest first.
    pub events: Vec<Event>,
}

impl FunctionRecord {
    /// A function that nothing has been deployed of.
    #[must_use]
    pub fn new(function: FunctionId) -> Self {
        let (versions, events) = (Vec::new(), Vec::new());
        Self {
            function,
            versions,
            active: 0,
            before: None,
            was_paused: false,
            shadow: None,
            canary: None,
            paused: false,
            events,
        }
    }

    /// The version of that number.
    #[must_use]
    pub fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The version with that code and manifest: the same deployment twice is one version.
    #[must_use]
    pub fn same(&self, digest: &str, manifest: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.digest == digest && v.manifest == manifest)
    }

    /// The newest version before the active one whose last trial did not fail.
    #[must_use]
    pub fn last_good(&self) -> Option<u64> {
        let failed = |number: u64| {
            let judged = [EventKind::Passed, EventKind::TrialFailed];
            let mut events = self.events.iter().rev().filter(|event| event.version == number);
            let last = events.find(|event| judged.contains(&event.kind));
            last.is_some_and(|event| event.kind == EventKind::TrialFailed)
        };
        let mut earlier = self.versions.iter().rev().map(|version| version.number);
        earlier.find(|number| *number < self.active && !failed(*number))
    }

    /// The number that a new version gets.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.versions.last().map_or(1, |version| version.number + 1)
    }

    /// Adds a version, and drops the oldest ones beyond [`VERSIONS_MAX`] that are not in use.
    pub fn add(&mut self, version: Version) {
        self.versions.push(version);
        while self.versions.len() > VERSIONS_MAX {
            let others = [self.before, self.shadow, self.canary.map(|canary| canary.version)];
            let in_use = |number| number == self.active || others.contains(&Some(number));
            let newest = self.versions.len() - 1;
            let oldest = self.versions[..newest].iter().position(|v| !in_use(v.number));
            let Some(oldest) = oldest else { return };
            self.versions.remove(oldest);
        }
    }

    /// Takes note of what has happened.
    pub fn note(&mut self, time_ms: i64, kind: EventKind, version: u64, message: Option<String>) {
        self.events.push(Event { time_ms, kind, version, message });
        let excess = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        let manifest = String::new();
        Version { number, digest: number.to_string(), size: 1, manifest, created_ms: 0 }
    }

    #[test]
    fn the_way_back_leaves_out_versions_that_failed_their_last_trial() {
        let mut record = FunctionRecord::new(FunctionId::parse("f").unwrap());
        (1..=4).for_each(|number| record.add(version(number)));
        record.active = 4;
        record.note(0, EventKind::TrialFailed, 2, None);
        record.note(0, EventKind::Passed, 2, None);
        record.note(0, EventKind::Passed, 3, None);
        record.note(0, EventKind::TrialFailed, 3, None);
        assert_eq!(record.last_good(), Some(2));
        record.note(0, EventKind::TrialFailed, 2, None);
        assert_eq!(record.last_good(), Some(1));
        record.active = 1;
        assert_eq!(record.last_good(), None);
    }

    #[test]
    fn versions_and_events_are_kept_up_to_their_limits_and_those_in_use_for_ever() {
        let mut record = FunctionRecord::new(FunctionId::parse("f").unwrap());
        record.active = 1;
        (1..=VERSIONS_MAX as u64).for_each(|number| record.add(version(number)));
        assert_eq!((record.versions.len(), record.versions[1].number), (VERSIONS_MAX, 2));
        record.add(version(record.next_number()));
        assert_eq!(record.versions.len(), VERSIONS_MAX);
        assert_eq!([record.versions[0].number, record.versions[1].number], [1, 3]);
        for event in 0..=EVENTS_MAX as i64 {
            record.note(event, EventKind::Deployed, 1, None);
        }
        assert_eq!((record.events.len(), record.events[0].time_ms), (EVENTS_MAX, 1));
    }
}

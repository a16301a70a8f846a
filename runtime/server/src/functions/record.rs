//! What is kept of a function: its versions, which of them runs, what has happened to it.

use pelton_core::{FunctionId, Manifest, PipelineId, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::CanaryRecord;
use super::travel::AUTOMATIC;

/// Versions that are kept of a function; one more drops the oldest that is not in use.
pub const VERSIONS_MAX: usize = 100;
/// Events that are kept of a function; one more drops the oldest.
pub const EVENTS_MAX: usize = 200;
/// Rewinds that are kept of a function; one more drops the oldest.
const REWINDS_KEPT: usize = 100;

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
    /// The pipeline that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineId>,
    /// Whether it is paused.
    pub paused: bool,
    /// Oldest first.
    pub events: Vec<Event>,
    /// Rewinds, oldest first: what was sent and taken back by them is not taken back again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewinds: Vec<RewindMark>,
}

/// A rewind of all tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewindMark {
    /// The commit that did it, by its sequence in the journal.
    pub at: u64,
    /// The partition of each task, and the commit that it has gone back to.
    pub tasks: Vec<(u32, u64)>,
}

/// The version whose deployment is to be undone by a rewind: the one that was deployed last, unless it
/// has been already. `events` are those of a function, oldest first.
#[must_use]
pub fn deployed_last(events: &[Event]) -> Option<u64> {
    let mut deployed: Vec<u64> = Vec::new();
    for Event { kind, version, message, .. } in events {
        match kind {
            EventKind::Deployed | EventKind::Promoted => deployed.push(*version),
            EventKind::TrialFailed if deployed.last() == Some(version) => drop(deployed.pop()),
            EventKind::Rewound => {
                let name = message.as_deref().and_then(|text| text.rsplit_once(AUTOMATIC));
                let undone = name.and_then(|(_, number)| number.parse::<u64>().ok());
                let at = deployed.iter().rposition(|number| Some(*number) == undone);
                deployed.truncate(at.unwrap_or(deployed.len()));
            }
            _ => {}
        }
    }
    deployed.last().copied()
}

/// The version that ran before `active` did, of those that are `kept`. `events` are oldest first.
pub(super) fn ran_before(events: &[Event], active: u64, kept: impl Fn(u64) -> bool) -> Option<u64> {
    let mut ran: Vec<u64> = Vec::new();
    for Event { kind, version, .. } in events {
        match kind {
            EventKind::Deployed | EventKind::Promoted if ran.last() != Some(version) => {
                ran.push(*version);
            }
            EventKind::RolledBack | EventKind::Rewound => {
                let known = ran.iter().rposition(|number| number == version);
                ran.truncate(known.map_or(ran.len(), |at| at + 1));
                if known.is_none() {
                    ran.push(*version);
                }
            }
            EventKind::TrialFailed if *version != active && ran.last() == Some(version) => {
                ran.pop();
            }
            _ => {}
        }
    }
    let at = ran.iter().rposition(|number| *number == active)?;
    ran[..at].iter().rev().find(|number| kept(**number) && **number != active).copied()
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
            pipeline: None,
            paused: false,
            events,
            rewinds: Vec::new(),
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

    /// The version that ran before the active one did: neither one that was tried only (a shadow, a
    /// canary, a trial that failed), nor one that was rolled back from.
    #[must_use]
    pub fn ran_before(&self) -> Option<u64> {
        ran_before(&self.events, self.active, |number| self.version(number).is_some())
    }

    /// Takes note of a rewind: where each task has gone back to, and the commit that did it.
    pub fn note_rewind(&mut self, mark: RewindMark) {
        self.rewinds.push(mark);
        let excess = self.rewinds.len().saturating_sub(REWINDS_KEPT);
        self.rewinds.drain(..excess);
    }

    /// What a task has sent behind its commit `to` that counts, were it rewound there: `sent_behind`
    /// tells how much it has sent behind a commit. What a rewind has taken back already does not.
    #[must_use]
    pub fn sent_since(&self, partition: u32, to: u64, sent_behind: impl Fn(u64) -> u64) -> u64 {
        let mut taken_back: Vec<(u64, u64)> = Vec::new();
        for RewindMark { at, tasks } in &self.rewinds {
            let of_task = tasks.iter().filter(|(task, _)| *task == partition);
            taken_back.extend(of_task.map(|(_, back_to)| ((*back_to).max(to), *at)));
        }
        taken_back.sort_unstable();
        let (mut sum, mut seen) = (sent_behind(to), to);
        for (from, until) in taken_back {
            let from = from.max(seen);
            if from < until {
                sum -= sent_behind(from) - sent_behind(until);
                seen = until;
            }
        }
        sum
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

    /// A function with versions 1 to 9 that this has happened to; the last number is the active one.
    fn record(events: &[(EventKind, u64)]) -> FunctionRecord {
        let mut record = FunctionRecord::new(FunctionId::parse("f").unwrap());
        (1..=9).for_each(|number| record.add(version(number)));
        let (active, events) = events.split_last().unwrap();
        record.active = active.1;
        events.iter().for_each(|(kind, number)| record.note(0, *kind, *number, None));
        record
    }

    #[test]
    fn the_way_back_is_what_ran_before_and_no_number() {
        use EventKind::{
            Deployed, Passed, Promoted, RolledBack, ShadowStarted, ShadowStopped, TrialFailed,
        };
        let back = |events: &[(EventKind, u64)]| record(events).ran_before();
        let active = |number| (Passed, number);
        assert_eq!(back(&[(Deployed, 1), active(1)]), None);
        assert_eq!(back(&[(Deployed, 1), (Deployed, 2), active(2)]), Some(1));
        let shadow =
            [(Deployed, 4), (ShadowStarted, 5), (ShadowStopped, 5), (Deployed, 6), active(6)];
        assert_eq!(back(&shadow), Some(4), "a shadow was never live");
        let again = [(Deployed, 1), (Deployed, 2), (Promoted, 9), (Deployed, 2), active(2)];
        assert_eq!(back(&again), Some(9), "an old version that was deployed again");
        let failed = [(Deployed, 1), (Deployed, 2), (Deployed, 3), (TrialFailed, 3), active(2)];
        assert_eq!(back(&failed), Some(1), "one that failed its trial never ran");
        let twice = [(Deployed, 1), (Deployed, 2), (Deployed, 3), (RolledBack, 2), active(2)];
        assert_eq!(back(&twice), Some(1), "further back");
        let goes_on = [(Deployed, 1), (Deployed, 2), (TrialFailed, 2), active(2)];
        assert_eq!(back(&goes_on), Some(1), "it had committed, and went on");
    }

    #[test]
    fn a_rewind_undoes_the_last_deployment_whatever_runs() {
        use EventKind::{Deployed, Rewound, RolledBack, TrialFailed};
        let last = |events: &[(EventKind, u64, &str)]| {
            let event = |(kind, version, text): &(EventKind, u64, &str)| Event {
                time_ms: 0,
                kind: *kind,
                version: *version,
                message: Some((*text).to_owned()),
            };
            deployed_last(&events.iter().map(event).collect::<Vec<_>>())
        };
        let rolled_back = [(Deployed, 1, ""), (Deployed, 2, ""), (RolledBack, 1, "")];
        assert_eq!(last(&rolled_back), Some(2));
        let rewound =
            [(Deployed, 1, ""), (Deployed, 2, ""), (Rewound, 1, "to savepoint before-v2")];
        assert_eq!(last(&rewound), Some(1));
        let by_hand = [(Deployed, 1, ""), (Deployed, 2, ""), (Rewound, 2, "to savepoint mine")];
        assert_eq!(last(&by_hand), Some(2));
        assert_eq!(last(&[(Deployed, 1, ""), (Deployed, 2, ""), (TrialFailed, 2, "")]), Some(1));
        assert_eq!(last(&[]), None);
    }

    #[test]
    fn what_a_rewind_has_taken_back_is_not_taken_back_again() {
        let mut record = record(&[(EventKind::Deployed, 1)]);
        // One output with each commit.
        let repeated = |record: &FunctionRecord, now: u64, to: u64| {
            record.sent_since(0, to, |after| now.saturating_sub(after))
        };
        assert_eq!(repeated(&record, 100, 40), 60);
        record.note_rewind(RewindMark { at: 100, tasks: vec![(0, 40), (1, 7)] });
        assert_eq!(repeated(&record, 160, 40), 60, "those behind the rewind");
        assert_eq!(repeated(&record, 160, 30), 70, "and those before what it went back to");
        assert_eq!(repeated(&record, 160, 120), 40, "a savepoint of after it");
        record.note_rewind(RewindMark { at: 160, tasks: vec![(0, 40)] });
        assert_eq!(repeated(&record, 230, 40), 70);
        record.note_rewind(RewindMark { at: 230, tasks: vec![(0, 200)] });
        assert_eq!(repeated(&record, 240, 40), 50, "commits 161 to 200 and 231 to 240");
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

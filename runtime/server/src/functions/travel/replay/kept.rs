//! Replays into a topic are kept in the journal's registry: a server that is started again says what
//! became of those that ran when it was stopped.

use pelton_core::{FunctionId, Result};
use pelton_journal::{Commit, Journal};

use crate::data::of;

use super::job::{REPLAYS_KEPT, ReplayState, ReplayStatus};

const PREFIX: &str = "replay/";

/// The function's name holds no `#`.
fn key(function: &FunctionId, id: u64) -> String {
    format!("{PREFIX}{function}#{id}")
}

/// Keeps what is known of a replay, in place of what was.
pub(super) fn keep(journal: &Journal, status: &ReplayStatus, now_ms: i64) -> Result<u64> {
    let value = serde_json::to_vec(status).unwrap_or_default();
    let mut commit = Commit::new(now_ms);
    commit.entry(&key(&status.function, status.id), Some(&value));
    journal.append(&mut commit).map_err(of)
}

/// Forgets these.
fn forget<'a>(
    journal: &Journal,
    replays: impl Iterator<Item = &'a ReplayStatus>,
    now_ms: i64,
) -> Result<()> {
    let mut commit = Commit::new(now_ms);
    replays.for_each(|replay| commit.entry(&key(&replay.function, replay.id), None));
    if commit.is_empty() {
        return Ok(());
    }
    journal.append(&mut commit).map(drop).map_err(of)
}

fn all(journal: &Journal) -> Vec<ReplayStatus> {
    let entries = journal.entries(PREFIX);
    let read = |(_, value): &(String, bytes::Bytes)| serde_json::from_slice(value).ok();
    let mut all: Vec<ReplayStatus> = entries.iter().filter_map(read).collect();
    all.sort_by_key(|replay| replay.id);
    all
}

/// Where the replays of a function are kept.
pub(in crate::functions) fn replay_keys(journal: &Journal, function: &FunctionId) -> Vec<String> {
    let own = all(journal).into_iter().filter(|replay| replay.function == *function);
    own.map(|replay| key(function, replay.id)).collect()
}

/// What is kept of earlier runs of the server, oldest first. What ran then was interrupted, and is
/// kept as that.
pub(super) fn recall(journal: &Journal, now_ms: i64) -> Result<Vec<ReplayStatus>> {
    let mut replays = all(journal);
    let excess = replays.len().saturating_sub(REPLAYS_KEPT);
    let old: Vec<_> = replays.drain(..excess).collect();
    forget(journal, old.iter(), now_ms)?;
    for replay in &mut replays {
        if replay.state != ReplayState::Running {
            continue;
        }
        let topic = replay.to.clone().unwrap_or_default();
        let topic = topic.rsplit('/').next().unwrap_or_default();
        replay.state = ReplayState::Interrupted;
        replay.error = Some(format!(
            "E-REPLAY-INTERRUPTED: the server was stopped while it ran, and topic {topic} holds the \
             first part of the result; remove it with `pelton topic rm {topic}`, and run the replay \
             again"
        ));
        keep(journal, replay, now_ms)?;
    }
    Ok(replays)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: u64, state: ReplayState) -> ReplayStatus {
        ReplayStatus {
            id,
            function: FunctionId::parse("f").unwrap(),
            version: 1,
            to: Some("default/again".into()),
            state,
            error: None,
            began: Vec::new(),
            records: 1,
            records_in: 0,
            records_out: 0,
            faults: 0,
            differences: None,
        }
    }

    #[test]
    fn as_many_as_the_limit_are_kept_and_those_that_ran_were_interrupted() {
        let directory = tempfile::tempdir().unwrap();
        let config = pelton_journal::Config { segment_bytes: 4 << 20, ..Default::default() };
        let journal = Journal::open(directory.path(), config).unwrap();
        for id in 1..=REPLAYS_KEPT as u64 {
            let state = if id % 2 == 0 { ReplayState::Running } else { ReplayState::Done };
            keep(&journal, &status(id, state), 0).unwrap();
        }
        let found = recall(&journal, 0).unwrap();
        assert_eq!((found.len(), found[0].id), (REPLAYS_KEPT, 1));
        assert_eq!(found[0].state, ReplayState::Done);
        assert_eq!(found[1].state, ReplayState::Interrupted);
        assert!(found[1].error.as_ref().unwrap().starts_with("E-REPLAY-INTERRUPTED: "));
        keep(&journal, &status(REPLAYS_KEPT as u64 + 1, ReplayState::Done), 0).unwrap();
        let found = recall(&journal, 0).unwrap();
        assert_eq!((found.len(), found[0].id), (REPLAYS_KEPT, 2));
        let keys = replay_keys(&journal, &FunctionId::parse("f").unwrap());
        assert_eq!(keys.len(), REPLAYS_KEPT);
        assert!(keys.iter().all(|key| journal.entry(key).is_some()));
    }
}

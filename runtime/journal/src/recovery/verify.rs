//! Checking a directory that nobody writes to, from its first byte to its last, without changing it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Chain, Opening, Read, format, replay, segment_numbers};
use crate::config::Config;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::storage::{Disk, Storage};
use crate::{artefact, snapshot};

/// What a directory holds, every byte of which was checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The oldest commit held; 1 where none was removed.
    pub first_seq: u64,
    /// The last commit.
    pub seq: u64,
    /// Topics, `tenant/name`, with the offsets that each partition holds.
    pub topics: Vec<(String, Vec<Range<u64>>)>,
    /// Tasks.
    pub tasks: usize,
    /// Registry entries, by key.
    pub entries: Vec<String>,
    /// Snapshots of tasks.
    pub snapshots: usize,
    /// Artefacts.
    pub artefacts: usize,
}

/// Checks the journal in `directory`, which nobody must have open: every frame and its parts,
/// that no commit is missing, every snapshot and artefact.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Malformed`] name the file, [`Error::NewerFormat`],
/// [`Error::Io`].
pub fn verify(directory: impl AsRef<Path>) -> Result<Verified> {
    let path = directory.as_ref();
    let disk = Disk::new(path);
    verify_on(&disk.map_err(|error| Error::io("open", path.display().to_string(), error))?)
}

/// As [`verify`], on any storage.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(storage: &dyn Storage) -> Result<Verified> {
    let config = Config::default();
    let salt = format::open(storage)?.salt;
    let mark = format::read_mark(storage)?;
    let opening = Opening { storage, config: &config, salt, mark, is_replica: false };
    let (log, end) = opening.whole_log()?;
    if end.seq <= mark {
        let number = log.last().map_or(1, |read| read.segment.number);
        let problem = format!("it ends here, though the journal had reached {mark}");
        return Err(opening.corrupt(number, 0, end.seq, problem));
    }
    let durability = Arc::new(Durability::new(end.seq - 1));
    let catalog = replay::replay(&log, &snapshot::skipped(storage)?, &durability)?;
    let mut verified = Verified {
        first_seq: log.first().map_or(1, |read| read.segment.first_seq),
        seq: end.seq - 1,
        tasks: catalog.tasks.len(),
        entries: catalog.entries.keys().cloned().collect(),
        ..Verified::default()
    };
    for topic in catalog.topics.values() {
        let offsets = topic.partitions().iter().map(|partition| partition.offsets()).collect();
        verified.topics.push((topic.name().to_owned(), offsets));
    }
    for task in catalog.tasks.values() {
        verified.snapshots += usize::from(snapshot::read(storage, task)?.is_some());
    }
    for name in
        storage.list(artefact::FOLDER).map_err(|e| Error::io("list", artefact::FOLDER, e))?
    {
        if artefact::is_digest(&name) {
            artefact::read_artefact(storage, &name)?;
            verified.artefacts += 1;
        }
    }
    Ok(verified)
}

impl Opening<'_> {
    /// All segments with all of their frames, and where the log ends.
    fn whole_log(&self) -> Result<(Vec<Read>, Chain)> {
        let (mut log, mut chain) = (Vec::<Read>::new(), None::<Chain>);
        let mut before: Option<(u32, u64, &str)> = None;
        for number in segment_numbers(self.storage)? {
            let seq = chain.map_or(0, |chain| chain.seq);
            let (_, segment) = self.open_segment(number)?;
            let Some(segment) = segment else {
                return Err(self.corrupt(number, 0, seq, "the segment's header is damaged"));
            };
            if let (Some(chain), Some((number, at, problem))) = (chain, before)
                && !chain.continues_with(&segment)
            {
                return Err(self.corrupt(number, at, seq, problem));
            }
            let scanned = self.scan(&segment)?;
            before = Some((number, scanned.end, scanned.problem));
            chain = Some(Chain { seq: scanned.next_seq, prev: scanned.prev });
            log.push(Read { segment: Arc::new(segment), frames: scanned.frames });
        }
        let chain = chain.ok_or_else(|| self.corrupt(1, 0, 0, "there is no segment"))?;
        Ok((log, chain))
    }
}

//! Opening: which commits are there, which are cut, which damage is refused.
//!
//! Sealed segments are known by their indexes and were synced before those were written, so
//! anything wrong with them is damage. The segments after the last sealed one are scanned. Where
//! the scan ends, the log ends, unless something proves that the frame expected there had been
//! durable: a later frame that knew of its sync, or the mark of a clean close.

mod format;
mod replay;
mod scan;
mod tail;
mod verify;

pub use format::format_version;
pub(crate) use format::{CURRENT, FORMAT, INCOMPLETE, MARK, write_mark};
pub(crate) use scan::{Frame, scan};
pub use verify::{Verified, verify, verify_on};

use std::collections::VecDeque;
use std::sync::Arc;

use crate::append::Appender;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::role::{self, RoleFile};
use crate::segment::{FOLDER, Segment, path_of, sidecar_path_of};
use crate::storage::Storage;
use crate::{sidecar, snapshot};

pub(crate) struct Opened {
    pub(crate) salt: u32,
    pub(crate) appender: Appender,
    pub(crate) catalog: Catalog,
    pub(crate) durability: Arc<Durability>,
    pub(crate) role: RoleFile,
}

/// Where the next frame has to fit in.
#[derive(Clone, Copy)]
struct Chain {
    seq: u64,
    prev: u32,
}

/// A segment and its frames.
struct Read {
    segment: Arc<Segment>,
    frames: Vec<Frame>,
}

struct Opening<'a> {
    storage: &'a dyn Storage,
    config: &'a Config,
    salt: u32,
    /// What was durable at the last clean close.
    mark: u64,
    /// Its frames were written by another journal: what they know to be synced was synced there.
    is_replica: bool,
}

pub(crate) fn open(storage: &Arc<dyn Storage>, config: &Config) -> Result<Opened> {
    let mut numbers = segment_numbers(&**storage)?;
    let format = format::open_or_create(&**storage, numbers.is_empty())?;
    let salt = format.salt;
    let mark = format::read_mark(&**storage)?;
    let role = role::read(&**storage)?;
    let is_replica = role.is_copying();
    let opening = Opening { storage: &**storage, config, salt, mark, is_replica };
    let (mut log, chain) = opening.sealed(&mut numbers)?;
    let sealed = log.len();
    let end = opening.tail(&numbers, chain, &mut log)?;
    // What was read may still be in the page cache alone: from here on it is durable.
    opening.sync(&log[sealed..])?;
    let durability = Arc::new(Durability::new(end.chain.seq - 1));
    let skipped = snapshot::skipped(&**storage)?;
    let catalog = replay::replay(&log, &skipped, &durability)?;
    format.upgrade(&**storage)?;
    let rolled = log[sealed..log.len() - 1].iter().map(|read| Arc::clone(&read.segment));
    let rolled = rolled.collect();
    let segments: VecDeque<_> = log.into_iter().map(|read| read.segment).collect();
    opening.tidy(&segments, &catalog);
    let appender = Appender::new(end.chain.seq, end.chain.prev, segments, end.position, rolled);
    Ok(Opened { salt, appender, catalog, durability, role })
}

impl Opening<'_> {
    fn corrupt(&self, number: u32, offset: u64, seq: u64, problem: impl Into<String>) -> Error {
        let path = format!("{}/{}", self.storage.name(), path_of(number));
        Error::Corrupt { path, offset, seq, problem: problem.into() }
    }

    fn open_segment(
        &self,
        number: u32,
    ) -> Result<(Arc<dyn crate::storage::File>, Option<Segment>)> {
        let path = path_of(number);
        let file = self.storage.open(&path).map_err(|error| Error::io("open", path, error))?;
        let segment = Segment::read_header(number, &file, self.salt);
        Ok((file, segment))
    }

    /// Reads the sealed segments and takes their numbers off `numbers`. The chain is where the
    /// next segment begins; `None` where there is no sealed one.
    fn sealed(&self, numbers: &mut Vec<u32>) -> Result<(Vec<Read>, Option<Chain>)> {
        let mut found = Vec::new();
        for &number in numbers.iter() {
            let (_, segment) = self.open_segment(number)?;
            let frames = segment
                .as_ref()
                .and_then(|segment| sidecar::read(self.storage, segment, self.salt));
            found.push((number, segment, frames));
        }
        let sealed = found.iter().rposition(|(.., frames)| frames.is_some()).map_or(0, |at| at + 1);
        found.truncate(sealed);
        if sealed > 0 && sealed == numbers.len() {
            let next = numbers[sealed - 1] + 1;
            return Err(self.corrupt(next, 0, 0, "the file of the youngest segment is missing"));
        }
        let (mut log, mut chain): (Vec<Read>, Option<Chain>) = (Vec::new(), None);
        for (number, segment, frames) in found {
            let seq = chain.map_or(0, |chain| chain.seq);
            let segment = segment
                .filter(|segment| chain.is_none_or(|chain| chain.continues_with(segment)))
                .ok_or_else(|| self.corrupt(number, 0, seq, "the segment's header is damaged"))?;
            let frames = match frames {
                Some(frames) => frames,
                None => self.rebuild(&segment, numbers)?,
            };
            let start = Chain { seq: segment.first_seq, prev: segment.prev };
            chain = Some(frames.last().map_or(start, Chain::after));
            log.push(Read { segment: Arc::new(segment), frames });
        }
        numbers.drain(..sealed);
        Ok((log, chain))
    }

    /// Scans a sealed segment whose index is missing, and writes the index again.
    fn rebuild(&self, segment: &Segment, numbers: &[u32]) -> Result<Vec<Frame>> {
        let scanned = self.scan(segment)?;
        let next = segment.number + 1;
        assert!(numbers.contains(&next), "a sealed segment has a successor");
        let ends_here = self.open_segment(next)?.1.is_some_and(|next| {
            Chain { seq: scanned.next_seq, prev: scanned.prev }.continues_with(&next)
        });
        if !ends_here {
            let (number, at, seq) = (segment.number, scanned.end, scanned.next_seq);
            return Err(self.corrupt(number, at, seq, scanned.problem));
        }
        if let Err(error) = sidecar::write(self.storage, segment, self.salt) {
            tracing::warn!(segment = %segment.path(), %error, "no index for a sealed segment");
        }
        Ok(scanned.frames)
    }

    fn scan(&self, segment: &Segment) -> Result<scan::Scanned> {
        let size = segment.file.size() as usize;
        let bytes = segment.file.read(0, size);
        let bytes = bytes.map_err(|error| Error::io("read", segment.path(), error))?;
        Ok(scan(&bytes, segment, self.salt, true))
    }

    fn sync(&self, tail: &[Read]) -> Result<()> {
        for read in tail {
            let synced = read.segment.file.sync();
            synced.map_err(|error| Error::io("sync", read.segment.path(), error))?;
        }
        self.storage.sync_folder(FOLDER).map_err(|error| Error::io("sync", FOLDER, error))
    }

    /// Removes what earlier processes left behind. What cannot be removed is tried again at the
    /// next open.
    fn tidy(&self, segments: &VecDeque<Arc<Segment>>, catalog: &Catalog) {
        let mut wanted: Vec<String> = Vec::new();
        for segment in segments {
            wanted.extend([path_of(segment.number), sidecar_path_of(segment.number)]);
        }
        for task in catalog.tasks.values() {
            let snapshot = task.snapshot_ref();
            wanted.extend(snapshot.map(|snapshot| snapshot::path_of(task, snapshot.seq)));
        }
        wanted.extend(snapshot::skips_needed(self.storage, catalog));
        wanted.sort();
        let ours = |name: &str| {
            [".tmp", ".idx", ".snap", snapshot::SKIPPED].iter().any(|end| name.ends_with(end))
        };
        for folder in [FOLDER, snapshot::FOLDER] {
            for name in self.storage.list(folder).unwrap_or_default() {
                let path = format!("{folder}/{name}");
                if ours(&name) && wanted.binary_search(&path).is_err() {
                    let _ = self.storage.remove(&path);
                }
            }
        }
    }
}

impl Chain {
    fn after(frame: &Frame) -> Chain {
        Chain { seq: frame.head.seq + 1, prev: frame.head.crc }
    }

    fn continues_with(self, segment: &Segment) -> bool {
        self.seq == segment.first_seq && self.prev == segment.prev
    }
}

/// The numbers of all segment files, ascending and without a hole.
fn segment_numbers(storage: &dyn Storage) -> Result<Vec<u32>> {
    let names = storage.list(FOLDER).map_err(|error| Error::io("list", FOLDER, error))?;
    let mut numbers: Vec<u32> = Vec::new();
    for name in names {
        let Some(stem) = name.strip_suffix(".seg") else {
            continue;
        };
        match stem.parse() {
            Ok(number) if name == format!("{number:08}.seg") => numbers.push(number),
            _ => {
                let problem = "it is not named like a segment: move it out of the directory";
                return Err(Error::malformed(format!("{FOLDER}/{name}"), problem));
            }
        }
    }
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            let path = format!("{}/{}", storage.name(), path_of(pair[0] + 1));
            let problem = "the file of this segment is missing".to_owned();
            return Err(Error::Corrupt { path, offset: 0, seq: 0, problem });
        }
    }
    Ok(numbers)
}

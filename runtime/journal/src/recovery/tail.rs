//! The segments after the last sealed one: where the log ends.

use std::sync::Arc;

use super::scan::look_behind;
use super::{Chain, Opening, Read};
use crate::error::{Error, Result};
use crate::segment::{FOLDER, SEGMENT_HEADER_LEN, Segment, path_of};

/// Where the next commit goes.
pub(super) struct End {
    pub(super) chain: Chain,
    pub(super) position: u64,
}

impl Opening<'_> {
    /// Reads the segments `numbers`, cuts behind the last good frame, and leaves a segment to
    /// write to at the end of `log`.
    pub(super) fn tail(
        &self,
        numbers: &[u32],
        chain: Option<Chain>,
        log: &mut Vec<Read>,
    ) -> Result<End> {
        // A journal that lost its first segments to retention begins where its header says.
        let first = match numbers.first() {
            None => None,
            Some(&number) => self.open_segment(number)?.1,
        };
        let first = first.filter(|first| chain.is_none_or(|chain| chain.continues_with(first)));
        let Some(mut segment) = first else {
            let chain = chain.unwrap_or(Chain { seq: 1, prev: 0 });
            return self.begin(numbers, chain, log);
        };
        for (at, &number) in numbers.iter().enumerate() {
            assert_eq!(segment.number, number, "segments are read in order");
            let scanned = self.scan(&segment)?;
            let chain = Chain { seq: scanned.next_seq, prev: scanned.prev };
            let next = match numbers.get(at + 1) {
                None => None,
                Some(&next) => self.open_segment(next)?.1,
            };
            let this = Arc::new(segment);
            log.push(Read { segment: Arc::clone(&this), frames: scanned.frames });
            match next.filter(|next| chain.continues_with(next)) {
                Some(next) => segment = next,
                None => {
                    let later = &numbers[at + 1..];
                    self.cut(&this, scanned.end, chain, later, scanned.problem)?;
                    return Ok(End { chain, position: scanned.end });
                }
            }
        }
        unreachable!("the last segment has no next one")
    }

    /// The log ends at `at` of `segment`, if nothing proves that it went on durably.
    fn cut(
        &self,
        segment: &Segment,
        at: u64,
        chain: Chain,
        later: &[u32],
        problem: &str,
    ) -> Result<()> {
        let is_dirty = self.refuse_if_durable(segment.number, at, chain.seq, problem)?;
        for &number in later {
            self.refuse_if_durable_behind((segment.number, at), number, chain.seq, problem)?;
        }
        self.drop_segments(later)?;
        if is_dirty {
            // A torn tail, or what the file held before it was used again.
            let path = segment.path();
            tracing::info!(%path, at, seq = chain.seq, problem, "cleared what follows the log's end");
            let cut = segment.file.zero_from(at).and_then(|()| segment.file.sync());
            cut.map_err(|error| Error::io("cut", segment.path(), error))?;
        }
        Ok(())
    }

    /// Answers whether anything but zeros lies behind `at`.
    fn refuse_if_durable(&self, number: u32, at: u64, seq: u64, problem: &str) -> Result<bool> {
        if self.mark >= seq {
            let mark = self.mark;
            let problem = format!("{problem}, though the journal was closed at commit {mark}");
            return Err(self.corrupt(number, at, seq, problem));
        }
        let behind = self.behind(number, at, seq)?;
        match behind.proof.filter(|_| !self.is_replica) {
            None => Ok(behind.is_dirty),
            Some((proof_at, proof)) => {
                let problem = format!(
                    "{problem}, though commit {proof} at byte {proof_at} shows that this one had \
                     been durable"
                );
                Err(self.corrupt(number, at, seq, problem))
            }
        }
    }

    fn refuse_if_durable_behind(
        &self,
        damaged: (u32, u64),
        later: u32,
        seq: u64,
        problem: &str,
    ) -> Result<()> {
        let behind = self.behind(later, SEGMENT_HEADER_LEN, seq)?;
        match behind.proof.filter(|_| !self.is_replica) {
            None => Ok(()),
            Some((_, proof)) => {
                let problem = format!(
                    "{problem}, though commit {proof} in {} shows that this one had been durable",
                    path_of(later)
                );
                Err(self.corrupt(damaged.0, damaged.1, seq, problem))
            }
        }
    }

    fn behind(&self, number: u32, at: u64, seq: u64) -> Result<super::scan::Behind> {
        let (file, _) = self.open_segment(number)?;
        let bytes = file.read(0, file.size() as usize);
        let bytes = bytes.map_err(|error| Error::io("read", path_of(number), error))?;
        Ok(look_behind(&bytes, at, seq, self.salt))
    }

    /// No usable segment follows the sealed ones (or there is none at all): begins one, unless
    /// what is there had been durable.
    fn begin(&self, numbers: &[u32], chain: Chain, log: &mut Vec<Read>) -> Result<End> {
        let sealed = log.last().map(|read| read.segment.number);
        let number = numbers.first().copied().or(sealed.map(|last| last + 1)).unwrap_or(1);
        let problem = match numbers.is_empty() {
            true => "the segment is missing",
            false => "the segment's header is damaged",
        };
        if self.mark >= chain.seq {
            let problem = format!("{problem}, though the journal had reached {}", self.mark);
            return Err(self.corrupt(number, 0, chain.seq, problem));
        }
        for &later in numbers {
            self.refuse_if_durable_behind((number, 0), later, chain.seq, problem)?;
        }
        self.drop_segments(numbers)?;
        let path = path_of(number);
        let made = self.storage.create(&path, self.config.segment_bytes);
        let file = made.map_err(|source| match crate::error::is_shortage(&source) {
            true => Error::Full { what: "the first segment".to_owned(), source },
            false => Error::io("create", &*path, source),
        })?;
        let segment = Segment::new(number, chain.seq, chain.prev, file);
        let written = segment.write_header(self.salt);
        written.map_err(|error| Error::io("write", path, error))?;
        log.push(Read { segment: Arc::new(segment), frames: Vec::new() });
        Ok(End { chain, position: SEGMENT_HEADER_LEN })
    }

    /// Removes undurable segments, the youngest first: whatever a crash leaves has no hole.
    fn drop_segments(&self, numbers: &[u32]) -> Result<()> {
        for &number in numbers.iter().rev() {
            let path = path_of(number);
            let removed = self.storage.remove(&path);
            removed.map_err(|error| Error::io("remove", &*path, error))?;
            let synced = self.storage.sync_folder(FOLDER);
            synced.map_err(|error| Error::io("sync", FOLDER, error))?;
        }
        Ok(())
    }
}

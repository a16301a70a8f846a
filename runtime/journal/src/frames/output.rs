//! Reading durable frames, from any commit on.

use std::sync::Arc;

use bytes::Bytes;

use crate::bytes_of::u32_at;
use crate::epoch;
use crate::error::{Error, Result};
use crate::frame::{FrameHead, HEADER_LEN, decode_head, verify_parts};
use crate::journal::{Journal, Shared};
use crate::segment::{SEGMENT_HEADER_LEN, Segment};

/// Reads the frames of a journal one behind another.
pub struct FrameReader {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    position: u64,
    /// The next frame.
    seq: u64,
    /// The checksum of the one before it.
    chain: u32,
}

impl Journal {
    /// A reader whose first frame is commit `from`.
    ///
    /// # Errors
    /// [`Error::FramesGone`] where that one was removed, [`Error::FramesAhead`] where it is not
    /// even the next one to be durable, [`Error::Corrupt`], [`Error::Poisoned`].
    pub fn frames(&self, from: u64) -> Result<FrameReader> {
        let shared = Arc::clone(&self.shared);
        let durable = shared.durability.durable();
        if from > durable + 1 || from == 0 {
            return Err(Error::FramesAhead { seq: from, durable });
        }
        let segment = segment_of(&shared, from)?;
        let (seq, chain) = (segment.first_seq, segment.prev);
        let mut reader = FrameReader { shared, segment, position: SEGMENT_HEADER_LEN, seq, chain };
        while reader.seq < from {
            let (head, _) = reader.here(false)?;
            reader.step(&head);
        }
        Ok(reader)
    }

    /// Whether a log of `seq` commits that ends with the checksum `chain`, in `epoch`, is a first
    /// part of this one.
    ///
    /// # Errors
    /// [`Error::Diverged`] names the first commit that is not the same, where that is known;
    /// [`Error::FramesGone`], [`Error::EpochOlder`].
    pub fn check_prefix(&self, epoch: u64, seq: u64, chain: u32) -> Result<()> {
        if let Some(first) = epoch::parting(&self.epochs(), epoch, seq)? {
            return Err(Error::Diverged { first, last: seq });
        }
        match self.frames(seq + 1) {
            Ok(reader) if reader.chain == chain => Ok(()),
            Ok(_) => Err(Error::Diverged { first: seq, last: seq }),
            Err(Error::FramesAhead { durable, .. }) => {
                Err(Error::Diverged { first: durable + 1, last: seq })
            }
            Err(other) => Err(other),
        }
    }

    /// The number and the checksum of the last commit: what [`Journal::check_prefix`] wants to
    /// know.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn log_end(&self) -> Result<(u64, u32)> {
        let appender = self.shared.appender()?;
        Ok((appender.next_seq - 1, appender.prev))
    }

    /// What tells this journal from others; its copies have the same.
    #[must_use]
    pub fn identity(&self) -> u32 {
        self.shared.salt
    }

    /// The format of its frames.
    #[must_use]
    pub fn format(&self) -> u32 {
        crate::recovery::CURRENT
    }
}

fn segment_of(shared: &Shared, seq: u64) -> Result<Arc<Segment>> {
    let appender = shared.appender()?;
    let behind = appender.segments.partition_point(|segment| segment.first_seq <= seq);
    match behind.checked_sub(1) {
        Some(at) => Ok(Arc::clone(&appender.segments[at])),
        None => Err(Error::FramesGone { seq, first: appender.segments[0].first_seq }),
    }
}

impl FrameReader {
    /// The number of the next frame.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.seq
    }

    /// The checksum of the frame before it.
    #[must_use]
    pub fn chain(&self) -> u32 {
        self.chain
    }

    /// The durable frames that are next, checked, without copying: as many as have `bytes_max`
    /// bytes, but one at least; none where there are none yet.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::FramesGone`], [`Error::Poisoned`].
    pub fn read(&mut self, bytes_max: usize) -> Result<Vec<Bytes>> {
        let durable = self.shared.durability.durable();
        let (mut frames, mut len) = (Vec::new(), 0);
        while self.seq <= durable {
            let segment = segment_of(&self.shared, self.seq)?;
            if segment.number != self.segment.number {
                (self.segment, self.position) = (segment, SEGMENT_HEADER_LEN);
            }
            let (head, bytes) = self.here(true)?;
            if len > 0 && len + bytes.len() > bytes_max {
                break;
            }
            len += bytes.len();
            frames.push(bytes);
            self.step(&head);
        }
        Ok(frames)
    }

    /// Bytes of the log from the next frame on, with what is unused in segments between.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn bytes_behind(&self) -> Result<u64> {
        let appender = self.shared.appender()?;
        let later = appender.segments.iter().filter(|one| one.number > self.segment.number);
        let later: u64 = later.map(|segment| segment.file.size()).sum();
        let end = match appender.active().number == self.segment.number {
            true => appender.position,
            false => self.segment.file.size() + appender.position,
        };
        let active = if later > 0 { appender.active().file.size() } else { 0 };
        Ok((end + later).saturating_sub(active + self.position))
    }

    fn here(&self, with_parts: bool) -> Result<(FrameHead, Bytes)> {
        let file = &self.segment.file;
        let failed = |source| Error::io("read", self.segment.path(), source);
        let total = file.read(self.position, HEADER_LEN).map_err(failed)?;
        let total = u64::from(u32_at(&total, 4)).min(file.size() - self.position);
        let bytes = file.read(self.position, total as usize).map_err(failed)?;
        let head = decode_head(&bytes, self.shared.salt).and_then(|head| {
            if head.seq != self.seq || head.prev != self.chain {
                return Err("the frame here is not the next one");
            }
            if with_parts {
                verify_parts(&bytes, &head)?;
            }
            Ok(head)
        });
        let head = head.map_err(|problem| Error::Corrupt {
            path: self.segment.path(),
            offset: self.position,
            seq: self.seq,
            problem: problem.to_owned(),
        })?;
        Ok((head, bytes))
    }

    fn step(&mut self, head: &FrameHead) {
        self.position += u64::from(head.total);
        self.seq += 1;
        self.chain = head.crc;
    }
}

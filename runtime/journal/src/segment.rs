//! A segment file: a 64-byte header, then frames, each beginning at a multiple of 8 bytes.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::bytes_of::{u32_at, u64_at};
use crate::error::{Error, Result};
use crate::frame::PartHead;
use crate::storage::File;

pub(crate) const SEGMENT_HEADER_LEN: u64 = 64;
const MAGIC: &[u8; 8] = b"PLTNSEG1";

/// The folder of all segments.
pub(crate) const FOLDER: &str = "segments";

pub(crate) fn path_of(number: u32) -> String {
    format!("{FOLDER}/{number:08}.seg")
}

pub(crate) fn sidecar_path_of(number: u32) -> String {
    format!("{FOLDER}/{number:08}.idx")
}

/// One segment and how much of it is still needed.
pub(crate) struct Segment {
    pub(crate) number: u32,
    /// The first commit that may be in it.
    pub(crate) first_seq: u64,
    /// The crc of the frame before its first.
    pub(crate) prev: u32,
    pub(crate) file: Arc<dyn File>,
    live_batches: AtomicU64,
    live_batch_bytes: AtomicU64,
    live_tasks: AtomicU64,
}

impl Segment {
    pub(crate) fn new(number: u32, first_seq: u64, prev: u32, file: Arc<dyn File>) -> Segment {
        Segment {
            number,
            first_seq,
            prev,
            file,
            live_batches: AtomicU64::new(0),
            live_batch_bytes: AtomicU64::new(0),
            live_tasks: AtomicU64::new(0),
        }
    }

    pub(crate) fn path(&self) -> String {
        path_of(self.number)
    }

    /// Batches in it that no retention has released.
    pub(crate) fn live_batches(&self) -> u64 {
        self.live_batches.load(Ordering::Acquire)
    }

    /// Their bytes.
    pub(crate) fn live_batch_bytes(&self) -> u64 {
        self.live_batch_bytes.load(Ordering::Acquire)
    }

    /// Task commits in it that no snapshot has replaced.
    pub(crate) fn live_tasks(&self) -> u64 {
        self.live_tasks.load(Ordering::Acquire)
    }

    pub(crate) fn write_header(&self, salt: u32) -> io::Result<()> {
        let mut header = [0u8; SEGMENT_HEADER_LEN as usize];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&self.number.to_le_bytes());
        header[12..16].copy_from_slice(&self.prev.to_le_bytes());
        header[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        let crc = header_crc(salt, &header);
        header[60..].copy_from_slice(&crc.to_le_bytes());
        self.file.write(0, &mut [IoSlice::new(&header)])
    }

    /// Reads a segment's header; `None` where it is not (or not whole) there.
    pub(crate) fn read_header(number: u32, file: &Arc<dyn File>, salt: u32) -> Option<Segment> {
        let header = file.read(0, SEGMENT_HEADER_LEN as usize).ok()?;
        let whole = &header[..8] == MAGIC
            && u32_at(&header, 8) == number
            && u32_at(&header, 60) == header_crc(salt, &header);
        whole.then(|| {
            let (prev, first_seq) = (u32_at(&header, 12), u64_at(&header, 16));
            Segment::new(number, first_seq, prev, Arc::clone(file))
        })
    }
}

fn header_crc(salt: u32, header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(&header[..60]);
    hasher.finalize()
}

/// Where a part's bytes are.
#[derive(Clone)]
pub(crate) struct PartRef {
    pub(crate) segment: Arc<Segment>,
    pub(crate) seq: u64,
    position: u32,
    pub(crate) len: u32,
    crc: u32,
}

impl PartRef {
    pub(crate) fn new(segment: &Arc<Segment>, seq: u64, frame_at: u64, part: &PartHead) -> PartRef {
        PartRef {
            segment: Arc::clone(segment),
            seq,
            position: frame_at as u32 + part.offset,
            len: part.len,
            crc: part.crc,
        }
    }

    /// The part's bytes, checked against their checksum.
    pub(crate) fn read(&self) -> Result<Bytes> {
        let read = self.segment.file.read(u64::from(self.position), self.len as usize);
        let bytes = read.map_err(|source| Error::io("read", self.segment.path(), source))?;
        if crc32fast::hash(&bytes) == self.crc {
            return Ok(bytes);
        }
        Err(Error::Corrupt {
            path: self.segment.path(),
            offset: u64::from(self.position),
            seq: self.seq,
            problem: "its bytes do not match their checksum".to_owned(),
        })
    }
}

/// A part that an index needs: as long as it exists, its segment is not free.
pub(crate) struct Located {
    part: PartRef,
    is_task: bool,
}

impl Located {
    pub(crate) fn batch(part: PartRef) -> Located {
        part.segment.live_batches.fetch_add(1, Ordering::AcqRel);
        part.segment.live_batch_bytes.fetch_add(u64::from(part.len), Ordering::AcqRel);
        Located { part, is_task: false }
    }

    pub(crate) fn task(part: PartRef) -> Located {
        part.segment.live_tasks.fetch_add(1, Ordering::AcqRel);
        Located { part, is_task: true }
    }
}

impl std::ops::Deref for Located {
    type Target = PartRef;

    fn deref(&self) -> &PartRef {
        &self.part
    }
}

impl Drop for Located {
    fn drop(&mut self) {
        let segment = &self.part.segment;
        if self.is_task {
            segment.live_tasks.fetch_sub(1, Ordering::AcqRel);
        } else {
            segment.live_batches.fetch_sub(1, Ordering::AcqRel);
            segment.live_batch_bytes.fetch_sub(u64::from(self.part.len), Ordering::AcqRel);
        }
    }
}

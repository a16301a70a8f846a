//! The index of a sealed segment: all of its frames' heads, so that opening reads no records.
//!
//! ```text
//! magic "PLTNIDX1", segment number u32, crc of the frame before u32, first seq u64, frames u32,
//! then per frame: position u32 and its head as in the segment; at the end a crc u32.
//! ```

use std::io;

use crate::bytes_of::{Cursor, u32_at};
use crate::frame::decode_head_within;
use crate::recovery::{Frame, scan};
use crate::segment::{Segment, sidecar_path_of};
use crate::storage::{Storage, read_all, replace};

const MAGIC: &[u8; 8] = b"PLTNIDX1";

pub(crate) fn write(storage: &dyn Storage, segment: &Segment, salt: u32) -> io::Result<()> {
    let bytes = segment.file.read(0, segment.file.size() as usize)?;
    let frames = scan(&bytes, segment, salt, false).frames;
    let mut out = Vec::with_capacity(64 + frames.len() * 192);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&segment.number.to_le_bytes());
    out.extend_from_slice(&segment.prev.to_le_bytes());
    out.extend_from_slice(&segment.first_seq.to_le_bytes());
    out.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    for frame in &frames {
        let at = frame.at as usize;
        out.extend_from_slice(&(frame.at as u32).to_le_bytes());
        out.extend_from_slice(&bytes[at..at + frame.head.head_len]);
    }
    let mut crc = crc32fast::Hasher::new_with_initial(salt);
    crc.update(&out);
    out.extend_from_slice(&crc.finalize().to_le_bytes());
    replace(storage, &sidecar_path_of(segment.number), &out)
}

/// The frames of a segment by its index; `None` where it is missing, damaged or another's.
pub(crate) fn read(storage: &dyn Storage, segment: &Segment, salt: u32) -> Option<Vec<Frame>> {
    let bytes = read_all(storage, &sidecar_path_of(segment.number)).ok()??;
    let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(body);
    if hasher.finalize() != u32_at(crc, 0) {
        return None;
    }
    let mut cursor = Cursor(body);
    let is_its = cursor.bytes(8)? == MAGIC
        && cursor.u32()? == segment.number
        && cursor.u32()? == segment.prev
        && cursor.u64()? == segment.first_seq;
    if !is_its {
        return None;
    }
    let count = cursor.u32()?;
    let frames = (0..count).map(|_| read_frame(&mut cursor, salt)).collect::<Option<Vec<_>>>()?;
    cursor.is_empty().then_some(frames)
}

fn read_frame(cursor: &mut Cursor<'_>, salt: u32) -> Option<Frame> {
    let at = u64::from(cursor.u32()?);
    let head = decode_head_within(cursor.0, usize::MAX, salt).ok()?;
    cursor.bytes(head.head_len)?;
    Some(Frame { at, head })
}

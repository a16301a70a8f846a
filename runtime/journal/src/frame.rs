//! The bytes of a frame: one commit.
//!
//! All numbers are little-endian, every part begins at a multiple of 8 bytes.
//! ```text
//! header, 48 bytes           part directory, 72 bytes each      parts
//!  0 magic "PLF2"   u32       0 kind            u16
//!  4 total length   u32       2 flags           u16
//!  8 seq            u64       4 topic | task    u32
//! 16 synced seq     u64       8 partition       u32
//! 24 time, ms       i64      12 rows            u32
//! 32 part count     u32      16 base offset     u64
//! 36 crc of the     u32      24 timestamp max   i64
//!    frame before            32 offset in frame u32
//! 40 zero           u32      36 length          u32
//! 44 crc            u32      40 crc of the part u32
//!                            44 producer        u32
//!                            48 its watermark   i64
//!                            56 time, ms        i64
//!                            64 span            u32
//!                            68 zero            u32
//! ```
//! The producer of a batch is its task's id + 1, or 0 for none. Flag 1: carried, the batch was
//! written again and keeps its offsets. Flag 2: sparse, a compacted batch (see `topic::sparse`).
//!
//! The span of a batch is how many offsets it covers: its rows, or more where it is sparse. Its
//! time is when it was first committed; of a sparse one, when its oldest tombstone was (the
//! highest number where it has none).
//!
//! Format 1 has the magic "PLF1" and directory entries of 56 bytes: nothing is sparse there, and
//! a part's time is its frame's.
//!
//! The header's crc covers header and directory and starts from the journal's salt; with the
//! crc of the frame before in it, a stale frame can never follow a new one.

use crate::bytes_of::{u16_at, u32_at, u64_at};
use crate::task::{Producer, TaskId};

const MAGIC: u32 = u32::from_le_bytes(*b"PLF2");
const MAGIC_1: u32 = u32::from_le_bytes(*b"PLF1");
pub(crate) const HEADER_LEN: usize = 48;
pub(crate) const ENTRY_LEN: usize = 72;
const ENTRY_LEN_1: usize = 56;
pub(crate) const ALIGN: usize = 8;
/// Ceiling of a frame's part count: more than any limit that may be configured.
const PARTS_CEILING: u32 = 1 << 20;

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    Batch,
    Task,
    Control,
}

/// The batch was copied from an older segment and keeps its offsets.
pub(crate) const CARRIED: u16 = 1;
/// The batch takes the place of older ones, of which it holds what compaction has left.
pub(crate) const SPARSE: u16 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartHead {
    pub(crate) kind: PartKind,
    pub(crate) flags: u16,
    /// The topic's id, or the task's.
    pub(crate) owner: u32,
    pub(crate) partition: u32,
    pub(crate) rows: u32,
    pub(crate) base_offset: u64,
    pub(crate) timestamp_max: i64,
    /// From the frame's first byte.
    pub(crate) offset: u32,
    pub(crate) len: u32,
    pub(crate) crc: u32,
    pub(crate) producer: Option<Producer>,
    /// When it was first committed, ms; of a sparse batch, its oldest tombstone (or `MAX`).
    pub(crate) time_ms: i64,
    /// How many offsets it covers, from its base on.
    pub(crate) span: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) total: u32,
    pub(crate) seq: u64,
    pub(crate) synced: u64,
    pub(crate) time_ms: i64,
    pub(crate) prev: u32,
    pub(crate) crc: u32,
    /// Bytes of header and directory.
    pub(crate) head_len: usize,
    pub(crate) parts: Vec<PartHead>,
}

/// Whether a frame, of any format, may begin with these bytes.
pub(crate) fn begins_frame(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && [MAGIC, MAGIC_1].contains(&u32_at(bytes, 0))
}

/// Bytes of header and directory, as this version writes them.
pub(crate) fn head_len(parts: usize) -> usize {
    HEADER_LEN + parts * ENTRY_LEN
}

pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// Writes header and directory into `out` (emptied first) and returns the head's crc.
pub(crate) fn encode_head(out: &mut Vec<u8>, salt: u32, head: &Fixed, parts: &[PartHead]) -> u32 {
    out.clear();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&head.total.to_le_bytes());
    out.extend_from_slice(&head.seq.to_le_bytes());
    out.extend_from_slice(&head.synced.to_le_bytes());
    out.extend_from_slice(&head.time_ms.to_le_bytes());
    out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    out.extend_from_slice(&head.prev.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    for part in parts {
        encode_part(out, part);
    }
    debug_assert_eq!(out.len(), head_len(parts.len()));
    let crc = head_crc(salt, out);
    out[44..48].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// The header's fields that are not derived from the parts.
pub(crate) struct Fixed {
    pub(crate) total: u32,
    pub(crate) seq: u64,
    pub(crate) synced: u64,
    pub(crate) time_ms: i64,
    pub(crate) prev: u32,
}

fn encode_part(out: &mut Vec<u8>, part: &PartHead) {
    let kind: u16 = match part.kind {
        PartKind::Batch => 1,
        PartKind::Task => 2,
        PartKind::Control => 3,
    };
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&part.flags.to_le_bytes());
    out.extend_from_slice(&part.owner.to_le_bytes());
    out.extend_from_slice(&part.partition.to_le_bytes());
    out.extend_from_slice(&part.rows.to_le_bytes());
    out.extend_from_slice(&part.base_offset.to_le_bytes());
    out.extend_from_slice(&part.timestamp_max.to_le_bytes());
    out.extend_from_slice(&part.offset.to_le_bytes());
    out.extend_from_slice(&part.len.to_le_bytes());
    out.extend_from_slice(&part.crc.to_le_bytes());
    let (task, watermark) = part.producer.map_or((0, 0), |by| (by.task.0 + 1, by.watermark));
    out.extend_from_slice(&task.to_le_bytes());
    out.extend_from_slice(&watermark.to_le_bytes());
    out.extend_from_slice(&part.time_ms.to_le_bytes());
    out.extend_from_slice(&part.span.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
}

/// The crc of header and directory, with the crc's own field left out.
fn head_crc(salt: u32, head: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(&head[..44]);
    hasher.update(&head[HEADER_LEN..]);
    hasher.finalize()
}

/// Reads the head of the frame that begins at `bytes`, which may run on past the frame's end.
/// Answers what is wrong with it otherwise.
pub(crate) fn decode_head(bytes: &[u8], salt: u32) -> Result<FrameHead, &'static str> {
    decode_head_within(bytes, bytes.len(), salt)
}

/// As [`decode_head`], where only the head is at hand and the frame has `room` bytes.
pub(crate) fn decode_head_within(
    bytes: &[u8],
    room: usize,
    salt: u32,
) -> Result<FrameHead, &'static str> {
    if bytes.len() < HEADER_LEN {
        return Err("no room for a frame header");
    }
    let entry_len = match u32_at(bytes, 0) {
        MAGIC => ENTRY_LEN,
        MAGIC_1 => ENTRY_LEN_1,
        _ => return Err("no frame begins here"),
    };
    let (total, count) = (u32_at(bytes, 4) as usize, u32_at(bytes, 32));
    if count > PARTS_CEILING {
        return Err("the frame header is damaged (part count)");
    }
    let head_len = HEADER_LEN + count as usize * entry_len;
    if head_len > total || head_len > bytes.len() || total > room || !total.is_multiple_of(ALIGN) {
        return Err("the frame header is damaged (length)");
    }
    let crc = u32_at(bytes, 44);
    if head_crc(salt, &bytes[..head_len]) != crc {
        return Err("the frame header does not match its checksum");
    }
    let time_ms = u64_at(bytes, 24) as i64;
    let directory = bytes[HEADER_LEN..head_len].chunks_exact(entry_len);
    let parts = directory.map(|entry| decode_part(entry, total, time_ms));
    let parts = parts.collect::<Result<_, _>>()?;
    Ok(FrameHead {
        total: total as u32,
        seq: u64_at(bytes, 8),
        synced: u64_at(bytes, 16),
        time_ms,
        prev: u32_at(bytes, 36),
        crc,
        head_len,
        parts,
    })
}

fn decode_part(entry: &[u8], total: usize, frame_ms: i64) -> Result<PartHead, &'static str> {
    let kind = match u16_at(entry, 0) {
        1 => PartKind::Batch,
        2 => PartKind::Task,
        3 => PartKind::Control,
        _ => return Err("the frame holds a kind of part that this version does not know"),
    };
    let (offset, len) = (u32_at(entry, 32), u32_at(entry, 36));
    if (offset as usize).checked_add(len as usize).is_none_or(|end| end > total) {
        return Err("a part lies outside of its frame");
    }
    let is_old = entry.len() == ENTRY_LEN_1;
    if u16_at(entry, 2) & !(CARRIED | SPARSE) != 0 {
        return Err("the frame holds a flag that this version does not know");
    }
    Ok(PartHead {
        kind,
        flags: u16_at(entry, 2),
        owner: u32_at(entry, 4),
        partition: u32_at(entry, 8),
        rows: u32_at(entry, 12),
        base_offset: u64_at(entry, 16),
        timestamp_max: u64_at(entry, 24) as i64,
        offset,
        len,
        crc: u32_at(entry, 40),
        producer: u32_at(entry, 44)
            .checked_sub(1)
            .map(|task| Producer { task: TaskId(task), watermark: u64_at(entry, 48) as i64 }),
        time_ms: if is_old { frame_ms } else { u64_at(entry, 56) as i64 },
        span: if is_old { u32_at(entry, 12) } else { u32_at(entry, 64) },
    })
}

/// Checks every part of a frame that lies whole in `bytes`.
pub(crate) fn verify_parts(bytes: &[u8], head: &FrameHead) -> Result<(), &'static str> {
    for part in &head.parts {
        let range = part.offset as usize..(part.offset + part.len) as usize;
        if crc32fast::hash(&bytes[range]) != part.crc {
            return Err("a part does not match its checksum");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = PartHead> {
        let kind =
            prop_oneof![Just(PartKind::Batch), Just(PartKind::Task), Just(PartKind::Control)];
        let numbers = (0..4u16, any::<(u32, u32, u32, u64, i64, u32, i64, u32)>());
        let producer = proptest::option::of((0..u32::MAX, any::<i64>()));
        (kind, numbers, producer).prop_map(|(kind, numbers, producer)| {
            let (flags, numbers) = numbers;
            let (owner, partition, rows, base_offset, timestamp_max, crc, time_ms, span) = numbers;
            let producer =
                producer.map(|(task, watermark)| Producer { task: TaskId(task), watermark });
            let (offset, len) = (0, 8);
            PartHead {
                kind,
                flags,
                owner,
                partition,
                rows,
                base_offset,
                timestamp_max,
                offset,
                len,
                crc,
                producer,
                time_ms,
                span,
            }
        })
    }

    proptest! {
        #[test]
        fn a_head_reads_back_as_it_was_written_and_no_flipped_bit_passes(
            parts in prop::collection::vec(part(), 0..5),
            numbers in any::<(u32, u64, u64, i64, u32)>(),
            bit in any::<usize>(),
        ) {
            let (salt, seq, synced, time_ms, prev) = numbers;
            let total = padded(head_len(parts.len())) as u32;
            let fixed = Fixed { total, seq, synced, time_ms, prev };
            let mut bytes = Vec::new();
            let crc = encode_head(&mut bytes, salt, &fixed, &parts);
            let head = decode_head(&bytes, salt).unwrap();
            let head_len = head_len(parts.len());
            let expected = FrameHead { total, seq, synced, time_ms, prev, crc, head_len, parts };
            prop_assert_eq!(&head, &expected);
            prop_assert!(decode_head(&bytes, salt ^ 1).is_err());
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode_head(&bytes, salt).is_err());
        }

        #[test]
        fn no_bytes_make_decoding_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            magic in prop_oneof![Just(MAGIC), Just(MAGIC_1)],
        ) {
            let _ = decode_head(&bytes, 0);
            if bytes.len() >= HEADER_LEN {
                bytes[..4].copy_from_slice(&magic.to_le_bytes());
                bytes[6..8].fill(0);
                bytes[33..36].fill(0);
                let _ = decode_head(&bytes, 0);
            }
        }
    }
}

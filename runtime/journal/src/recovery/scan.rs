//! Walking over a segment's frames.

use crate::frame::{ALIGN, FrameHead, begins_frame, decode_head, verify_parts};
use crate::segment::{SEGMENT_HEADER_LEN, Segment};

/// A frame and where it begins in its segment.
pub(crate) struct Frame {
    pub(crate) at: u64,
    pub(crate) head: FrameHead,
}

pub(crate) struct Scanned {
    pub(crate) frames: Vec<Frame>,
    /// Where the first thing lies that is not the next frame.
    pub(crate) end: u64,
    /// The commit expected there.
    pub(crate) next_seq: u64,
    /// The crc that it has to name.
    pub(crate) prev: u32,
    /// What is there instead.
    pub(crate) problem: &'static str,
}

/// Reads frames as long as each is whole and follows the one before it.
pub(crate) fn scan(bytes: &[u8], segment: &Segment, salt: u32, with_parts: bool) -> Scanned {
    let mut scanned = Scanned {
        frames: Vec::new(),
        end: SEGMENT_HEADER_LEN,
        next_seq: segment.first_seq,
        prev: segment.prev,
        problem: "the segment ends here",
    };
    while (scanned.end as usize) < bytes.len() {
        let rest = &bytes[scanned.end as usize..];
        let head = decode_head(rest, salt).and_then(|head| {
            if head.seq != scanned.next_seq || head.prev != scanned.prev {
                return Err("the frame here is not the next one");
            }
            if with_parts {
                verify_parts(rest, &head)?;
            }
            Ok(head)
        });
        match head {
            Ok(head) => {
                let at = scanned.end;
                scanned.end += u64::from(head.total);
                scanned.next_seq += 1;
                scanned.prev = head.crc;
                scanned.frames.push(Frame { at, head });
            }
            Err(problem) => {
                scanned.problem = problem;
                break;
            }
        }
    }
    scanned
}

/// What lies behind the end of a scan.
pub(crate) struct Behind {
    /// Not only zeros.
    pub(crate) is_dirty: bool,
    /// Position and number of a frame that knew commit `seq` to be synced.
    pub(crate) proof: Option<(u64, u64)>,
}

/// Looks for a whole frame head, at any aligned place, that was written when `seq` was synced.
pub(crate) fn look_behind(bytes: &[u8], from: u64, seq: u64, salt: u32) -> Behind {
    let start = (from as usize).min(bytes.len());
    let mut behind = Behind { is_dirty: false, proof: None };
    for (at, word) in bytes[start..].chunks(ALIGN).enumerate() {
        if word.iter().all(|byte| *byte == 0) {
            continue;
        }
        behind.is_dirty = true;
        if !begins_frame(word) {
            continue;
        }
        let at = start + at * ALIGN;
        if let Ok(head) = decode_head(&bytes[at..], salt)
            && head.seq > seq
            && head.synced >= seq
        {
            behind.proof = Some((at as u64, head.seq));
            break;
        }
    }
    behind
}

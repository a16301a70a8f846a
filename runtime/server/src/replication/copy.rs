//! A whole journal as a stream: for each file a line of JSON (path, size, bytes that follow), then
//! its bytes; at the end a line with the last commit and the BLAKE3 of all bytes before it.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use pelton_core::{Domain, Error, Result};
use pelton_journal::{Copying, FullCopy, Verified};
use serde::{Deserialize, Serialize};

use super::LeaderClient;
use crate::data::of;

/// Bytes that are sent in one piece.
const PIECE: usize = 1 << 20;
/// Longest line.
const LINE_MAX: u64 = 4 << 10;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    File { path: String, size: u64, bytes: u64 },
    End { end: u64, digest: String },
}

fn line(line: &Line) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

/// The pieces of the stream, one after another.
pub(crate) fn pieces(copy: FullCopy) -> impl Iterator<Item = Bytes> + Send {
    let mut hasher = blake3::Hasher::new();
    let seq = copy.seq;
    let files = copy.files.into_iter().flat_map(|file| {
        let bytes = file.bytes.len() as u64;
        let head = line(&Line::File { path: file.path, size: file.size, bytes });
        let len = file.bytes.len();
        let body = (0..len).step_by(PIECE).map(move |at| file.bytes.slice(at..len.min(at + PIECE)));
        std::iter::once(head).chain(body)
    });
    let mut files = Some(files);
    std::iter::from_fn(move || {
        if let Some(piece) = files.as_mut()?.next() {
            hasher.update(&piece);
            return Some(piece);
        }
        files = None;
        let digest = hasher.finalize().to_hex().to_string();
        Some(line(&Line::End { end: seq, digest }))
    })
}

/// Makes the data directory a replica that begins with a copy of all that the leader has.
///
/// # Errors
/// `E-REPLICA-LEADER`, `E-REPLICA-COPY` where what arrived is not whole, those of the journal.
pub(super) fn take(leader: &LeaderClient, directory: &Path) -> Result<Verified> {
    let mut stream = BufReader::with_capacity(PIECE, leader.copy()?);
    let (mut copying, mut hasher) = (Copying::begin(directory).map_err(of)?, blake3::Hasher::new());
    let broken = |problem: String| {
        let text = format!("the copy of {} did not arrive whole: {problem}", leader.base());
        Error::new("E-REPLICA-COPY", Domain::External, text).retry()
    };
    loop {
        let mut text = Vec::new();
        let read = (&mut stream).take(LINE_MAX).read_until(b'\n', &mut text);
        read.map_err(|error| broken(error.to_string()))?;
        match serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))? {
            Line::File { path, size, bytes } => {
                hasher.update(&text);
                copying.file(&path, size).map_err(of)?;
                let mut left = bytes;
                let mut buffer = vec![0; PIECE];
                while left > 0 {
                    let some = &mut buffer[..PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
                    stream.read_exact(some).map_err(|error| broken(error.to_string()))?;
                    hasher.update(some);
                    copying.write(some).map_err(of)?;
                    left -= some.len() as u64;
                }
            }
            Line::End { end, digest } => {
                if hasher.finalize().to_hex().as_str() != digest {
                    return Err(broken("it does not match its digest".to_owned()));
                }
                return copying.finish(end, leader.base()).map_err(of);
            }
        }
    }
}

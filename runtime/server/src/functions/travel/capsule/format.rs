//! The file that a capsule is: a mark, a format number, sections, and a checksum of all of it.
//!
//! All numbers are little endian. `PLTNCAPS`, the format (u32), the number of sections (u32); each
//! section as its length (u64) and its bytes; BLAKE3 of everything before, 32 bytes. The sections:
//! the head as JSON, the module, the state, the decisions, and one batch for each of the head's
//! fetches, input by input.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BufMut, Bytes};
use pelton_core::{Domain, Error, Fetch, FunctionId, Offsets, Producer, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::outcome::Outcome;

/// Bytes of a capsule at most.
pub const CAPSULE_BYTES_MAX: usize = 64 << 20;
/// The format that is written, and the newest that is read.
pub const CAPSULE_FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"PLTNCAPS";
const HASH_BYTES: usize = 32;
/// Head, module, state, decisions.
const FIXED_SECTIONS: usize = 4;

/// How much of the task's state is in a capsule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StateKept {
    /// The entries that the call read, and the timers and windows of its keys.
    Touched,
    /// All of it: with less the call does something else.
    Whole,
}

/// A batch of input records, but for its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FetchHead {
    pub(super) offsets: Vec<u64>,
    pub(super) next: u64,
    pub(super) producer: Option<(u64, i64)>,
}

/// What a capsule says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapsuleHead {
    /// The function.
    pub function: FunctionId,
    /// The version that ran then.
    pub version: u64,
    /// BLAKE3 of its module.
    pub digest: String,
    /// Its manifest, which names secrets and does not hold them.
    pub manifest: String,
    /// The secrets that it needs, by name.
    pub secrets: Vec<String>,
    /// The partition whose task it was.
    pub partition: u32,
    /// Topics and their partitions.
    pub topics: BTreeMap<String, u32>,
    /// How much of the task's state is in it.
    pub state: StateKept,
    /// Whether the decisions of the call were recorded; else it has not been committed, and calls are
    /// cut anew.
    pub is_recorded: bool,
    /// What came of it.
    pub recorded: Outcome,
    /// When it was exported, ms.
    pub created_ms: i64,
    /// Keys that the call read, by store; in base64.
    pub(super) read: Vec<(u16, String)>,
    pub(super) fetches: Vec<Vec<FetchHead>>,
}

/// One call of a function with all that it needs.
#[derive(Debug, Clone)]
pub struct Capsule {
    /// What it says of itself.
    pub head: CapsuleHead,
    /// The module.
    pub wasm: Bytes,
    /// The state before the call, as a snapshot.
    pub(super) state: Bytes,
    /// The decisions: a task's record without changes.
    pub(super) decisions: Bytes,
    /// The records that the call reads, by input.
    pub(super) fetches: Vec<VecDeque<Fetch>>,
}

fn damaged(what: &str) -> Error {
    let text = format!("the capsule is damaged: {what}; export or copy it again");
    Error::new("E-CAPSULE-DAMAGED", Domain::User, text)
}

/// Refuses what is larger than a capsule may be.
pub(super) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= CAPSULE_BYTES_MAX {
        return Ok(());
    }
    let text = format!(
        "the capsule has {bytes} bytes, the limit is {CAPSULE_BYTES_MAX}: the call needs more state \
         than that; run it again on the server with `pelton replay`"
    );
    Err(Error::new("E-CAPSULE-SIZE", Domain::User, text))
}

impl FetchHead {
    fn of(fetch: &Fetch) -> Self {
        Self {
            offsets: (0..fetch.rows).map(|row| fetch.offsets.get(row)).collect(),
            next: fetch.next,
            producer: fetch.producer.map(|by| (by.task, by.watermark)),
        }
    }

    fn fetch(self, batch: Bytes) -> Result<Fetch> {
        let parsed = pelton_batch::Batch::parse(&batch).and_then(|b| b.validate().map(|()| b));
        let parsed = parsed.map_err(|error| damaged(&format!("input records: {error}")))?;
        let (rows, next) = (self.offsets.len(), self.next);
        if parsed.records().map_or(usize::MAX, |records| records.len()) != rows {
            return Err(damaged("input records without offsets"));
        }
        let producer = self.producer.map(|(task, watermark)| Producer { task, watermark });
        Ok(Fetch { batch, rows, offsets: Offsets::Each(self.offsets), next, producer })
    }
}

impl Capsule {
    /// The bytes of its file.
    ///
    /// # Errors
    /// `E-CAPSULE-SIZE`.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut head = self.head.clone();
        let heads = |input: &VecDeque<Fetch>| input.iter().map(FetchHead::of).collect();
        head.fetches = self.fetches.iter().map(heads).collect();
        let head = serde_json::to_vec(&head).map_err(|error| {
            Error::new("E-INTERNAL", Domain::Internal, "the head of a capsule").caused_by(error)
        })?;
        let mut sections: Vec<&[u8]> = vec![&head, &self.wasm, &self.state, &self.decisions];
        sections.extend(self.fetches.iter().flatten().map(|fetch| &fetch.batch[..]));
        let length: usize = sections.iter().map(|section| section.len() + size_of::<u64>()).sum();
        let all = MAGIC.len() + 2 * size_of::<u32>() + length + HASH_BYTES;
        check_size(all)?;
        let mut out = Vec::with_capacity(all);
        out.put_slice(MAGIC);
        out.put_u32_le(CAPSULE_FORMAT);
        out.put_u32_le(sections.len() as u32);
        for section in sections {
            out.put_u64_le(section.len() as u64);
            out.put_slice(section);
        }
        let hash = blake3::hash(&out);
        out.put_slice(hash.as_bytes());
        Ok(out)
    }

    /// Reads a capsule.
    ///
    /// # Errors
    /// `E-CAPSULE-FORMAT` for what is none, `E-CAPSULE-VERSION` for one of a newer Pelton,
    /// `E-CAPSULE-DAMAGED`, `E-CAPSULE-SIZE`.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        check_size(bytes.len())?;
        let rest = bytes.strip_prefix(MAGIC.as_slice());
        let Some(format) = rest.and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes)
        else {
            let text = "this is no capsule; `pelton capsule export` makes one";
            return Err(Error::new("E-CAPSULE-FORMAT", Domain::User, text));
        };
        if format != CAPSULE_FORMAT {
            let text = format!(
                "the capsule has format {format}, this Pelton reads {CAPSULE_FORMAT}: use a newer one"
            );
            return Err(Error::new("E-CAPSULE-VERSION", Domain::User, text));
        }
        let end = bytes.len().saturating_sub(HASH_BYTES);
        if blake3::hash(&bytes[..end]).as_bytes() != &bytes[end..] {
            return Err(damaged("its checksum does not fit"));
        }
        Self::read(bytes.slice(MAGIC.len() + size_of::<u32>()..end))
    }

    fn read(mut bytes: Bytes) -> Result<Self> {
        let count = bytes.try_get_u32_le().map_err(|_| damaged("it is cut short"))?;
        let mut sections = VecDeque::new();
        for _ in 0..count {
            let length = bytes.try_get_u64_le().map_err(|_| damaged("it is cut short"))?;
            let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
            let length = length.ok_or_else(|| damaged("a section is cut short"))?;
            sections.push_back(bytes.split_to(length));
        }
        if sections.len() < FIXED_SECTIONS || !bytes.is_empty() {
            return Err(damaged("it has other sections than it says"));
        }
        let mut next = || sections.pop_front().ok_or_else(|| damaged("a section is missing"));
        let mut head: CapsuleHead = serde_json::from_slice(&next()?)
            .map_err(|error| damaged(&format!("its head: {error}")))?;
        let (wasm, state, decisions) = (next()?, next()?, next()?);
        let mut fetches = Vec::new();
        for input in std::mem::take(&mut head.fetches) {
            let each = input.into_iter().map(|head| head.fetch(next()?));
            fetches.push(each.collect::<Result<_>>()?);
        }
        Ok(Self { head, wasm, state, decisions, fetches })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capsule(wasm: usize) -> Capsule {
        let mut records = pelton_batch::RecordsBuilder::new();
        records.push(Some(b"k"), Some(b"v"), 1);
        let fetch = Fetch {
            batch: records.finish().into(),
            rows: 1,
            offsets: Offsets::Each(vec![7]),
            next: 8,
            producer: Some(Producer { task: 3, watermark: -1 }),
        };
        let head = CapsuleHead {
            function: FunctionId::parse("f").unwrap(),
            version: 2,
            digest: "d".into(),
            manifest: String::new(),
            secrets: vec!["key".into()],
            partition: 1,
            topics: BTreeMap::from([("in".into(), 2)]),
            state: StateKept::Touched,
            is_recorded: true,
            recorded: Outcome::default(),
            created_ms: 5,
            read: vec![(0, "YQ==".into())],
            fetches: Vec::new(),
        };
        Capsule {
            head,
            wasm: vec![1; wasm].into(),
            state: Bytes::from_static(b"state"),
            decisions: Bytes::from_static(b"decisions"),
            fetches: vec![VecDeque::from([fetch]), VecDeque::new()],
        }
    }

    fn code(bytes: Vec<u8>) -> &'static str {
        Capsule::decode(bytes).unwrap_err().code
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = capsule(10);
        let read = Capsule::decode(written.encode().unwrap()).unwrap();
        assert_eq!(read.head, written.head);
        assert_eq!((read.wasm, read.state), (written.wasm, written.state));
        assert_eq!(read.decisions, written.decisions);
        assert_eq!(read.fetches.len(), 2);
        assert_eq!(read.fetches[0][0].batch, written.fetches[0][0].batch);
        assert_eq!(read.fetches[0][0].offsets, written.fetches[0][0].offsets);
        assert_eq!(read.fetches[0][0].producer, written.fetches[0][0].producer);
    }

    #[test]
    fn each_byte_that_is_changed_and_each_cut_is_found() {
        let good = capsule(10).encode().unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x41;
            let expected = match at {
                0..8 => "E-CAPSULE-FORMAT",
                8..12 => "E-CAPSULE-VERSION",
                _ => "E-CAPSULE-DAMAGED",
            };
            assert_eq!(code(bad), expected, "byte {at}");
            let expected = if at < 12 { "E-CAPSULE-FORMAT" } else { "E-CAPSULE-DAMAGED" };
            assert_eq!(code(good[..at].to_vec()), expected, "cut at {at}");
        }
    }

    #[test]
    fn sections_that_lie_about_their_length_are_refused_whatever_the_checksum_says() {
        let mut bytes = MAGIC.to_vec();
        bytes.put_u32_le(CAPSULE_FORMAT);
        bytes.put_u32_le(u32::MAX);
        bytes.put_u64_le(u64::MAX);
        let hash = blake3::hash(&bytes);
        bytes.put_slice(hash.as_bytes());
        assert_eq!(code(bytes), "E-CAPSULE-DAMAGED");
    }

    #[test]
    fn a_capsule_has_the_limit_and_not_one_byte_more() {
        let rest = capsule(0).encode().unwrap().len();
        let most = CAPSULE_BYTES_MAX - rest;
        let full = capsule(most).encode().unwrap();
        assert_eq!(full.len(), CAPSULE_BYTES_MAX);
        assert!(Capsule::decode(full).is_ok());
        assert_eq!(capsule(most + 1).encode().unwrap_err().code, "E-CAPSULE-SIZE");
        assert_eq!(code(vec![0; CAPSULE_BYTES_MAX + 1]), "E-CAPSULE-SIZE");
    }
}

//! One partition that is read, and what has been fetched of it ahead.

use std::collections::VecDeque;
use std::ffi::CString;

use bytes::Bytes;
use pelton_batch::RecordsBuilder;
use pelton_core::{Error, Fetch, Offsets};

use crate::source::message::Message;

const RECORDS_MAX: usize = 1_000;
const BYTES_MAX: usize = 1024 * 1024;
/// An input that has this much waiting is held back, so that the others get on.
const HOLD_BYTES: usize = 8 * 1024 * 1024;

pub(crate) struct Input {
    pub(crate) topic: CString,
    pub(crate) name: String,
    pub(crate) partition: i32,
    /// The offset behind what was handed out.
    pub(crate) position: u64,
    /// The offset behind what can be read, as far as is known.
    pub(crate) end: u64,
    /// Whether everything up to `end` has come, and nothing since.
    pub(crate) at_end: bool,
    pub(crate) paused: bool,
    /// Whether librdkafka was told to stop, since too much is waiting.
    pub(crate) held: bool,
    pub(crate) failed: Option<Error>,
    waiting: VecDeque<Fetch>,
    waiting_bytes: usize,
    builder: RecordsBuilder,
    offsets: Vec<u64>,
}

impl Input {
    pub(crate) fn new(topic: CString, name: String, partition: i32, position: u64) -> Self {
        Self {
            topic,
            name,
            partition,
            position,
            end: position,
            at_end: false,
            paused: false,
            held: false,
            failed: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            builder: RecordsBuilder::new(),
            offsets: Vec::new(),
        }
    }

    /// Takes a record in.
    pub(crate) fn push(&mut self, message: &Message<'_>) {
        message.push_to(&mut self.builder);
        self.offsets.push(message.offset());
        self.end = self.end.max(message.offset() + 1);
        self.at_end = false;
        if self.builder.len() >= RECORDS_MAX || self.builder.bytes_len() >= BYTES_MAX {
            self.finish();
        }
    }

    /// Everything up to `end` has come.
    pub(crate) fn reached_end(&mut self, end: u64) {
        self.end = end;
        self.at_end = true;
        self.settle();
    }

    /// Makes a batch of the records that are not in one yet.
    pub(crate) fn finish(&mut self) {
        let Some(last) = self.offsets.last().copied() else { return };
        let rows = self.builder.len();
        let batch = Bytes::from(self.builder.finish());
        let offsets = std::mem::take(&mut self.offsets);
        self.waiting_bytes += batch.len();
        let offsets = Offsets::Each(offsets);
        self.waiting.push_back(Fetch { batch, rows, offsets, next: last + 1, producer: None });
    }

    /// The next batch.
    pub(crate) fn pop(&mut self) -> Option<Fetch> {
        let fetch = self.waiting.pop_front()?;
        self.waiting_bytes -= fetch.batch.len();
        self.position = fetch.next;
        self.settle();
        Some(fetch)
    }

    /// Behind the last record there may be offsets that are no records: marks of transactions.
    fn settle(&mut self) {
        if self.at_end && self.waiting.is_empty() && self.offsets.is_empty() {
            self.position = self.position.max(self.end);
        }
    }

    /// Forgets what is waiting; it will be fetched again.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.builder.clear();
        self.offsets.clear();
        self.at_end = false;
        self.held = false;
        self.failed = None;
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn wants_hold(&self) -> bool {
        !self.held && self.waiting_bytes >= HOLD_BYTES
    }

    pub(crate) fn wants_release(&self) -> bool {
        self.held && self.waiting_bytes <= HOLD_BYTES / 2
    }
}

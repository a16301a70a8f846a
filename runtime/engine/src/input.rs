//! Inputs: fetched batches wait here until a call has consumed them and the call is committed.

use std::collections::VecDeque;
use std::sync::Arc;

use pelton_batch::FormatError;
use pelton_core::{Domain, Error, Fetch, Offsets, Producer, Result, Source};

use crate::config::InputConfig;
use crate::event_time::Incoming;
use crate::slice::{Piece, Slice};

/// The error of a fetched batch that is none.
pub(crate) fn format_error(error: FormatError) -> Error {
    Error::new("E-BATCH-FORMAT", Domain::External, format!("an input batch: {error}"))
}

/// One input of a task.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) config: InputConfig,
    /// The offset to be read next, behind everything that is committed.
    pub(crate) next: u64,
    /// Since when (recorded time, ms) the input has had nothing, where it has nothing.
    pub(crate) empty_since: Option<i64>,
    /// Since when (recorded time, ms) records wait that are in no call yet.
    pub(crate) waiting_since: Option<i64>,
    /// A bounded input that has been read to its end.
    pub(crate) ended: bool,
    /// Records from this offset on are not looked at yet; `u64::MAX` but in a replay.
    pub(crate) until: u64,
    /// Calls in a row that have failed to tell when records happened.
    pub(crate) attempts: u32,
    /// The tasks of the function that wrote the last batch that was fetched.
    siblings: Arc<[u64]>,
    queue: VecDeque<Arc<Incoming>>,
    /// Records of the first batch in the queue that are committed.
    consumed: usize,
    queued: usize,
}

impl Input {
    pub(crate) fn new(config: InputConfig, next: u64) -> Self {
        let queue = VecDeque::new();
        let until = u64::MAX;
        Self {
            config,
            next,
            empty_since: None,
            waiting_since: None,
            ended: false,
            until,
            attempts: 0,
            siblings: Arc::default(),
            queue,
            consumed: 0,
            queued: 0,
        }
    }

    /// Most records of a call of `rows`, and most bytes of one of `bytes`.
    fn allowance(&self, rows: usize, bytes: usize) -> (usize, usize) {
        let batch = &self.config.batch;
        let most = batch.records.map_or(usize::MAX, |records| records.max(1) as usize);
        let most_bytes = batch.bytes.and_then(|bytes| usize::try_from(bytes).ok());
        (rows.min(most), bytes.min(most_bytes.unwrap_or(usize::MAX)))
    }

    /// Whether what waits is as much as a call of `rows` records and `bytes` takes of it.
    pub(crate) fn is_full(&self, rows: usize, bytes: usize) -> bool {
        let (rows, bytes) = self.allowance(rows, bytes);
        self.queued >= rows || self.queued_bytes() >= bytes
    }

    /// About the bytes that wait.
    fn queued_bytes(&self) -> usize {
        self.queue.iter().map(|fetch| fetch.batch.len()).sum()
    }

    /// Records that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Fetches until `rows` records wait or there is nothing more now.
    pub(crate) fn fill(
        &mut self,
        source: &mut dyn Source,
        index: usize,
        rows: usize,
    ) -> Result<()> {
        while self.queued < rows {
            let Some(fetch) = source.fetch(index)? else { break };
            if fetch.rows == 0 {
                self.next = self.next.max(fetch.next);
                continue;
            }
            self.queued += fetch.rows;
            let siblings = self.siblings(&fetch, source);
            let event_time = self.config.event_time.as_ref();
            let number = self.config.input.unwrap_or(index as u16);
            let incoming = Incoming::new(fetch, event_time, siblings, number);
            self.queue.push_back(Arc::new(incoming.map_err(format_error)?));
        }
        Ok(())
    }

    /// The first batch that waits for the function to tell when its records happened.
    pub(crate) fn untold(&self) -> Option<Arc<Incoming>> {
        self.config.event_time.as_ref().filter(|how| how.is_guest())?;
        self.queue.iter().find(|fetch| fetch.is_untold).cloned()
    }

    /// Puts a batch whose times are told in the place of the first that waits for that.
    pub(crate) fn told(&mut self, fetch: Incoming) {
        self.attempts = 0;
        if let Some(untold) = self.queue.iter_mut().find(|fetch| fetch.is_untold) {
            *untold = Arc::new(fetch);
        }
    }

    /// The tasks of the function that wrote a batch, where its watermark counts.
    fn siblings(&mut self, fetch: &Fetch, source: &mut dyn Source) -> Arc<[u64]> {
        let tells = |producer: &Producer| self.config.carried && producer.watermark > i64::MIN;
        let Some(Producer { task, .. }) = fetch.producer.filter(tells) else {
            return Arc::default();
        };
        if !self.siblings.contains(&task) {
            self.siblings = source.siblings(task).into();
        }
        Arc::clone(&self.siblings)
    }

    /// Forgets the records that wait, to read them again under another configuration.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn read_again(&mut self, source: &mut dyn Source, index: usize) -> Result<()> {
        self.queue.clear();
        (self.consumed, self.queued, self.waiting_since) = (0, 0, None);
        source.seek(index, self.next)
    }

    /// Hands it the records of `piece`, which follow those that it was handed before: what a shadow
    /// reads.
    pub(crate) fn hand(&mut self, piece: &Piece) {
        if self.queue.is_empty() {
            self.consumed = piece.rows.start;
        }
        if self.queue.back().is_none_or(|last| !Arc::ptr_eq(last, &piece.fetch)) {
            self.queue.push_back(Arc::clone(&piece.fetch));
        }
        self.queued += piece.rows.len();
    }

    /// Pieces of up to `rows` records and about `bytes` bytes from the record `skip` on. At least
    /// one record where there is one.
    fn pieces(&self, index: usize, skip: usize, rows: usize, bytes: usize, slice: &mut Slice) {
        let mut skip = skip + self.consumed;
        let (mut rows, mut bytes) = (rows, bytes as u64);
        for fetch in &self.queue {
            if rows == 0 {
                return;
            }
            if skip >= fetch.rows {
                skip -= fetch.rows;
                continue;
            }
            let per_row = (fetch.batch.len() as u64 / fetch.rows as u64).max(1);
            let fit = usize::try_from(bytes / per_row).unwrap_or(usize::MAX);
            let fit = if slice.rows == 0 { fit.max(1) } else { fit };
            let take = rows.min(self.visible(fetch).saturating_sub(skip)).min(fit);
            if take == 0 {
                return;
            }
            let fetch_rows = skip..skip + take;
            slice.push(Piece { input: index, fetch: Arc::clone(fetch), rows: fetch_rows });
            rows -= take;
            bytes = bytes.saturating_sub(per_row * take as u64);
            if take < fetch.rows - skip {
                return;
            }
            skip = 0;
        }
    }

    /// How many of the records of `fetch` may be looked at.
    fn visible(&self, fetch: &Fetch) -> usize {
        match &fetch.offsets {
            _ if self.until == u64::MAX => fetch.rows,
            Offsets::From(first) => usize::try_from(self.until.saturating_sub(*first))
                .map_or(fetch.rows, |n| n.min(fetch.rows)),
            Offsets::Each(all) => all.partition_point(|offset| *offset < self.until),
        }
    }

    /// `rows`, or as many as the first batch still has, where those are enough for a call.
    fn whole(&self, rows: usize) -> usize {
        let left = self.queue.front().map_or(0, |first| first.rows - self.consumed);
        if left >= WHOLE_ROWS_MIN { rows.min(left) } else { rows }
    }

    /// The fetched batch and row of the `ahead`-th record that waits.
    fn peek(&self, ahead: usize) -> Option<(&Arc<Incoming>, usize)> {
        let mut at = ahead + self.consumed;
        for fetch in &self.queue {
            if at < fetch.rows {
                return (at < self.visible(fetch)).then_some((fetch, at));
            }
            at -= fetch.rows;
        }
        None
    }

    /// Lets go of the records of `piece`, which must be the next ones.
    pub(crate) fn consume(&mut self, piece: &Piece) {
        debug_assert_eq!(piece.rows.start, self.consumed);
        self.next = piece.next();
        self.waiting_since = None;
        self.queued -= piece.rows.len();
        self.consumed = piece.rows.end;
        if self.queue.front().is_some_and(|front| front.rows == self.consumed) {
            self.queue.pop_front();
            self.consumed = 0;
        }
    }
}

/// Records from which on a fetched batch is worth a call of its own: as it is, without a copy.
const WHOLE_ROWS_MIN: usize = 500;

/// How records are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection {
    /// Rather the rest of one large batch of a single input than parts of several.
    pub(crate) whole: bool,
    /// Whether the limits of each input count.
    pub(crate) limited: bool,
}

/// The next records of all inputs, at most `rows` and about `bytes`. Several inputs merge by
/// (timestamp, input, offset). What comes of an input that is empty and has not ended is not before
/// `from` (ms): records of others that are not before it either wait for that.
pub(crate) fn select(
    inputs: &[Input],
    from: impl Fn(usize) -> i64,
    rows: usize,
    bytes: usize,
    how: Selection,
) -> Slice {
    let mut slice = Slice::default();
    if let [only] = inputs {
        let (rows, bytes) = if how.limited { only.allowance(rows, bytes) } else { (rows, bytes) };
        let rows = if how.whole { only.whole(rows) } else { rows };
        only.pieces(0, 0, rows, bytes, &mut slice);
        return slice;
    }
    let mut taken = vec![(0, 0); inputs.len()];
    let mut used = 0;
    while slice.rows < rows && (used < bytes || slice.rows == 0) {
        let mut first: Option<(i64, usize)> = None;
        let mut waits_from = i64::MAX;
        for (index, input) in inputs.iter().enumerate() {
            let Some((fetch, row)) = input.peek(taken[index].0) else {
                if !input.ended {
                    waits_from = waits_from.min(from(index));
                }
                continue;
            };
            let timestamp = timestamp_of(fetch, row);
            if first.is_none_or(|(earliest, _)| timestamp < earliest) {
                first = Some((timestamp, index));
            }
        }
        let Some((timestamp, index)) = first else { return slice };
        if timestamp >= waits_from && waits_from != i64::MAX {
            return slice;
        }
        let Some((fetch, row)) = inputs[index].peek(taken[index].0) else { return slice };
        let (most, most_bytes) = inputs[index].allowance(rows, bytes);
        let (of_input, of_input_bytes) = &mut taken[index];
        if how.limited && (*of_input >= most || *of_input_bytes >= most_bytes) {
            return slice;
        }
        let row_bytes = fetch.batch.len() / fetch.rows.max(1);
        *of_input += 1;
        *of_input_bytes += row_bytes;
        used += row_bytes;
        match slice.pieces.last_mut() {
            Some(last) if Arc::ptr_eq(&last.fetch, fetch) && last.rows.end == row => {
                last.rows.end += 1;
                slice.rows += 1;
            }
            _ => slice.push(Piece { input: index, fetch: Arc::clone(fetch), rows: row..row + 1 }),
        }
    }
    slice
}

fn timestamp_of(fetch: &Fetch, row: usize) -> i64 {
    let records = pelton_batch::Batch::parse(&fetch.batch).and_then(|batch| batch.records());
    records.map_or(0, |records| records.timestamp(row))
}

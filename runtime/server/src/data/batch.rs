//! Records on their way into a topic, laid out by partition as they come.

use pelton_batch::{Batch, Header, Kind, RecordsBuilder};
use pelton_core::{Limits, Result, partition_for_key};
use pelton_journal::Topic;

use super::user;

/// Timestamps lie within a thousand years of 1970, ms.
pub const TIMESTAMP_MS_MAX: i64 = 1_000 * 31_556_952_000;

/// A record as a producer hands it over.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Ms since the Unix epoch; now, where there is none.
    pub timestamp_ms: Option<i64>,
    /// Where it goes, in place of where its key would.
    pub partition: Option<u32>,
}

/// What goes to one partition.
pub(super) struct Part {
    pub(super) records: RecordsBuilder,
    pub(super) newest_ms: i64,
}

/// Records for one topic. They keep their order within their partition.
pub struct RecordBatch {
    topic: Topic,
    limits: Limits,
    rows_max: usize,
    rows: usize,
    now_ms: i64,
    /// All records go here.
    fixed: Option<u32>,
    /// Where records go that have neither key nor partition.
    keyless: u32,
    needs_keys: bool,
    parts: Vec<Option<Part>>,
    digest: blake3::Hasher,
}

impl RecordBatch {
    pub(super) fn new(
        topic: Topic,
        limits: &super::DataLimits,
        now_ms: i64,
        fixed: Option<u32>,
        turn: u32,
    ) -> Self {
        let config = topic.config();
        let (partitions, needs_keys) = (config.partitions, config.cleanup.compaction().is_some());
        Self {
            topic,
            limits: limits.records.clone(),
            rows_max: limits.request_records_max,
            rows: 0,
            now_ms,
            fixed,
            needs_keys,
            keyless: turn % partitions.max(1),
            parts: (0..partitions).map(|_| None).collect(),
            digest: blake3::Hasher::new(),
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Number of records so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Most records that it takes.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// Adds a record.
    ///
    /// # Errors
    /// `E-LIMIT` and `E-REQUEST-RECORDS` for what is too large, `E-RECORD-TIMESTAMP`,
    /// `E-PARTITION-UNKNOWN`. Each names the record by its number in the request, from 0.
    pub fn push<'h>(
        &mut self,
        record: &NewRecord<'_>,
        headers: impl Iterator<Item = Header<'h>> + Clone,
    ) -> Result<()> {
        self.check_count(self.rows + 1)?;
        self.check(record, headers.clone())?;
        self.check_key(record)?;
        let partition = self.partition_of(record)?;
        let timestamp = record.timestamp_ms.unwrap_or(self.now_ms);
        self.digest_record(record, headers.clone());
        let part = self.parts[partition as usize]
            .get_or_insert_with(|| Part { records: RecordsBuilder::new(), newest_ms: i64::MIN });
        part.newest_ms = part.newest_ms.max(timestamp);
        part.records.push(record.key, record.value, timestamp);
        for header in headers {
            part.records.header(header.name, header.value);
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds the records of a batch of kind `Records`, in the batch layout. Offsets and inputs
    /// that it may carry mean nothing here and are left out.
    ///
    /// # Errors
    /// `E-BATCH-FORMAT` where these bytes are none, and those of [`RecordBatch::push`].
    pub fn push_batch(&mut self, bytes: &[u8]) -> Result<()> {
        let broken = |error: pelton_batch::FormatError| {
            user("E-BATCH-FORMAT", format!("the body is no batch of records: {error}"))
        };
        let batch = Batch::parse(bytes).map_err(broken)?;
        // Rows without columns cost their writer nothing: they are counted before they are read.
        self.check_count(self.rows.saturating_add(batch.rows()))?;
        batch.validate().map_err(broken)?;
        if batch.kind() != Kind::Records {
            let text = format!("the body is a batch of kind {:?}; send kind Records", batch.kind());
            return Err(user("E-BATCH-FORMAT", text));
        }
        let is_dated = batch.column(pelton_batch::layout::tag::TIMESTAMP).is_some();
        let records = batch.records().map_err(broken)?;
        for record in records.iter() {
            let timestamp_ms = is_dated.then(|| record.timestamp());
            let (key, value) = (record.key(), record.value());
            let new = NewRecord { key, value, timestamp_ms, partition: None };
            self.push(&new, record.headers())?;
        }
        Ok(())
    }

    /// What goes where, by partition.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = (u32, &mut Part)> {
        let parts = self.parts.iter_mut().enumerate();
        parts.filter_map(|(number, part)| Some((number as u32, part.as_mut()?)))
    }

    /// The partition that the one record goes to, and a batch of it alone.
    ///
    /// # Errors
    /// `E-INVOKE-RECORDS` where there is none or more than one.
    pub fn into_single(mut self) -> Result<(u32, Vec<u8>)> {
        let rows = self.rows;
        let part = self.parts().next().filter(|_| rows == 1);
        part.map(|(partition, part)| (partition, part.records.finish())).ok_or_else(|| {
            let text = format!("the request holds {rows} records: send exactly one");
            user("E-INVOKE-RECORDS", text)
        })
    }

    /// Tells batches apart that a producer sent under the same number: over all that it said, not
    /// over what was added to it.
    pub(super) fn digest(&self) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&self.digest.finalize().as_bytes()[..16]);
        short
    }

    fn check_count(&self, rows: usize) -> Result<()> {
        if rows <= self.rows_max {
            return Ok(());
        }
        let max = self.rows_max;
        let text = format!("a request holds at most {max} records: send the others in another one");
        Err(user("E-REQUEST-RECORDS", text))
    }

    fn check<'h>(
        &self,
        record: &NewRecord<'_>,
        headers: impl Iterator<Item = Header<'h>>,
    ) -> Result<()> {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
        let (mut count, mut header_bytes) = (0, 0);
        for header in headers {
            count += 1;
            header_bytes += header.name.len() as u64 + len(header.value);
        }
        let row = self.rows;
        let bytes = len(record.key) + len(record.value) + header_bytes;
        let checks = [
            (&self.limits.record_headers, count),
            (&self.limits.header_bytes, header_bytes),
            (&self.limits.record_bytes, bytes),
        ];
        for (limit, amount) in checks {
            if !limit.allows(amount) {
                limit.check(amount, &format!("record {row}"))?;
            }
        }
        match record.timestamp_ms {
            Some(ms) if ms.unsigned_abs() > TIMESTAMP_MS_MAX as u64 => {
                let text = format!(
                    "record {row}: timestamp {ms} is more than a thousand years from 1970; give \
                     it in ms since the Unix epoch"
                );
                Err(user("E-RECORD-TIMESTAMP", text))
            }
            _ => Ok(()),
        }
    }

    /// A record without a key has no successor: a compacted topic would keep it for good.
    fn check_key(&self, record: &NewRecord<'_>) -> Result<()> {
        if record.key.is_some() || !self.needs_keys {
            return Ok(());
        }
        let (topic, row) = (self.topic.name().to_owned(), self.rows);
        Err(super::of(pelton_journal::Error::KeyMissing { topic, row }))
    }

    fn partition_of(&self, record: &NewRecord<'_>) -> Result<u32> {
        let partitions = self.parts.len() as u32;
        let named = self.fixed.or(record.partition);
        let partition = match (named, record.key) {
            (Some(named), _) => named,
            (None, Some(key)) => partition_for_key(key, partitions),
            (None, None) => self.keyless,
        };
        if partition < partitions {
            return Ok(partition);
        }
        let (row, topic) = (self.rows, self.topic.name());
        let text = format!(
            "record {row}: there is no partition {partition}, topic {topic} has {partitions} \
             (from 0)"
        );
        Err(user("E-PARTITION-UNKNOWN", text))
    }

    fn digest_record<'h>(
        &mut self,
        record: &NewRecord<'_>,
        headers: impl Iterator<Item = Header<'h>>,
    ) {
        let mut put = |bytes: Option<&[u8]>| {
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            self.digest.update(&length.to_le_bytes());
            self.digest.update(bytes.unwrap_or_default());
        };
        put(record.key);
        put(record.value);
        let timestamp = record.timestamp_ms.map(i64::to_le_bytes);
        put(timestamp.as_ref().map(|bytes| &bytes[..]));
        let partition = self.fixed.or(record.partition).map(u32::to_le_bytes);
        put(partition.as_ref().map(|bytes| &bytes[..]));
        for header in headers {
            put(Some(header.name.as_bytes()));
            put(header.value);
        }
        put(None);
    }
}

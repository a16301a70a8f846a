//! From rows to batches: one builder for each partition, cut where a batch is full.

use std::collections::HashMap;

use pelton_batch::RecordsBuilder;
use pelton_core::{Limits, partition_for_key};

use super::{BadLine, Row, RowReader, check_bounds};
use crate::error::Result;

/// A batch is cut at this many records, or at about this many bytes.
const BATCH_RECORDS: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;

/// Where rows go.
pub(crate) trait Target {
    /// Number of partitions of a topic; `None` where the function does not read it.
    fn partitions(&self, topic: &str) -> Option<u32>;

    /// Takes the records out of a builder, which stood in these lines of the input.
    fn append(
        &mut self,
        topic: &str,
        partition: u32,
        records: &mut RecordsBuilder,
        lines: &[u64],
    ) -> Result<()>;
}

/// How rows are loaded.
#[derive(Debug, Clone)]
pub(crate) struct LoadOptions<'a> {
    /// How errors name the input.
    pub file: &'a str,
    /// The topic of rows that name none.
    pub topic: &'a str,
    /// The timestamp of rows that have none.
    pub now_ms: i64,
    /// Whether bad lines are left out and counted.
    pub skip_bad_lines: bool,
    /// What a record may be.
    pub limits: &'a Limits,
}

/// What has been loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Records.
    pub records: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Lines that were left out.
    pub bad_lines: u64,
    /// The first of those, as an error would say it.
    pub first_bad: Option<String>,
}

struct Partition {
    topic: String,
    number: u32,
    builder: RecordsBuilder,
    /// The line of each record in the builder.
    lines: Vec<u64>,
}

/// Loads all rows into `target`, keyed rows to the partition of their key, others in turn.
///
/// # Errors
/// The first bad line, unless they are skipped; a topic that the function does not read; what the
/// target says.
pub(crate) fn load(
    reader: &mut dyn RowReader,
    options: &LoadOptions<'_>,
    target: &mut dyn Target,
) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut partitions: Vec<Partition> = Vec::new();
    let mut index: HashMap<(String, u32), usize> = HashMap::new();
    let mut row = Row::default();
    loop {
        let found = next(reader, &mut row, options.limits).and_then(|is_there| match is_there {
            true => target_of(&row, options, target).map(Some),
            false => Ok(None),
        });
        let (topic, count) = match found {
            Ok(None) => break,
            Ok(Some(found)) => found,
            Err(bad) if bad.fatal || !options.skip_bad_lines => {
                return Err(bad.into_error(options.file));
            }
            Err(bad) => {
                loaded.bad_lines += 1;
                loaded.first_bad.get_or_insert_with(|| bad.into_error(options.file).text);
                continue;
            }
        };
        let number = match row.key() {
            Some(key) => partition_for_key(key, count),
            None => (loaded.records % u64::from(count.max(1))) as u32,
        };
        let at = *index.entry((topic.to_owned(), number)).or_insert_with(|| {
            let (builder, lines) = (RecordsBuilder::new(), Vec::new());
            partitions.push(Partition { topic: topic.to_owned(), number, builder, lines });
            partitions.len() - 1
        });
        let partition = &mut partitions[at];
        push(&row, options.now_ms, &mut partition.builder);
        partition.lines.push(row.line);
        loaded.records += 1;
        loaded.bytes +=
            (row.key().map_or(0, <[u8]>::len) + row.value().map_or(0, <[u8]>::len)) as u64;
        if partition.builder.len() >= BATCH_RECORDS || partition.builder.bytes_len() >= BATCH_BYTES
        {
            flush(partition, target)?;
        }
    }
    for partition in &mut partitions {
        flush(partition, target)?;
    }
    Ok(loaded)
}

fn next(reader: &mut dyn RowReader, row: &mut Row, limits: &Limits) -> Result<bool, BadLine> {
    let is_there = reader.read(row)?;
    if is_there {
        check_bounds(row, limits)?;
    }
    Ok(is_there)
}

fn push(row: &Row, now_ms: i64, builder: &mut RecordsBuilder) {
    builder.push(row.key(), row.value(), row.timestamp.unwrap_or(now_ms));
    for (name, value) in &row.headers {
        builder.header(name, value.as_deref());
    }
}

fn flush(partition: &mut Partition, target: &mut dyn Target) -> Result<()> {
    if partition.builder.is_empty() {
        return Ok(());
    }
    let Partition { topic, number, builder, lines } = partition;
    target.append(topic, *number, builder, lines)?;
    lines.clear();
    Ok(())
}

/// The topic that a record goes to and how many partitions that has.
fn target_of<'a>(
    row: &'a Row,
    options: &'a LoadOptions<'_>,
    target: &dyn Target,
) -> Result<(&'a str, u32), BadLine> {
    let topic = row.topic.as_deref().unwrap_or(options.topic);
    target.partitions(topic).map(|count| (topic, count)).ok_or_else(|| {
        let text =
            format!("the record names the topic {topic:?}, which the function does not read");
        let next = "leave \"topic\" out of the record, or add an [[input]] for it to pelton.toml; \
                    --skip-bad-lines leaves such lines out";
        BadLine { next: Some(next), ..BadLine::new("E-INPUT-TOPIC", row.line, 0, text) }
    })
}

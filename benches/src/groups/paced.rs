//! A producer that keeps a pace, and a consumer that tells how long each record took.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{Source, Start, TopicPartition};
use pelton_journal::Visibility;
use pelton_journal::adapter::JournalSource;
use pelton_server::Node;

use super::rig::topic;

/// A record at the consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// When it came, ns from the start.
    pub(super) at_ns: f64,
    /// From before it was appended, ns.
    pub(super) took_ns: f64,
}

/// Appends a batch to `in` each ms; the value of a record starts with the time of its append.
#[expect(clippy::disallowed_methods, reason = "the pace of the records is what is asked for")]
pub(super) fn produce(
    node: &Node,
    start: Instant,
    millis: usize,
    records_a_ms: usize,
) -> Result<()> {
    let (to, mut builder) = (topic("in")?, RecordsBuilder::new());
    let mut value = [b'x'; 101];
    for milli in 0..millis {
        let due = Duration::from_millis(milli as u64);
        if let Some(wait) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(wait);
        }
        value[..8].copy_from_slice(&(start.elapsed().as_nanos() as u64).to_le_bytes());
        for record in 0..records_a_ms {
            builder.push(Some(format!("{record:016}").as_bytes()), Some(&value), milli as i64);
        }
        node.append(&to, 0, &mut builder)?;
    }
    Ok(())
}

/// A consumer of `out`, from its beginning.
pub(super) fn consumer(node: &Node) -> Result<JournalSource> {
    let mut out = JournalSource::new(Arc::clone(node.journal()), Visibility::Durable);
    out.assign(&[(TopicPartition::local(topic("out")?, 0), Start::Earliest)])?;
    Ok(out)
}

/// Takes `count` records that [`produce`] stamped.
pub(super) fn consume(out: &mut JournalSource, start: Instant, count: usize) -> Result<Vec<Seen>> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        pollster::block_on(poll_fn(|context| out.poll_ready(context)));
        while let Some(fetch) = out.fetch(0)? {
            let now = start.elapsed().as_nanos() as u64;
            for record in Batch::parse(&fetch.batch)?.records()?.iter() {
                let stamp = record.value().and_then(|value| value.first_chunk());
                ensure!(stamp.is_some(), "a record lost its value");
                let sent = u64::from_le_bytes(stamp.copied().unwrap_or_default());
                all.push(Seen { at_ns: now as f64, took_ns: now.saturating_sub(sent) as f64 });
            }
        }
    }
    Ok(all)
}

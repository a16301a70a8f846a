//! What a test observes: what was sent and given up, state, timers, log lines.

use pelton_batch::Batch;
use pelton_core::{TimeDomain, TopicName};

use super::Harness;
use super::task::{DEAD_LETTERS, topic};
use crate::key::{AsKey, StoreKey};
use crate::store::StoreValue;
use crate::testing::observed::{Emitted, LogLine, Rejected};

impl Harness {
    /// What was sent to an output, in order.
    pub fn outputs(&mut self, output: &str) -> Vec<Emitted> {
        self.run();
        let (_, declared) = self.started();
        let known = &declared.outputs;
        assert!(known.iter().any(|name| name == output), "no output `{output}` among {known:?}");
        self.read(&topic(&format!("output.{output}")))
    }

    /// The values that were sent to an output, as text.
    pub fn texts(&mut self, output: &str) -> Vec<String> {
        self.outputs(output).iter().map(Emitted::text).collect()
    }

    /// What went to the dead letters.
    pub fn rejected(&mut self) -> Vec<Rejected> {
        self.run();
        let letters = self.read(&topic(DEAD_LETTERS)).into_iter();
        letters
            .map(|record| Rejected {
                reason: record.header("pelton-message").unwrap_or_default(),
                record,
            })
            .collect()
    }

    /// The value under a key of a store.
    pub fn stored<K: StoreKey, V: StoreValue>(
        &mut self,
        store: &str,
        key: impl AsKey<K>,
    ) -> Option<V> {
        self.run();
        let mut bytes = Vec::new();
        key.write_key(true, &mut bytes);
        let (task, declared) = self.started();
        let index = declared.stores.iter().position(|declared| declared.name == store);
        let index = index.unwrap_or_else(|| panic!("no store `{store}` is declared"));
        let entry = task.state().get(index as u16, &bytes)?;
        let value = rmp_serde::from_slice(entry.value);
        Some(value.unwrap_or_else(|error| panic!("a value of store `{store}`: {error}")))
    }

    /// The timers that are set: their name, key and time.
    pub fn timers(&mut self) -> Vec<(String, Option<Vec<u8>>, i64)> {
        self.run();
        let (task, declared) = self.started();
        let both = [TimeDomain::Event, TimeDomain::Processing];
        let due = both.iter().flat_map(|d| task.state().due_timers(*d, i64::MAX, usize::MAX));
        due.map(|timer| {
            let name = declared.timers[usize::from(timer.target)].name.clone();
            (name, timer.key.map(Vec::from), timer.due)
        })
        .collect()
    }

    /// The watermark: `i64::MIN` before the first record, `i64::MAX` after [`Harness::finish`].
    pub fn watermark(&mut self) -> i64 {
        self.run();
        self.started().0.watermark()
    }

    /// The function's log lines.
    pub fn log_lines(&mut self) -> Vec<LogLine> {
        self.run();
        self.lines.all()
    }

    /// Why the last [`Harness::swap`] was taken back, if it was.
    pub fn swap_failed(&mut self) -> Option<String> {
        self.run();
        self.swap_failed.clone()
    }

    /// Values in stores that are of another schema version than the function's: none, but on the
    /// trial of a swap.
    pub fn unmigrated(&mut self) -> u64 {
        self.run();
        self.started().0.unmigrated()
    }

    fn read(&self, topic: &TopicName) -> Vec<Emitted> {
        let mut all = Vec::new();
        for batch in self.log.batches(topic, 0) {
            let records = Batch::parse(&batch).and_then(Batch::records);
            let records = records.unwrap_or_else(|error| panic!("{error}"));
            all.extend(records.iter().map(|record| Emitted::of(&record)));
        }
        all
    }
}

//! Which producers are remembered: a bounded number of each tenant's, those that are silent the
//! longest going first.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pelton_core::{Result, TenantId, TopicName};
use pelton_journal::{Commit, Topic};

use super::produce::Stamp;
use super::remembered::Remembered;
use super::{DataPlane, of, user};

const LOCKS: usize = 64;
/// Entries that one commit removes.
const REMOVED_AT_ONCE: usize = 1_000;
/// Longest name of a producer, bytes.
const NAME_BYTES_MAX: usize = 120;

/// The locks of producers, and how many each tenant has.
pub(super) struct Producers {
    /// Held from looking at what is known of a producer to its next commit.
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
    counts: Mutex<HashMap<TenantId, usize>>,
}

impl Default for Producers {
    fn default() -> Self {
        Self {
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
            counts: Mutex::default(),
        }
    }
}

impl Producers {
    pub(super) fn lock(&self, key: &str) -> MutexGuard<'_, ()> {
        let lock = &self.locks[self.hasher.hash_one(key) as usize % LOCKS];
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prefix_of(tenant: &TenantId) -> String {
    format!("producer/{tenant}/")
}

/// The registry's key of a producer of a topic.
///
/// # Errors
/// `E-PRODUCER-NAME`.
pub(super) fn key_of(topic: &TopicName, stamp: &Stamp) -> Result<String> {
    let name = &stamp.producer;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(allowed) {
        let text = format!(
            "producer name {:?} is not allowed: use 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 . _ - :",
            name.chars().take(NAME_BYTES_MAX + 1).collect::<String>()
        );
        return Err(user("E-PRODUCER-NAME", text));
    }
    Ok(format!("{}{}/{name}", prefix_of(topic.tenant()), topic.name()))
}

impl DataPlane {
    /// What is known of a producer of this very topic.
    pub(super) fn remembered(&self, key: &str, topic: &Topic) -> Option<Remembered> {
        let known = Remembered::decode(&self.journal.entry(key)?)?;
        (known.topic == topic.id().0).then_some(known)
    }

    /// Makes room for one more producer.
    ///
    /// # Errors
    /// `E-PRODUCER-LIMIT` where all others were busy a moment ago.
    pub(super) fn admit_producer(&self, topic: &TopicName, key: &str) -> Result<()> {
        if self.journal.entry(key).is_some() {
            return Ok(());
        }
        let mut counts = self.producers.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = prefix_of(topic.tenant());
        let count = counts
            .entry(topic.tenant().clone())
            .or_insert_with(|| self.journal.entries(&prefix).len());
        if *count >= self.limits.producers_max {
            *count = self.forget_producers(&prefix)?;
        }
        if *count >= self.limits.producers_max {
            let text = format!(
                "tenant {} has {count} producers that were busy within the last {} s, the limit: \
                 use fewer, each for longer, or try again later",
                topic.tenant(),
                self.limits.producer_kept_ms_min / 1_000
            );
            return Err(user("E-PRODUCER-LIMIT", text).retry());
        }
        *count += 1;
        Ok(())
    }

    /// Forgets a tenant's producers that have expired, and of the others those that are silent the
    /// longest, down to nine tenths of the limit. Answers how many are left.
    fn forget_producers(&self, prefix: &str) -> Result<usize> {
        let now_ms = self.clock.now_ms();
        let mut all: Vec<(i64, String)> = self
            .journal
            .entries(prefix)
            .into_iter()
            .map(|(key, value)| {
                (Remembered::decode(&value).map_or(i64::MIN, |known| known.last_ms), key)
            })
            .collect();
        all.sort();
        let wanted = self.limits.producers_max - self.limits.producers_max.div_ceil(10);
        let surplus = all.len().saturating_sub(wanted);
        let silent = |last_ms: i64| now_ms.saturating_sub(last_ms);
        let gone = all.iter().enumerate().filter(|(rank, (last_ms, _))| {
            let expired = silent(*last_ms) > self.limits.producer_expiry_ms;
            expired || (*rank < surplus && silent(*last_ms) > self.limits.producer_kept_ms_min)
        });
        let gone: Vec<&str> = gone.map(|(_, (_, key))| key.as_str()).collect();
        self.remove_entries(&gone)?;
        Ok(all.len() - gone.len())
    }

    /// Forgets the producers of a topic that was deleted.
    pub(super) fn forget_producers_of(&self, topic: &TopicName) -> Result<()> {
        let mut counts = self.producers.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = format!("{}{}/", prefix_of(topic.tenant()), topic.name());
        let entries = self.journal.entries(&prefix);
        let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        self.remove_entries(&keys)?;
        // Counted anew when it is asked for.
        counts.remove(topic.tenant());
        Ok(())
    }

    /// Removes entries of the registry.
    pub(super) fn remove_entries(&self, keys: &[&str]) -> Result<()> {
        for some in keys.chunks(REMOVED_AT_ONCE) {
            let mut commit = Commit::new(self.clock.now_ms());
            some.iter().for_each(|key| commit.entry(key, None));
            self.journal.append(&mut commit).map_err(of)?;
        }
        Ok(())
    }
}

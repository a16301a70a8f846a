//! Producing to a topic of a server, such that a request that is sent again counts once.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use pelton_batch::RecordsBuilder;
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::{Client, Outcome};
use crate::clock::{Stopwatch, pause};

/// Pause before a request is sent again; doubled up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
const BATCH: &str = "application/x-pelton-batch";

/// Where records of a request are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Range {
    /// The partition.
    pub partition: u32,
    /// The offset of the first of them.
    pub offset: u64,
    /// How many there are.
    pub records: u32,
}

#[derive(Deserialize)]
struct Answer {
    partitions: Vec<Range>,
}

/// Who sends requests to one topic, and which one comes next.
pub(crate) struct Producer<'a> {
    client: &'a Client,
    topic: &'a str,
    partition: Option<u32>,
    name: String,
    sequence: u64,
    /// How long a request is sent again, seconds.
    patience: f64,
    /// How often a request was sent again.
    pub retries: u64,
}

/// A name that nobody else has: 128 random bits, as the standard library's hash maps draw them.
fn fresh_name() -> String {
    let bits = || RandomState::new().build_hasher().finish();
    format!("cli-{:016x}{:016x}", bits(), bits())
}

impl<'a> Producer<'a> {
    /// A producer that nobody has heard of yet.
    pub(crate) fn new(
        client: &'a Client,
        topic: &'a str,
        partition: Option<u32>,
        patience: Duration,
    ) -> Self {
        let (name, patience) = (fresh_name(), patience.as_secs_f64());
        Self { client, topic, partition, name, sequence: 0, patience, retries: 0 }
    }

    /// Appends the records, and empties the builder. Where the server is away or busy, it is asked
    /// again, unless it has never answered yet: then the address may be wrong.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub(crate) fn send(&mut self, records: &mut RecordsBuilder) -> Outcome<Vec<Range>> {
        let bytes = records.finish_dated();
        let clock = Stopwatch::start();
        let mut wait = PAUSE;
        loop {
            let call = self
                .client
                .call(Method::POST, &["topics", self.topic, "records"])
                .query_if("partition", self.partition)
                .query("producer", &self.name)
                .query("epoch", 0)
                .query("sequence", self.sequence)
                .body(BATCH, &bytes);
            match self.client.json::<Answer>(call) {
                Ok(answer) => {
                    self.sequence += 1;
                    return Ok(answer.partitions);
                }
                Err(failed) => {
                    let is_new = self.sequence == 0 && failed.error.code == "E-SERVER-DOWN";
                    if is_new || !failed.retryable || clock.seconds() >= self.patience {
                        return Err(failed);
                    }
                    tracing::info!("sent again: {}", failed.error);
                }
            }
            self.retries += 1;
            pause(wait);
            wait = (wait * 2).min(PAUSE_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_producer_has_a_name_of_its_own_that_a_server_takes() {
        let (one, two) = (fresh_name(), fresh_name());
        assert_ne!(one, two);
        assert!(one.len() <= 120 && one.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    }
}

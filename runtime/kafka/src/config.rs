//! How a cluster is reached.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Behind this many KiB of fetched and unread records a consumer fetches no more.
const FETCH_AHEAD_KIB: u32 = 16 * 1024;
/// What one transaction may hold in the producer before it has to go out.
const PRODUCE_AHEAD_KIB: u32 = 256 * 1024;
/// Above the highest ceiling of the record limit, so that the broker's own limit is what counts.
const MESSAGE_BYTES_MAX: u32 = 18 * 1024 * 1024;

/// A Kafka cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name in positions and errors; empty where it is the one that Pelton itself runs on.
    pub name: Arc<str>,
    /// Bootstrap brokers, `host:port` with commas between.
    pub brokers: String,
    /// Settings of librdkafka on top of ours, such as `security.protocol`.
    pub settings: BTreeMap<String, String>,
    /// How long a request to the brokers may take.
    pub request_timeout: Duration,
    /// Replicas of the topics that Pelton makes for itself; -1 takes the brokers' default.
    pub replication: i32,
}

impl Cluster {
    /// The cluster that Pelton runs on, with default settings.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            name: "".into(),
            brokers: brokers.into(),
            settings: BTreeMap::new(),
            request_timeout: Duration::from_secs(30),
            replication: -1,
        }
    }

    /// The same cluster under a name, as seen from a Pelton that does not run on it.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "pelton");
        // The default of 100 ms made a transaction commit cost 100 ms: a coordinator that is
        // still busy with the one before answers "try again".
        config.set("retry.backoff.ms", "5");
        config.set("reconnect.backoff.ms", "50");
        config.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in &self.settings {
            config.set(name, value);
        }
        config
    }

    /// A consumer that reads what was committed, from where it is told to.
    pub(crate) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config.set("group.id", group);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("isolation.level", "read_committed");
        config.set("auto.offset.reset", "earliest");
        config.set("enable.partition.eof", "true");
        config.set("check.crcs", "true");
        config.set("fetch.error.backoff.ms", "50");
        // How long fetching rests once that much has been fetched; the default is a second.
        config.set("fetch.queue.backoff.ms", "5");
        config.set("queued.max.messages.kbytes", FETCH_AHEAD_KIB.to_string());
        config
    }

    /// A producer whose transactions fence those of earlier owners of the same id.
    pub(crate) fn producer(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.client();
        config.set("transactional.id", transactional_id);
        config.set("transaction.timeout.ms", self.request_timeout.as_millis().to_string());
        config.set("linger.ms", "0");
        config.set("queue.buffering.max.messages", "1000000");
        config.set("queue.buffering.max.kbytes", PRODUCE_AHEAD_KIB.to_string());
        config.set("message.max.bytes", MESSAGE_BYTES_MAX.to_string());
        config
    }
}

//! What all handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::config::HttpConfig;
use super::error::{ApiError, ApiResult};
use super::metrics::HttpMetrics;
use super::tokens::Tokens;
use crate::data::DataPlane;
use crate::functions::Functions;
use crate::node::Node;
use crate::replication::Replication;

/// Request bodies are counted in pieces of this many bytes.
pub(super) const PIECE: usize = 1 << 10;

/// The node and the server around it, for handlers. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    functions: Arc<Functions>,
    config: HttpConfig,
    tokens: Tokens,
    replication: Arc<Replication>,
    metrics: HttpMetrics,
    draining: CancellationToken,
    connections: AtomicUsize,
    /// Room for request bodies, in pieces.
    bodies: Arc<Semaphore>,
    /// One backup at a time.
    backups: Arc<Semaphore>,
}

impl App {
    pub(super) fn new(functions: Arc<Functions>, config: HttpConfig, tokens: Tokens) -> Self {
        let replication = Arc::new(Replication::new(Arc::clone(&functions), tokens.clone()));
        let room = (config.bodies_bytes_max / PIECE).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            functions,
            config,
            tokens,
            replication,
            metrics: HttpMetrics::default(),
            draining: CancellationToken::new(),
            connections: AtomicUsize::new(0),
            bodies: Arc::new(Semaphore::new(room)),
            backups: Arc::new(Semaphore::new(1)),
        }))
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        self.0.functions.node()
    }

    /// The functions.
    #[must_use]
    pub fn functions(&self) -> &Arc<Functions> {
        &self.0.functions
    }

    /// Topics, records and groups.
    #[must_use]
    pub fn data(&self) -> &Arc<DataPlane> {
        self.node().data()
    }

    /// How the server listens.
    #[must_use]
    pub fn config(&self) -> &HttpConfig {
        &self.0.config
    }

    /// Who may call.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// How the server stands to copies of its journal.
    #[must_use]
    pub fn replication(&self) -> &Arc<Replication> {
        &self.0.replication
    }

    pub(super) fn metrics(&self) -> &HttpMetrics {
        &self.0.metrics
    }

    /// Cancelled once the server shuts down: whatever waits should end.
    #[must_use]
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    pub(super) fn connections(&self) -> &AtomicUsize {
        &self.0.connections
    }

    pub(super) fn open_connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Bytes of request bodies that are in memory, in whole pieces.
    pub(super) fn body_bytes(&self) -> usize {
        let room = (self.0.config.bodies_bytes_max / PIECE).min(Semaphore::MAX_PERMITS);
        room.saturating_sub(self.0.bodies.available_permits()) * PIECE
    }

    pub(super) fn backups(&self) -> &Arc<Semaphore> {
        &self.0.backups
    }

    pub(super) fn bodies(&self) -> &Arc<Semaphore> {
        &self.0.bodies
    }

    /// Runs work that computes or touches the disk, off the threads that serve connections.
    ///
    /// # Errors
    /// What the work answers; `E-INTERNAL` where it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DataPlane) -> pelton_core::Result<T> + Send + 'static,
    ) -> ApiResult<T> {
        let data = Arc::clone(self.data());
        match tokio::task::spawn_blocking(move || work(&data)).await {
            Ok(done) => Ok(done?),
            Err(error) => Err(ApiError::internal(format!("the request's work failed: {error}"))),
        }
    }

    /// Waits until a commit survives a power cut.
    ///
    /// # Errors
    /// `E-DURABLE-TIMEOUT` where the disk takes too long, `E-JOURNAL-POISONED`.
    pub async fn durable(&self, seq: u64) -> ApiResult<()> {
        let limit = self.config().durable_timeout;
        match tokio::time::timeout(limit, self.data().durable(seq)).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(ApiError::busy(
                "E-DURABLE-TIMEOUT",
                format!(
                    "the disk did not confirm the commit within {} s; it may still become durable",
                    limit.as_secs_f32()
                ),
            )),
        }
    }
}

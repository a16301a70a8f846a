//! The server: from an address to requests that are answered, and back to a quiet port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, Result};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

use super::claim::{Claimed, check_open};
use super::config::HttpConfig;
use super::housekeeping::{keep_clean, keep_history};
use super::listen::listen;
use super::metrics;
use super::routes::router;
use super::state::App;
use super::tokens::Tokens;
use crate::functions::Functions;
use crate::replication::Replication;

/// Threads that serve connections. They only move bytes: what computes has threads of its own.
const IO_THREADS: usize = 2;

/// How long threads have to end once nothing is served any more.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A server that runs. Dropping it closes all connections at once; [`Server::shutdown`] lets
/// running requests finish.
pub struct Server {
    app: App,
    address: SocketAddr,
    tasks: TaskTracker,
    runtime: Option<Runtime>,
}

impl Server {
    /// Listens and serves from now on, on threads of its own. Not to be called from within another
    /// tokio runtime.
    ///
    /// # Errors
    /// `E-HTTP-OPEN` for an address that others can reach while there is no token,
    /// `E-HTTP-ADDRESS` where it cannot be listened on, `E-THREADS`.
    pub fn bind(functions: Arc<Functions>, config: HttpConfig) -> Result<Self> {
        let claimed = Claimed::take(config.address)?;
        Self::on(claimed, functions, config)
    }

    /// As [`Server::bind`], on an address that was taken before.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn on(claimed: Claimed, functions: Arc<Functions>, config: HttpConfig) -> Result<Self> {
        let node = functions.node();
        let tokens =
            Tokens::open(Arc::clone(node.journal()), Arc::clone(node.clock()), config.token_rate);
        check_open(claimed.wanted(), !tokens.is_empty())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("http")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| {
                Error::new("E-THREADS", Domain::External, "cannot start the server")
                    .caused_by(error)
            })?;
        let (listener, address) = runtime.block_on(async { claimed.listen() })?;
        node.data().ask_first(functions.topic_hooks());
        let (app, tasks) = (App::new(functions, config, tokens), TaskTracker::new());
        app.replication().listens_at(format!("http://{address}"));
        let draining = app.draining().clone();
        tasks.spawn_on(keep_clean(Arc::clone(app.node()), draining), runtime.handle());
        tasks.spawn_on(keep_history(app.clone()), runtime.handle());
        runtime.spawn(listen(app.clone(), router(&app), listener, tasks.clone()));
        Ok(Self { app, address, tasks, runtime: Some(runtime) })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts what is deployed: see [`Functions::start_all`]. Nothing runs on a replica, or on a
    /// server that was fenced.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub fn start_functions(&self) -> Result<()> {
        let functions = self.app.functions();
        if self.app.replication().check_writable().is_err() {
            return Ok(());
        }
        match &self.runtime {
            Some(runtime) => runtime.block_on(functions.start_all()),
            None => Ok(()),
        }
    }

    /// What `/metrics` says whenever this is called, with the time, ms since the Unix epoch. It holds
    /// the node.
    pub fn figures(&self) -> impl Fn() -> (i64, String) + Send + use<> {
        let app = self.app.clone();
        move || (app.node().clock().now_ms(), metrics::encode(&app).unwrap_or_default())
    }

    /// How it stands to copies of its journal.
    #[must_use]
    pub fn replication(&self) -> &Arc<Replication> {
        self.app.replication()
    }

    /// Who may call.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        self.app.tokens()
    }

    /// Takes no more connections, ends what waits, lets running requests finish within the drain
    /// time, and closes the rest; then stops all functions behind their next commit. Answers whether
    /// all requests finished.
    pub fn shutdown(mut self) -> bool {
        let Some(runtime) = self.runtime.take() else { return true };
        self.app.draining().cancel();
        self.tasks.close();
        let (tasks, limit) = (self.tasks.clone(), self.app.config().drain_timeout);
        let drained = runtime.block_on(async { tokio::time::timeout(limit, tasks.wait()).await });
        runtime.block_on(self.app.functions().drain());
        // Whatever is left lets go of the node before this returns.
        runtime.shutdown_timeout(STOP_TIME);
        drained.is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.draining().cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

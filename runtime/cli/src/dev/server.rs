//! The server that `pelton dev` and `pelton demo` bring along.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pelton_server::functions::Functions;
use pelton_server::http::{HttpConfig, Server};
use pelton_server::{Node, NodeConfig};

use crate::error::{CliError, Result};
use crate::session::load_options;
use crate::up::PORT;

/// How long requests may go on at the end: the only clients that wait are this program's own.
const DRAIN: Duration = Duration::from_secs(2);

/// A server in this process.
pub(crate) struct Embedded {
    server: Server,
    node: Arc<Node>,
    /// Where it keeps everything.
    pub data_dir: PathBuf,
}

impl Embedded {
    /// Starts it, with what was deployed on it before. Without an address it listens where `up` does,
    /// or on a free port where somebody else does that already.
    ///
    /// # Errors
    /// `E-JOURNAL-LOCKED` where another process has the folder, and all else that `pelton up` says.
    pub(crate) fn start(data_dir: &Path, listen: Option<SocketAddr>, fresh: bool) -> Result<Self> {
        if fresh {
            forget(data_dir)?;
        }
        let node = Arc::new(Node::open(NodeConfig::new(data_dir, load_options()?))?);
        let bind = |address: SocketAddr| {
            let mut config = HttpConfig::new(address);
            config.drain_timeout = DRAIN;
            Server::bind(Functions::new(Arc::clone(&node)), config)
        };
        let usual = SocketAddr::from(([127, 0, 0, 1], PORT));
        let server = match bind(listen.unwrap_or(usual)) {
            Err(error) if listen.is_none() && error.code == "E-HTTP-ADDRESS" => {
                bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            }
            bound => bound,
        }?;
        server.start_functions()?;
        let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        Ok(Self { server, node, data_dir })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Its node.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether its disk still works.
    ///
    /// # Errors
    /// `E-JOURNAL-POISONED`.
    pub(crate) fn health(&self) -> Result<()> {
        self.node.journal().health().map_err(|error| CliError::coded(&error))
    }

    /// Ends it behind the commits under way; everything is on disk then.
    ///
    /// # Errors
    /// Where the disk fails.
    pub(crate) fn end(self) -> Result<()> {
        self.server.shutdown();
        Ok(self.node.sync()?)
    }
}

/// Removes what was kept, unless another process uses it.
fn forget(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    match Node::open(NodeConfig::new(folder, load_options()?)) {
        Err(error) if error.code == "E-JOURNAL-LOCKED" => return Err(error.into()),
        // Damaged, perhaps: a reason to begin anew.
        opened => drop(opened),
    }
    std::fs::remove_dir_all(folder).map_err(|error| CliError::file("remove", folder, &error))
}

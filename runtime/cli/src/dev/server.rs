//! The server that `pelton dev` and `pelton demo` bring along.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pelton_server::functions::Functions;
use pelton_server::http::{Claimed, HttpConfig, Server, check_open};
use pelton_server::{Node, NodeConfig};

use crate::data_dir;
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
    /// Somebody else listens where `up` does, so that it listens on a free port.
    pub has_other_port: bool,
}

impl Embedded {
    /// Starts it, with what was deployed on it before. Without an address it listens where `up` does,
    /// or on a free port where somebody else does that already. `fresh` forgets what was there before,
    /// but never the project in this folder.
    ///
    /// # Errors
    /// `E-JOURNAL-LOCKED` where another process has the folder, and all else that `pelton up` says.
    pub(crate) fn start(
        data_dir: &Path,
        listen: Option<SocketAddr>,
        fresh: Option<&Path>,
    ) -> Result<Self> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (claimed, has_other_port) = match Claimed::take(listen.unwrap_or(local(PORT))) {
            Err(error) if listen.is_none() && error.code == "E-HTTP-ADDRESS" => {
                (Claimed::take(local(0))?, true)
            }
            taken => (taken?, false),
        };
        check_open(claimed.wanted(), !data_dir::is_vacant(data_dir))?;
        if let Some(project) = fresh {
            forget(data_dir, project)?;
        }
        data_dir::check(data_dir)?;
        let node = Arc::new(Node::open(NodeConfig::new(data_dir, load_options()?))?);
        let mut config = HttpConfig::new(claimed.wanted());
        config.drain_timeout = DRAIN;
        let server = Server::on(claimed, Functions::new(Arc::clone(&node)), config)?;
        server.start_functions()?;
        let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        Ok(Self { server, node, data_dir, has_other_port })
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

/// Removes what was kept, unless another process uses it. What is no data directory stays, and so
/// does what holds the project or the current folder.
fn forget(folder: &Path, project: &Path) -> Result<()> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let kept = [project, &here];
    data_dir::check_removable(folder, &kept)?;
    if data_dir::is_vacant(folder) {
        return Ok(());
    }
    match Node::open(NodeConfig::new(folder, load_options()?)) {
        Err(error) if error.code == "E-JOURNAL-LOCKED" => return Err(error.into()),
        // Damaged, perhaps: a reason to begin anew.
        opened => drop(opened),
    }
    data_dir::remove(folder, &kept)
}

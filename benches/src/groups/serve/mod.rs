//! A server: producing over HTTP, deploying, swapping under load, many functions that are idle.

mod deploy;
mod idle;
mod produce;
mod swap;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use pelton_core::TenantId;
use pelton_server::functions::{DeployReport, DeployRequest, Functions};
use pelton_server::{LoadOptions, Node, NodeConfig};
use tokio::runtime::Runtime;

use super::Size;
use crate::table::Line;

pub(crate) use idle::start_idle;

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let mut lines = produce::run(size)?;
    lines.extend(deploy::run(size)?);
    lines.extend(swap::run(size)?);
    lines.extend(idle::run(size)?);
    Ok(lines)
}

/// The functions of a node with one worker in this directory, and threads for what they wait for.
struct Host {
    runtime: Runtime,
    functions: Arc<Functions>,
}

impl Host {
    fn open(directory: &Path) -> Result<Self> {
        let mut load = LoadOptions::in_process();
        load.engine.pooled_instances = 10;
        let config = NodeConfig { workers: 1, ..NodeConfig::new(directory, load) };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
        Ok(Self { runtime, functions: Functions::new(Arc::new(Node::open(config)?)) })
    }

    fn deploy(&self, manifest: &str, wasm: &'static [u8], wait: Duration) -> Result<DeployReport> {
        let (manifest, wasm) = (manifest.to_owned(), Bytes::from_static(wasm));
        let request =
            DeployRequest { tenant: TenantId::default(), manifest, wasm, dry_run: false, wait };
        Ok(self.runtime.block_on(self.functions.deploy(request))?)
    }
}

/// The manifest of a function from `in` to `out`.
fn manifest(name: &str) -> String {
    format!(
        "[function]\nname = \"{name}\"\n[[input]]\ntopic = \"in\"\npartitions = 1\n\
         [[output]]\nname = \"out\"\ntopic = \"out\"\n"
    )
}

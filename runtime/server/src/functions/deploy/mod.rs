//! Deploying: a new version of code and manifest, live.

mod activate;
mod go_back;
mod report;
mod take_over;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pelton_core::{Domain, Error, FunctionId, Manifest, PipelineId, Result, TenantId};

pub(super) use go_back::Failed;
pub use report::{DeployReport, Outcome};

use super::pipelines::Planned;
use super::record::{EventKind, FunctionRecord, Version};
use super::{Functions, Loaded, blocking};

/// What every module and component begins with.
const WASM_MAGIC: &[u8] = b"\0asm";

/// What is to be deployed.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// The tenant whose function it must be.
    pub tenant: TenantId,
    /// The text of the pelton.toml.
    pub manifest: String,
    /// The module.
    pub wasm: Bytes,
    /// Whether to check only, and to tell what would change.
    pub dry_run: bool,
    /// How long to wait for the first commit of each task.
    pub wait: Duration,
}

/// A version that is checked and compiled, for as long as nobody else changes its function.
pub(super) struct Prepared {
    pub(super) record: FunctionRecord,
    pub(super) new: Loaded,
    /// Whether it is one of the record's versions already.
    is_known: bool,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl Functions {
    /// Deploys: checks, compiles, keeps the version, and lets it take over.
    ///
    /// # Errors
    /// What is wrong with manifest or module; `E-FUNCTION-BUSY` while another change is under way;
    /// `E-FUNCTION-MEMBER` where it belongs to a pipeline; `E-TOPIC-INTERNAL`;
    /// `E-DEPLOY-TRIAL` where it failed before its first commit: then the version before goes on.
    pub async fn deploy(self: &Arc<Self>, request: DeployRequest) -> Result<DeployReport> {
        let prepared = self.prepare(&request).await?;
        let report = self.report(&prepared.record, &prepared.new, request.dry_run);
        if request.dry_run || report.outcome == Outcome::Unchanged {
            return Ok(report);
        }
        let _unswept = self.sweeping.read().await;
        let mut record = self.keep_version(&prepared, &request).await?;
        if record.shadow == Some(report.version) {
            self.detach(&record.function);
            record.shadow = None;
        }
        self.activate(record, prepared.new, report, EventKind::Deployed, request.wait).await
    }

    /// Checks and compiles; changes nothing.
    pub(super) async fn prepare(self: &Arc<Self>, request: &DeployRequest) -> Result<Prepared> {
        self.prepare_for(request, None).await
    }

    /// Checks and compiles a function alone, or as one of a pipeline that creates topics before.
    pub(super) async fn prepare_for(
        self: &Arc<Self>,
        request: &DeployRequest,
        pipeline: Option<(&PipelineId, &Planned)>,
    ) -> Result<Prepared> {
        let (of, planned) = pipeline.unzip();
        let manifest = Manifest::parse(&request.manifest, "pelton.toml");
        let manifest = manifest.map_err(Error::from_coded)?;
        let function = manifest.function.clone();
        check_tenant(&function, &request.tenant)?;
        if manifest.inputs.is_empty() {
            let text = format!("{function} reads no topic: add an [[input]] to its pelton.toml");
            return Err(Error::new("E-INPUT-NONE", Domain::User, text));
        }
        let turn = self.turn_soon(&function).await?;
        let digest = blake3::hash(&request.wasm).to_hex().to_string();
        let known = self.registry.find(&function)?;
        let record = known.unwrap_or_else(|| FunctionRecord::new(function.clone()));
        self.check_free(&record, of)?;
        let same = record.same(&digest, &request.manifest).map(|version| version.number);
        let number = same.unwrap_or_else(|| record.next_number());
        let (node, wasm) = (Arc::clone(&self.node), request.wasm.clone());
        let new = blocking(move || Loaded::new(&node, number, manifest, &wasm)).await?;
        super::reach::check_topics(&new.spec)?;
        self.internal.check(&new.spec, of)?;
        new.check_partitions(&self.node, planned)?;
        Ok(Prepared { record, new, is_known: same.is_some(), _turn: turn })
    }

    /// Keeps what was prepared as a version, where it is none yet; nothing may be swept meanwhile.
    /// What is answered is not written down yet.
    pub(super) async fn keep_version(
        &self,
        prepared: &Prepared,
        request: &DeployRequest,
    ) -> Result<FunctionRecord> {
        let mut record = prepared.record.clone();
        if !prepared.is_known {
            let (registry, wasm) = (self.registry.clone(), request.wasm.clone());
            let digest = blocking(move || registry.put_module(&wasm)).await?;
            let (manifest, size) = (request.manifest.clone(), request.wasm.len() as u64);
            let (number, created_ms) = (prepared.new.number, self.now_ms());
            record.add(Version { number, digest, size, manifest, created_ms });
        }
        Ok(record)
    }

    /// Keeps a module for a deployment that follows within [`super::UPLOAD_KEPT_MS`]; answers its digest.
    ///
    /// # Errors
    /// `E-MODULE-FORMAT` where it is none, what the journal answers.
    pub async fn upload(&self, wasm: Bytes) -> Result<String> {
        if !wasm.starts_with(WASM_MAGIC) {
            let text = "what was uploaded is no WebAssembly module: it does not begin with \\0asm; \
                        build the function with `pelton build`";
            return Err(Error::new("E-MODULE-FORMAT", Domain::User, text));
        }
        let _unswept = self.sweeping.read().await;
        let registry = self.registry.clone();
        let digest = blocking(move || registry.put_module(&wasm)).await?;
        self.uploads.note(&digest, self.now_ms());
        Ok(digest)
    }

    /// A module that was uploaded or is deployed.
    ///
    /// # Errors
    /// `E-ARTEFACT-UNKNOWN` where it has to be uploaded (again).
    pub async fn module(&self, digest: &str) -> Result<Bytes> {
        let (registry, digest) = (self.registry.clone(), digest.to_owned());
        blocking(move || registry.module(&digest)).await
    }
}

fn check_tenant(function: &FunctionId, tenant: &TenantId) -> Result<()> {
    if function.tenant() == tenant {
        return Ok(());
    }
    let text = format!(
        "the manifest is for {function}, but the request is for tenant {}",
        tenant.as_str()
    );
    Err(Error::new("E-TENANT-OTHER", Domain::User, text))
}

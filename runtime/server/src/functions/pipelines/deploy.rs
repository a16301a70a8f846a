//! Deploying a pipeline: all its functions are checked before any of them changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pelton_core::manifest::PipelineManifest;
use pelton_core::{Domain, Error, FunctionId, Result, TenantId};

use super::record::{PipelineFunction, PipelineRecord, PipelineVersion};
use super::{PipelineReport, Planned, record};
use crate::functions::deploy::Prepared;
use crate::functions::record::EventKind;
use crate::functions::{DeployReport, DeployRequest, Functions};

/// A pipeline that is to be deployed.
#[derive(Debug, Clone)]
pub struct PipelineRequest {
    /// The tenant whose pipeline it must be.
    pub tenant: TenantId,
    /// The text of the pelton.toml.
    pub manifest: String,
    /// The digest of each function's module, by the function's name.
    pub modules: BTreeMap<String, String>,
    /// Whether to check only, and to tell what would change.
    pub dry_run: bool,
    /// How long to wait for the first commit of each task.
    pub wait: Duration,
}

/// A version whose functions are all checked and compiled, for as long as nobody else changes them.
pub(super) struct Ready {
    pub(super) members: Vec<ReadyMember>,
    /// Functions that the active version has, and this one has not.
    pub(super) left_out: Vec<FunctionId>,
    pub(super) planned: Planned,
    pub(super) manifest: PipelineManifest,
}

/// A function of it.
pub(super) struct ReadyMember {
    pub(super) prepared: Prepared,
    pub(super) request: DeployRequest,
    pub(super) report: DeployReport,
}

impl Ready {
    /// What is kept of the functions.
    fn functions(&self, modules: &BTreeMap<String, String>) -> BTreeMap<String, PipelineFunction> {
        let member = |member: &ReadyMember| {
            let name = member.report.function.name().to_owned();
            let digest = modules.get(&name).cloned().unwrap_or_default();
            (name, PipelineFunction { digest, version: member.report.version })
        };
        self.members.iter().map(member).collect()
    }

    /// What making it so would do.
    pub(super) fn report(&self, record: &PipelineRecord, version: u64) -> PipelineReport {
        PipelineReport {
            pipeline: record.pipeline.clone(),
            version,
            before: (record.active > 0).then_some(record.active),
            functions: self.members.iter().map(|member| member.report.clone()).collect(),
            removed: self.left_out.clone(),
            dry_run: false,
        }
    }
}

impl Functions {
    /// Deploys a pipeline: checks and compiles all its functions, keeps the version, and lets each
    /// function that is another one take over. Where one does not pass its trial, all go back.
    ///
    /// # Errors
    /// As [`Self::deploy`], and `E-PIPELINE-NONE`, `E-PIPELINE-MODULES`, `E-FUNCTION-MEMBER`,
    /// `E-TOPIC-INTERNAL`, `E-PIPELINE-BUSY`.
    pub async fn deploy_pipeline(
        self: &Arc<Self>,
        request: PipelineRequest,
    ) -> Result<PipelineReport> {
        let manifest = record::manifest(&request.manifest)?;
        let pipeline = &manifest.pipeline;
        if *pipeline.tenant() != request.tenant {
            let text = format!(
                "the manifest is for {pipeline}, but the request is for tenant {}",
                request.tenant.as_str()
            );
            return Err(Error::new("E-TENANT-OTHER", Domain::User, text));
        }
        check_modules(&manifest, &request.modules)?;
        let _turn = self.pipeline_turn_soon(pipeline).await?;
        let known = self.pipelines.find(pipeline)?;
        let mut record = known.unwrap_or_else(|| PipelineRecord::new(pipeline.clone()));
        let ready = self.prepare_pipeline(&record, &manifest, &request.modules, request.wait);
        let ready = Box::pin(ready).await?;
        let same = record.same(&request.manifest, &request.modules).map(|version| version.number);
        let number = same.unwrap_or_else(|| record.next_number());
        let report = ready.report(&record, number);
        if request.dry_run || (report.is_unchanged() && record.is_settled()) {
            return Ok(PipelineReport { dry_run: request.dry_run, ..report });
        }
        let _unswept = self.sweeping.read().await;
        if same.is_none() {
            let (functions, manifest) = (ready.functions(&request.modules), request.manifest);
            let created_ms = self.now_ms();
            record.add(PipelineVersion { number, manifest, functions, created_ms });
        }
        Box::pin(self.apply(record, number, ready, EventKind::Deployed, request.wait)).await
    }

    /// Checks and compiles all functions of a version; changes nothing.
    pub(super) async fn prepare_pipeline(
        self: &Arc<Self>,
        record: &PipelineRecord,
        manifest: &PipelineManifest,
        modules: &BTreeMap<String, String>,
        wait: Duration,
    ) -> Result<Ready> {
        let members: Vec<&str> =
            manifest.functions.iter().map(|member| member.manifest.function.name()).collect();
        let internal: Vec<_> = manifest.internal_topics().collect();
        self.check_internal(&manifest.pipeline, &internal, &members)?;
        let journal = self.node.journal();
        let planned = Planned::new(manifest, |topic| {
            journal.topic(&topic.to_string()).ok().map(|topic| topic.config().partitions)
        });
        let mut left_out = self.members_of(&record.pipeline)?;
        left_out.retain(|function| !members.contains(&function.name()));
        let mut ready = Vec::with_capacity(members.len());
        // Turns are taken in the order of names: then nobody waits for whoever waits for him.
        let mut by_name: Vec<_> = manifest.functions.iter().enumerate().collect();
        by_name.sort_by_key(|(_, member)| member.manifest.function.name());
        for (place, member) in by_name {
            let name = member.manifest.function.name();
            let request = DeployRequest {
                tenant: manifest.pipeline.tenant().clone(),
                manifest: member.text.clone(),
                wasm: self.module(modules.get(name).map_or("", String::as_str)).await?,
                dry_run: true,
                wait,
            };
            let of = Some((&manifest.pipeline, &planned));
            let prepared = self.prepare_for(&request, of).await.map_err(|e| in_member(name, e))?;
            let report = self.report(&prepared.record, &prepared.new, true);
            ready.push((place, ReadyMember { prepared, request, report }));
        }
        ready.sort_by_key(|(place, _)| *place);
        let ready = ready.into_iter().map(|(_, member)| member).collect();
        Ok(Ready { members: ready, left_out, planned, manifest: manifest.clone() })
    }
}

/// Says which function is not right, where the error does not.
fn in_member(name: &str, error: Error) -> Error {
    error.reworded(|text| match text.contains(name) {
        true => text.to_owned(),
        false => format!("function {name}: {text}"),
    })
}

fn check_modules(manifest: &PipelineManifest, modules: &BTreeMap<String, String>) -> Result<()> {
    let missing = manifest.functions.iter().map(|member| member.manifest.function.name());
    let missing = missing.into_iter().find(|name| !modules.contains_key(*name));
    let unknown = modules.keys().find(|name| manifest.function(name).is_none());
    let text = match (missing, unknown) {
        (Some(name), _) => format!("no module is given for the function {name}"),
        (None, Some(name)) => format!("a module is given for {name}, which is no function of it"),
        (None, None) => return Ok(()),
    };
    let text = format!("{}: {text}: `modules` holds the digest of each", manifest.pipeline);
    Err(Error::new("E-PIPELINE-MODULES", Domain::User, text))
}

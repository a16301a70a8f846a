//! A function that is ready to be instantiated.

use std::sync::Arc;

use pelton_core::{
    BoxFuture, Coded, Declaration, Domain, Fault, FaultKind, Guest, GuestFactory, Limits,
    SharedEnvironment,
};
use wasmtime::component::InstancePre;

use super::start::{check_exports, start};
use super::{HostState, WasmGuest, simple};
use crate::compile::Compiled;
use crate::contract::{CONTRACT_VERSIONS, Setup, WitDeclaration};
use crate::declare;
use crate::engine::HostEngine;
use crate::error::HostError;
use crate::link::{Grants, link};
use crate::meter::{CallStats, metered};
use crate::scan::World;

/// What a function is told when it is opened.
#[derive(Debug, Clone, Default)]
pub struct FunctionSetup {
    /// Tenant and name, `tenant/name`.
    pub function: String,
    /// Names of the subscriptions, in the order of the input index.
    pub inputs: Vec<String>,
}

/// Why a function could not be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The module is refused.
    #[error(transparent)]
    Module(#[from] HostError),
    /// Its first instance did not open.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Coded for LoadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Module(error) => error.code(),
            Self::Fault(fault) => fault.code(),
        }
    }

    fn domain(&self) -> Domain {
        match self {
            Self::Module(error) => error.domain(),
            Self::Fault(fault) => fault.domain(),
        }
    }

    fn retryable(&self) -> bool {
        match self {
            Self::Module(error) => error.retryable(),
            Self::Fault(fault) => fault.retryable(),
        }
    }
}

/// Makes instances of a compiled function.
pub struct WasmFactory {
    pre: InstancePre<HostState>,
    world: World,
    setup: Setup,
    limits: Arc<Limits>,
    declaration: Declaration,
}

impl WasmFactory {
    /// Links a compiled function to what it is granted, opens a first instance, and checks what it
    /// declares.
    ///
    /// # Errors
    /// `E-MODULE-*` where its imports are not granted, or imports or exports have other types; a fault where it does
    /// not open, was built against another contract, or declares what cannot be run.
    pub async fn new(
        engine: &HostEngine,
        compiled: &Compiled,
        setup: FunctionSetup,
        grants: &Grants,
        limits: Limits,
        environment: SharedEnvironment,
    ) -> Result<Self, LoadError> {
        let pre = Self::checked(engine, compiled, grants, &limits, environment.clone()).await?;
        let setup = Setup {
            function: setup.function,
            contract_min: *CONTRACT_VERSIONS.start(),
            contract_max: *CONTRACT_VERSIONS.end(),
            batch_version: pelton_batch::layout::VERSION,
            inputs: setup.inputs,
        };
        let (limits, world) = (Arc::new(limits), compiled.world);
        let declaration = Declaration::default();
        let mut factory = Self { pre, world, setup, limits, declaration };
        let (_, declaration) = factory.open(environment).await?;
        factory.declaration = declaration;
        Ok(factory)
    }

    /// Links a compiled function and looks at the types of its exports, as [`WasmFactory::new`]
    /// does, but calls none of them.
    ///
    /// # Errors
    /// `E-MODULE-*` where its imports are not granted, or imports or exports have other types than
    /// the contract's; a fault where it cannot be instantiated.
    pub async fn check(
        engine: &HostEngine,
        compiled: &Compiled,
        grants: &Grants,
        limits: &Limits,
        environment: SharedEnvironment,
    ) -> Result<(), LoadError> {
        Self::checked(engine, compiled, grants, limits, environment).await.map(drop)
    }

    async fn checked(
        engine: &HostEngine,
        compiled: &Compiled,
        grants: &Grants,
        limits: &Limits,
        environment: SharedEnvironment,
    ) -> Result<InstancePre<HostState>, LoadError> {
        let pre = link(engine, &compiled.component, &compiled.imports, grants)?;
        let stats = CallStats::default();
        let checking = check_exports(&pre, compiled.world, limits, &stats, environment);
        metered(stats.meter().clone(), checking).await?;
        Ok(pre)
    }

    /// The world that the function implements.
    #[must_use]
    pub fn world(&self) -> World {
        self.world
    }

    /// A fresh instance, opened, with all that the host knows of it.
    ///
    /// # Errors
    /// A fault: `Open`, `Deadline` or `Memory`; `Host` and retryable where all slots are in use.
    pub async fn instance(&self, environment: SharedEnvironment) -> Result<WasmGuest, Fault> {
        let (guest, declaration) = self.open(environment).await?;
        if declaration != self.declaration {
            let text = "the function declares something else than when it was first opened: what \
                        `open` answers must depend on nothing but its arguments";
            return Err(Fault::new(FaultKind::Open, text));
        }
        Ok(guest)
    }

    async fn open(
        &self,
        environment: SharedEnvironment,
    ) -> Result<(WasmGuest, Declaration), Fault> {
        let Self { pre, world, setup, limits, .. } = self;
        let stats = CallStats::default();
        let opening = start(pre, *world, setup, limits, &stats, environment);
        let (live, declared) = metered(stats.meter().clone(), opening).await?;
        let declaration =
            self.check_declared(declared).map_err(|why| Fault::new(FaultKind::Open, why))?;
        Ok((WasmGuest::new(live, limits.clone(), stats), declaration))
    }

    fn check_declared(&self, declared: Option<WitDeclaration>) -> Result<Declaration, String> {
        let Some(declared) = declared else { return Ok(simple::declaration()) };
        declare::check_contract(declared.contract, &CONTRACT_VERSIONS)?;
        let declaration = declared.into_core(self.world == World::StatefulFunction)?;
        declare::check(&declaration, &self.limits)?;
        Ok(declaration)
    }
}

impl GuestFactory for WasmFactory {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn instantiate(
        &self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'_, Result<Box<dyn Guest>, Fault>> {
        Box::pin(async move {
            let guest = self.instance(environment).await?;
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}

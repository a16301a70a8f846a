//! From the bytes of a module to a function that can be deployed.

use std::path::Path;
use std::sync::Arc;

use pelton_core::{Error, GuestFactory, Result, TaskId};
use pelton_engine::{OpenEnvironment, Telemetry};
use pelton_host::{
    Cache, CompileCommand, CompileMode, Compiler, EngineConfig, FunctionSetup, Grants, HostEngine,
    WasmFactory,
};

use crate::spec::DeploymentSpec;

/// How functions are compiled.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// In a child process with limits (a command that ends in `compile_child_main`), or in this
    /// process, which is for one's own code only.
    pub mode: CompileMode,
    /// The wasmtime engine.
    pub engine: EngineConfig,
}

impl LoadOptions {
    /// Compiles in a child process.
    #[must_use]
    pub fn child(command: CompileCommand) -> Self {
        Self { mode: CompileMode::Child(command), engine: EngineConfig::default() }
    }

    /// Compiles in this process.
    #[must_use]
    pub fn in_process() -> Self {
        Self { mode: CompileMode::InProcess, engine: EngineConfig::default() }
    }
}

/// Compiles and opens functions.
pub(crate) struct Loader {
    engine: HostEngine,
    compiler: Compiler,
}

impl Loader {
    /// A loader that keeps its cache below `directory`.
    pub(crate) fn new(directory: &Path, options: LoadOptions) -> Result<Self> {
        let engine = HostEngine::new(&options.engine).map_err(Error::from_coded)?;
        let cache = Cache::open(&directory.join("compiled")).map_err(Error::from_coded)?;
        let compiler = Compiler::new(engine.clone(), options.mode, Some(cache));
        Ok(Self { engine, compiler })
    }

    pub(crate) fn load(
        &self,
        wasm: &[u8],
        spec: &DeploymentSpec,
        telemetry: &Arc<dyn Telemetry>,
        time_ms: i64,
    ) -> Result<Arc<dyn GuestFactory>> {
        let compiled = self.compiler.load(spec.function.tenant(), wasm, &spec.limits);
        let compiled = compiled.map_err(Error::from_coded)?;
        let setup = FunctionSetup {
            function: spec.function.to_string(),
            inputs: spec.inputs.iter().map(|input| input.name.clone()).collect(),
        };
        let environment = environment(spec, telemetry, time_ms);
        let grants = Grants::default();
        let limits = spec.limits.clone();
        let opening =
            WasmFactory::new(&self.engine, &compiled, setup, &grants, limits, environment);
        let factory = pollster::block_on(opening).map_err(Error::from_coded)?;
        Ok(Arc::new(factory))
    }
    /// Does all that [`Loader::load`] does but to open the function.
    pub(crate) fn check(
        &self,
        wasm: &[u8],
        spec: &DeploymentSpec,
        telemetry: &Arc<dyn Telemetry>,
        time_ms: i64,
    ) -> Result<()> {
        let compiled = self.compiler.load(spec.function.tenant(), wasm, &spec.limits);
        let compiled = compiled.map_err(Error::from_coded)?;
        let (environment, grants) = (environment(spec, telemetry, time_ms), Grants::default());
        let checking =
            WasmFactory::check(&self.engine, &compiled, &grants, &spec.limits, environment);
        pollster::block_on(checking).map_err(Error::from_coded)
    }
}

/// What a function sees of the world while it is opened.
fn environment(
    spec: &DeploymentSpec,
    telemetry: &Arc<dyn Telemetry>,
    time_ms: i64,
) -> Arc<OpenEnvironment> {
    Arc::new(OpenEnvironment {
        task: TaskId { function: spec.function.clone(), partition: 0 },
        settings: spec.settings.clone(),
        telemetry: Arc::clone(telemetry),
        time_ms,
    })
}

//! What a made-up module goes through, and what may come of it.

use std::sync::Arc;

use pelton_core::{Coded, Fault, FaultKind, Guest, Limits, TenantId};
use pelton_host::{
    CompileMode, Compiler, EngineConfig, FunctionSetup, Grants, HostEngine, LoadError, WasmFactory,
    WasmGuest, World, scan,
};

use crate::environment::Recorder;
use crate::executor::block_on;
use crate::generate::Case;

/// Calls of one instance.
const CALLS: usize = 4;

/// A small host with tight limits.
pub(crate) struct Host {
    engine: HostEngine,
    compiler: Compiler,
    limits: Limits,
}

impl Host {
    pub(crate) fn new() -> Result<Self, String> {
        let mut limits = Limits::default();
        for (name, value) in [
            ("call_cpu_ms", 20),
            ("open_cpu_ms", 20),
            ("memory_bytes", 8 << 20),
            ("output_bytes", 1 << 20),
            ("component_bytes", 1 << 20),
        ] {
            limits.set(name, value).map_err(|error| error.to_string())?;
        }
        let config = EngineConfig { pooled_instances: 4, ..EngineConfig::default() };
        let engine = HostEngine::new(&config).map_err(|error| error.to_string())?;
        let compiler = Compiler::new(engine.clone(), CompileMode::InProcess, None);
        Ok(Self { engine, compiler, limits })
    }

    /// What became of a case: `ok`, or the code of the refusal or of the last fault.
    ///
    /// # Errors
    /// Where the host says that the fault is its own.
    pub(crate) fn attack(&self, case: &Case) -> Result<&'static str, String> {
        if let Err(error) = scan(&case.wasm, &self.limits) {
            return refused(&error);
        }
        let compiled = match self.compiler.load(&TenantId::default(), &case.wasm, &self.limits) {
            Ok(compiled) => compiled,
            Err(error) => return refused(&error),
        };
        let setup = FunctionSetup { function: "default/f".into(), inputs: vec!["in".into()] };
        let (grants, limits) = (Grants::default(), self.limits.clone());
        let environment = Arc::new(Recorder::default());
        let made =
            WasmFactory::new(&self.engine, &compiled, setup, &grants, limits, environment.clone());
        let factory = match block_on(made) {
            Ok(factory) => factory,
            Err(LoadError::Module(error)) => return refused(&error),
            Err(LoadError::Fault(fault)) => return at_fault(&fault, true),
        };
        let mut guest = match block_on(factory.instance(environment)) {
            Ok(guest) => guest,
            Err(fault) => return at_fault(&fault, true),
        };
        self.calls(&mut guest, factory.world(), &case.input)
    }

    fn calls(
        &self,
        guest: &mut WasmGuest,
        world: World,
        input: &[u8],
    ) -> Result<&'static str, String> {
        for _ in 0..CALLS {
            let environment = Arc::new(Recorder::default());
            let called = block_on(guest.call(input, environment.clone()));
            let saved = block_on(guest.save(environment.clone())).and_then(|saved| {
                let Some(saved) = saved.filter(|_| world == World::StatefulFunction) else {
                    return Ok(());
                };
                block_on(guest.restore(&saved, environment.clone()))
            });
            let fault = match called.map(drop).and(saved) {
                Ok(()) => continue,
                Err(fault) => fault,
            };
            // One that failed by its own word lives on.
            if fault.kind != FaultKind::Failure {
                if guest.is_alive() {
                    return Err(format!("the instance outlived its fault: {fault}"));
                }
                return at_fault(&fault, false);
            }
        }
        if guest.memory_bytes() > self.limits.memory_bytes.value {
            return Err(format!("it has {} bytes of memory", guest.memory_bytes()));
        }
        Ok("ok")
    }
}

fn refused(error: &impl Coded) -> Result<&'static str, String> {
    let code = error.code();
    if code.starts_with("E-MODULE-") { Ok(code) } else { Err(format!("refused with {code}")) }
}

fn at_fault(fault: &Fault, opening: bool) -> Result<&'static str, String> {
    if fault.kind == FaultKind::Host {
        return Err(format!("the host's own fault: {fault}"));
    }
    Ok(if opening { "fault while it is opened" } else { fault.code() })
}

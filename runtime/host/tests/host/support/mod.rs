//! A small host, guests as text, an environment that remembers, and an executor.

mod environment;
mod executor;
mod guests;

use std::sync::{Arc, OnceLock};

pub(crate) use environment::Recorder;
pub(crate) use executor::{block_on, round_robin};
pub(crate) use guests::{embed_wasi, embed_wat, function, module, stateful, with_modules};
use pelton_core::{Fault, Guest, Limits, SharedEnvironment, TenantId};
use pelton_host::{
    CompileCommand, CompileMode, Compiled, Compiler, EngineConfig, FunctionSetup, Grants,
    HostEngine, LoadError, WasmFactory, WasmGuest,
};

/// One engine for all tests that need nothing special.
pub(crate) fn engine() -> HostEngine {
    static ENGINE: OnceLock<HostEngine> = OnceLock::new();
    let config = EngineConfig { pooled_instances: 100, ..Default::default() };
    ENGINE.get_or_init(|| HostEngine::new(&config).unwrap()).clone()
}

pub(crate) fn compile_command() -> CompileCommand {
    CompileCommand { program: env!("CARGO_BIN_EXE_pelton-compile").into(), arguments: vec![] }
}

pub(crate) fn limits(changes: &[(&str, u64)]) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in changes {
        limits.set(name, *value).unwrap();
    }
    limits
}

pub(crate) fn load(wasm: &[u8], limits: &Limits) -> pelton_host::Result<Compiled> {
    let compiler = Compiler::new(engine(), CompileMode::InProcess, None);
    compiler.load(&TenantId::default(), wasm, limits)
}

pub(crate) fn environment() -> SharedEnvironment {
    Arc::new(Recorder::default())
}

pub(crate) fn factory_with(
    wasm: &[u8],
    limits: Limits,
    grants: &Grants,
    environment: SharedEnvironment,
) -> Result<WasmFactory, LoadError> {
    let compiled = load(wasm, &limits)?;
    factory_of(&compiled, limits, grants, environment)
}

pub(crate) fn factory_of(
    compiled: &Compiled,
    limits: Limits,
    grants: &Grants,
    environment: SharedEnvironment,
) -> Result<WasmFactory, LoadError> {
    let setup = FunctionSetup { function: "default/test".into(), inputs: vec!["in".into()] };
    block_on(WasmFactory::new(&engine(), compiled, setup, grants, limits, environment))
}

/// An instance of what was compiled elsewhere.
pub(crate) fn open(compiled: &Compiled) -> WasmGuest {
    let factory = factory_of(compiled, Limits::default(), &Grants::default(), environment());
    block_on(factory.unwrap().instance(environment())).unwrap()
}

pub(crate) fn factory(wasm: &[u8], changes: &[(&str, u64)]) -> Result<WasmFactory, LoadError> {
    factory_with(wasm, limits(changes), &Grants::default(), environment())
}

pub(crate) fn guest(wasm: &[u8], changes: &[(&str, u64)]) -> WasmGuest {
    block_on(factory(wasm, changes).unwrap().instance(environment())).unwrap()
}

pub(crate) fn call(guest: &mut WasmGuest, input: &[u8]) -> Result<Vec<u8>, Fault> {
    block_on(guest.call(input, environment()))
}

/// The fault of the first call of a function with this body of `process`.
pub(crate) fn fault_of(process: &str, changes: &[(&str, u64)]) -> Fault {
    let mut guest = guest(&function(process), changes);
    let fault = call(&mut guest, b"input").unwrap_err();
    assert!(!guest.is_alive(), "the store outlived its fault");
    fault
}

//! The functions that are measured, and a host to run them in.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use pelton_core::{Environment, Fault, Limits, LogLevel, SharedEnvironment, TenantId};
use pelton_host::{
    Cache, CompileMode, Compiler, EngineConfig, FunctionSetup, Grants, HostEngine, WasmFactory,
};

/// Lets values through that are longer than 100 bytes.
pub const FILTER: &[u8] = include_bytes!("../../guest-examples/prebuilt/filter.wasm");
/// Counts by key and window.
pub const WINDOWED_COUNT: &[u8] =
    include_bytes!("../../guest-examples/prebuilt/windowed_count.wasm");
/// Three of four records with a new value.
pub const FILTER_MAP: &[u8] = include_bytes!("../guests/prebuilt/filter_map.wasm");
/// The running count of each key.
pub const KEYED_COUNT: &[u8] = include_bytes!("../guests/prebuilt/keyed_count.wasm");
/// Counts by key in windows of the kind that its configuration says.
pub const WINDOWS: &[u8] = include_bytes!("../guests/prebuilt/windows.wasm");
/// Counts by key and minute, from the contents of the windows.
pub const CONTENTS: &[u8] = include_bytes!("../guests/prebuilt/contents.wasm");
/// Sets timers, or none.
pub const TIMERS: &[u8] = include_bytes!("../guests/prebuilt/timers.wasm");

/// An environment for functions that ask for nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Environment for Nothing {
    fn get_many(&self, _: u16, _: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }
    fn scan(&self, _: u16, _: &[u8], _: Option<&[u8]>, _: u32, _: bool) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }
    fn now(&self, _: u32) -> i64 {
        0
    }
    fn watermark(&self) -> i64 {
        i64::MIN
    }
    fn random(&self, _: u32, _: u32) -> u64 {
        0
    }
    fn config(&self, _: &str) -> Option<String> {
        None
    }
    fn config_entries(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn secret(&self, _: &str) -> Option<String> {
        None
    }
    fn log(&self, _: LogLevel, _: &str) {}
    fn counter(&self, _: &str, _: f64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

/// [`Nothing`], as a call takes it.
#[must_use]
pub fn nothing() -> SharedEnvironment {
    Arc::new(Nothing)
}

/// A host with room for `pooled` instances; 0 reserves nothing.
///
/// # Errors
/// Where the machine cannot run compiled code.
pub fn engine(pooled: u32) -> Result<HostEngine> {
    Ok(HostEngine::new(&EngineConfig { pooled_instances: pooled, ..EngineConfig::default() })?)
}

/// A function, compiled in this process or taken from the cache in a directory, and opened.
///
/// # Errors
/// Where it is refused or does not open.
pub fn load(engine: &HostEngine, wasm: &[u8], cache: Option<&Path>) -> Result<WasmFactory> {
    let limits = Limits::default();
    let cache = cache.map(Cache::open).transpose()?;
    let compiler = Compiler::new(engine.clone(), CompileMode::InProcess, cache);
    let compiled = compiler.load(&TenantId::default(), wasm, &limits)?;
    let setup = FunctionSetup { function: "default/bench".into(), inputs: vec!["in".into()] };
    let grants = Grants::default();
    let opening = WasmFactory::new(engine, &compiled, setup, &grants, limits, nothing());
    Ok(pollster::block_on(opening)?)
}

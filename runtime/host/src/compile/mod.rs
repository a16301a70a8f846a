//! From bytes to a component that can be linked: scanned, found in the cache or compiled.

mod child;
mod parent;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pelton_core::{Limits, TenantId};
use wasmtime::component::Component;

use crate::cache::{Cache, Key, load_bytes};
use crate::componentize::prepare;
use crate::engine::{HostEngine, compile_only};
use crate::error::{ErrorKind, HostError, Result};
use crate::link::contract;
use crate::scan::{World, scan};

pub use child::compile_child_main;
pub use parent::CompileCommand;

/// Where the compiler runs. Compilers are not built to withstand hostile input: what it does to
/// CPU time and memory is bounded only in a child process.
#[derive(Debug, Clone)]
pub enum CompileMode {
    /// In a child process with limits.
    Child(CompileCommand),
    /// In this process, without limits: for one's own code, in tests and in `pelton dev`.
    InProcess,
}

/// A compiled function, not yet linked. Clones share the code.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) component: Component,
    pub(crate) world: World,
    pub(crate) imports: Vec<String>,
    digest: [u8; 32],
    cached: bool,
}

impl Compiled {
    /// The blake3 digest of the bytes that it was compiled from.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The world that it implements.
    #[must_use]
    pub fn world(&self) -> World {
        self.world
    }

    /// What it imports, by full name.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Whether it came from the cache.
    #[must_use]
    pub fn from_cache(&self) -> bool {
        self.cached
    }
}

/// Compiles, one module at a time for each tenant. Its methods block: call them on a thread that
/// may.
pub struct Compiler {
    engine: HostEngine,
    mode: CompileMode,
    cache: Option<Cache>,
    slots: Mutex<HashMap<TenantId, Arc<Mutex<()>>>>,
}

impl Compiler {
    /// A compiler for this engine.
    #[must_use]
    pub fn new(engine: HostEngine, mode: CompileMode, cache: Option<Cache>) -> Self {
        Self { engine, mode, cache, slots: Mutex::default() }
    }

    /// Scans, and gives what is in the cache or compiles it and caches it.
    ///
    /// # Errors
    /// `E-MODULE-*` where the module is refused; `E-HOST-IO` where no compiler can be started. A
    /// cache that cannot be written is a warning.
    pub fn load(&self, tenant: &TenantId, wasm: &[u8], limits: &Limits) -> Result<Compiled> {
        scan(wasm, limits)?;
        let digest = *blake3::hash(wasm).as_bytes();
        let key = Key { digest, compatibility: *self.engine.compatibility() };
        if let Some(component) = self.cached(&key) {
            return compiled(component, digest, true);
        }
        let slot = self.slot(tenant);
        let _one_at_a_time = lock(&slot);
        // Somebody else may have compiled the same while this one waited.
        if let Some(component) = self.cached(&key) {
            return compiled(component, digest, true);
        }
        let artefact = match &self.mode {
            CompileMode::Child(command) => command.run(wasm, limits)?,
            CompileMode::InProcess => compile(wasm, limits)?,
        };
        compiled(self.publish(&key, &artefact)?, digest, false)
    }

    fn cached(&self, key: &Key) -> Option<Component> {
        self.cache.as_ref()?.get(&self.engine, key)
    }

    /// Caches an artefact and maps it from there; from memory where that cannot be.
    fn publish(&self, key: &Key, artefact: &[u8]) -> Result<Component> {
        if let Some(cache) = &self.cache {
            match cache.put(key, artefact) {
                Ok(()) => {
                    if let Some(component) = cache.get(&self.engine, key) {
                        return Ok(component);
                    }
                }
                Err(error) => tracing::warn!(%error, "the compiled artefact is not cached"),
            }
        }
        load_bytes(&self.engine, artefact)
    }

    fn slot(&self, tenant: &TenantId) -> Arc<Mutex<()>> {
        lock(&self.slots).entry(tenant.clone()).or_default().clone()
    }
}

/// A slot guards nothing that a panic could leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn compiled(component: Component, digest: [u8; 32], cached: bool) -> Result<Compiled> {
    let (world, imports) = contract(&component)?;
    Ok(Compiled { component, world, imports, digest, cached })
}

/// Makes a component of the bytes and compiles it, here and now.
fn compile(wasm: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let (component, _) = prepare(wasm, limits)?;
    let engine = compile_only(true)?;
    engine.precompile_component(&component).map_err(|error| {
        HostError::new(ErrorKind::Compile, format!("the compiler refused it: {error:#}"))
    })
}

//! The wasmtime engine, configured once for a process.

mod ticker;

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::{ErrorKind, HostError, Result};
use crate::scan;
use ticker::Ticker;

/// One tick of the epoch: how often guest code looks up, and the precision of a deadline.
pub const TICK: Duration = Duration::from_millis(1);

/// Stack of a guest: the same for all, since one engine runs them.
const GUEST_STACK_BYTES: usize = 512 * KIB;
/// Stack that wasmtime guarantees to host functions beside the guest's own.
const HOST_STACK_BYTES: usize = 1 << 20;
const KIB: usize = 1024;
/// Frames of a guest's backtrace.
const BACKTRACE_FRAMES_MAX: usize = 32;

/// How an engine is set up. Nothing here changes what is compiled, so that all engines of a
/// build share compiled artefacts.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Instances at a time for which memory is reserved; 0 maps the memory of each instance when
    /// it is made, which is slower and has no fixed bound.
    pub pooled_instances: u32,
    /// The most memory that any deployment may have, bytes, where instances are pooled.
    pub memory_bytes_max: usize,
    /// The most elements that any table may have, where instances are pooled.
    pub table_elements_max: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let limits = pelton_core::Limits::default();
        Self {
            pooled_instances: 1_000,
            memory_bytes_max: limits.memory_bytes.ceiling as usize,
            table_elements_max: limits.table_elements.value as usize,
        }
    }
}

/// A wasmtime engine with its epoch ticker. Clones share both.
#[derive(Clone)]
pub struct HostEngine {
    engine: Engine,
    compatibility: [u8; 32],
    pooled: bool,
    _ticker: Arc<Ticker>,
}

impl HostEngine {
    /// An engine that runs guests. Where the memory for the pool cannot be reserved (a limit on
    /// the address space), instances are made on demand, and a warning says so.
    ///
    /// # Errors
    /// `E-HOST-ENGINE` where the machine cannot run compiled code.
    pub fn new(config: &EngineConfig) -> Result<Self> {
        let mut wasm = base_config();
        let pooled = config.pooled_instances > 0;
        if pooled {
            wasm.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
        }
        let (engine, pooled) = match Engine::new(&wasm) {
            Ok(engine) => (engine, pooled),
            Err(error) if pooled => {
                tracing::warn!(%error, "no pool for instances; each is mapped when it is made");
                (Engine::new(&base_config()).map_err(|error| setup(&error))?, false)
            }
            Err(error) => return Err(setup(&error)),
        };
        let ticker = Ticker::start(engine.clone(), TICK)
            .map_err(|error| HostError::io("cannot start the epoch ticker", &error))?;
        let compatibility = compatibility(&engine);
        Ok(Self { engine, compatibility, pooled, _ticker: Arc::new(ticker) })
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.pooled
    }

    pub(crate) fn wasmtime(&self) -> &Engine {
        &self.engine
    }

    /// A digest of everything that compiled code depends on beside its source: version, target,
    /// processor features, settings.
    #[must_use]
    pub fn compatibility(&self) -> &[u8; 32] {
        &self.compatibility
    }
}

/// An engine that only compiles: no pool, no ticker.
///
/// # Errors
/// `E-HOST-ENGINE`.
pub(crate) fn compile_only(parallel: bool) -> Result<Engine> {
    let mut config = base_config();
    config.parallel_compilation(parallel);
    Engine::new(&config).map_err(|error| setup(&error))
}

fn setup(error: &wasmtime::Error) -> HostError {
    HostError::new(ErrorKind::Engine, format!("cannot set up the wasm engine: {error:#}"))
}

/// Everything that decides what compiled code looks like and how it behaves.
fn base_config() -> Config {
    let mut config = Config::new();
    // Without it a component call costs 218 ns instead of 500.
    config.concurrency_support(false);
    config.gc_support(false);
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.max_wasm_stack(GUEST_STACK_BYTES);
    config.async_stack_size(GUEST_STACK_BYTES + HOST_STACK_BYTES);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    let on = scan::allowed();
    config.wasm_simd(true).wasm_relaxed_simd(false).relaxed_simd_deterministic(true);
    config.wasm_tail_call(on.tail_call()).wasm_extended_const(on.extended_const());
    config.wasm_memory64(false).wasm_multi_memory(false).wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    config
}

fn pool(config: &EngineConfig) -> PoolingAllocationConfig {
    let count = config.pooled_instances;
    // A small component takes three core instances, a Python one 38.
    let core_instances = count.saturating_mul(8).max(200);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(count)
        .total_core_instances(core_instances)
        .total_memories(count.max(crate::scan::MEMORIES_MAX as u32))
        .total_tables(core_instances)
        .total_stacks(count)
        .max_memory_size(config.memory_bytes_max)
        .table_elements(config.table_elements_max)
        .max_unused_warm_slots(64)
        .linear_memory_keep_resident(64 * KIB)
        .table_keep_resident(16 * KIB)
        .async_stack_keep_resident(0);
    pool
}

fn compatibility(engine: &Engine) -> [u8; 32] {
    struct Digest(blake3::Hasher);
    impl Hasher for Digest {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            let bytes = *self.0.finalize().as_bytes();
            u64::from_le_bytes(std::array::from_fn(|i| bytes[i]))
        }
    }
    let mut digest = Digest(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut digest);
    // Wasmtime checks its own version when it loads; the key says it too.
    *digest.0.finalize().as_bytes()
}

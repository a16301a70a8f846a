//! Made-up modules: valid ones without and with Pelton's exports, and good ones with a few bytes
//! changed.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use crate::guests::embed;
use crate::seed::Dice;

/// Random bytes that a module is made of.
const MATERIAL_BYTES_MAX: usize = 16 * 1024;

/// What a function of the world `simple` exports, by the names of the canonical ABI.
const SIMPLE: &str = r#"(module
  (memory (export "memory") 1 64)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    unreachable))"#;
const SIMPLE_IMPORTS: &str = r#"(module
  (import "pelton:function/log@0.1.0" "write" (func (param i32 i32 i32)))
  (import "pelton:function/config@0.1.0" "get" (func (param i32 i32 i32)))
  (import "pelton:function/config@0.1.0" "entries" (func (param i32))))"#;

/// The same for the world `stateful-function`.
const STATEFUL: &str = r#"(module
  (memory (export "memory") 1 64)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "open") (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "process") (param i32 i32) (result i32) unreachable)
  (func (export "save") (result i32) unreachable)
  (func (export "restore") (param i32 i32) (result i32) unreachable))"#;
const STATEFUL_IMPORTS: &str = r#"(module
  (import "pelton:function/clock@0.1.0" "now" (func (param i32) (result i64)))
  (import "pelton:function/random@0.1.0" "get" (func (param i32 i32) (result i64)))
  (import "pelton:function/state@0.1.0" "get-many" (func (param i32 i32 i32 i32)))
  (import "pelton:function/state@0.1.0" "scan"
    (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "pelton:function/metrics@0.1.0" "add" (func (param i32 i32 f64)))
  (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#;

/// Good modules, to be changed: a core module of the SDK, a component with WASI.
const GOOD: [&[u8]; 2] = [
    include_bytes!("../../../../guest-examples/prebuilt/filter.wasm"),
    include_bytes!("../../tests/fixtures/wasi_guest.wasm"),
];

/// A module, and what it is called with.
pub(crate) struct Case {
    pub(crate) wasm: Vec<u8>,
    pub(crate) input: Vec<u8>,
}

impl Case {
    /// The case of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let wasm = match dice.below(8) {
            0 => anything(&mut dice),
            1..=3 => function(&mut dice, SIMPLE, SIMPLE_IMPORTS, "simple"),
            4 | 5 => function(&mut dice, STATEFUL, STATEFUL_IMPORTS, "stateful-function"),
            _ => changed(&mut dice),
        };
        Self { wasm, input: input(&mut dice) }
    }
}

/// A valid module with any imports, exports and proposals.
fn anything(dice: &mut Dice) -> Vec<u8> {
    module(dice, Config { generate_custom_sections: true, ..Config::default() })
}

/// A module with the exports of a world, some of its imports, and that world embedded.
fn function(dice: &mut Dice, exports: &str, imports: &str, world: &str) -> Vec<u8> {
    let text = |text| wat::parse_str(text).expect("it is written above");
    let config = Config {
        exports: Some(text(exports)),
        available_imports: Some(text(imports)),
        // The exported one is made in any case.
        max_memories: 0,
        max_memory32_bytes: 4 << 20,
        max_table_elements: 1_000,
        max_instructions: 1_000,
        gc_enabled: false,
        // Off together with what needs a collector (`externref`).
        reference_types_enabled: false,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    };
    embed(module(dice, config), world)
}

fn module(dice: &mut Dice, config: Config) -> Vec<u8> {
    let size = dice.below(MATERIAL_BYTES_MAX) + 64;
    let material = dice.bytes(size);
    // It ends early where the bytes do; then the module is a small one.
    match Module::new(config, &mut Unstructured::new(&material)) {
        Ok(module) => module.to_bytes(),
        Err(_) => material,
    }
}

/// A good module with some bytes changed, cut out or doubled.
fn changed(dice: &mut Dice) -> Vec<u8> {
    let mut wasm = GOOD[dice.below(GOOD.len())].to_vec();
    // Mostly near the beginning, where types, imports and the component's structure are.
    let near = if dice.below(2) == 0 { 4_096 } else { wasm.len() };
    for _ in 0..=dice.below(4) {
        let at = dice.below(near.min(wasm.len()));
        let end = (at + 1 + dice.below(32)).min(wasm.len());
        match dice.below(8) {
            0 => drop(wasm.drain(at..end)),
            1 => {
                let again = wasm[at..end].to_vec();
                wasm.splice(at..at, again);
            }
            2 => wasm[at] = dice.roll() as u8,
            _ => wasm[at] ^= 1 << dice.below(8),
        }
    }
    wasm
}

/// A few records, some without key and value, so that no allocator is asked for memory.
fn input(dice: &mut Dice) -> Vec<u8> {
    let mut records = pelton_batch::RecordsBuilder::new();
    for row in 0..dice.below(5) {
        let size = dice.below(300);
        let value = dice.bytes(size);
        let value = (dice.below(2) == 0).then_some(&value[..]);
        records.push((dice.below(2) == 0).then_some(b"key"), value, row as i64);
        if dice.below(4) == 0 {
            records.header("name", value);
        }
    }
    records.finish()
}

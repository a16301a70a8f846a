//! Runs functions in WebAssembly: the only crate that knows wasmtime.
//!
//! A module goes through [`scan`] and [`prepare`], is compiled by a [`Compiler`] (in a child
//! process with limits, or from its authenticated cache), and becomes a [`WasmFactory`] that makes
//! instances. Each instance has a store of its own, which is dropped after any fault.
//!
//! **Invariant:** compiled code is loaded only from the cache of this host, and only where the
//! keyed hash over it is right.

mod cache;
mod compile;
mod componentize;
mod contract;
mod declare;
mod engine;
mod error;
mod faults;
mod instance;
mod limiter;
mod link;
mod logs;
mod meter;
mod scan;
mod wasi;

pub use cache::Cache;
pub use compile::{CompileCommand, CompileMode, Compiled, Compiler, compile_child_main};
pub use componentize::prepare;
pub use contract::CONTRACT_VERSIONS;
pub use engine::{EngineConfig, HostEngine, TICK};
pub use error::{ErrorKind, HostError, Result};
pub use instance::{FunctionSetup, LoadError, WasmFactory, WasmGuest};
pub use link::Grants;
pub use meter::CallStats;
pub use scan::{Ability, Counts, Form, LimitUse, Report, World, describe_imports, scan};
pub use wasi::{WasiImport, WasiStanding};

//! Instances: one store each, called, charged, and dropped after a fault.

mod factory;
mod guest;
mod simple;
mod start;
mod state;

pub use factory::{FunctionSetup, LoadError, WasmFactory};
pub use guest::WasmGuest;
pub(crate) use start::HANDLES_MAX;
pub(crate) use state::HostState;

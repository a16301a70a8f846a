//! What a function asks its host for: imports in wasm, an environment in a native test.

#[cfg(all(not(target_arch = "wasm32"), not(feature = "testing")))]
mod absent;
#[cfg(all(not(target_arch = "wasm32"), feature = "testing"))]
pub(crate) mod native;
#[cfg(target_arch = "wasm32")]
pub(crate) mod wasm;

#[cfg(all(not(target_arch = "wasm32"), not(feature = "testing")))]
pub(crate) use absent::*;
#[cfg(all(not(target_arch = "wasm32"), feature = "testing"))]
pub(crate) use native::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;

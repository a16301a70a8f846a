//! Write functions for Pelton in Rust.
//!
//! A function is a crate with `crate-type = ["cdylib", "rlib"]` that calls one macro of this crate
//! and is built by `cargo build --release --target wasm32-unknown-unknown`. That is all: no other
//! tool, no build script, no WASI.
//!
//! ```
//! pelton_sdk::filter!(|record| record.value_bytes().len() > 100);
//! ```
//!
//! | macro | what it exports |
//! |---|---|
//! | [`filter!`] | the records that a closure keeps |
//! | [`map!`] | each record with a new value |
//! | [`process!`] | a [`Process`]: outputs, stores, timers, one record at a time |
//! | [`stateful!`] | a [`Stateful`]: the same, with memory of its own that is kept |
//! | [`aggregate!`] | an [`Aggregate`]: windows, built up record by record |
//! | [`window!`] | a [`Window`]: windows with their whole contents |
//! | [`function!`] | anything that is a [`Function`] |
//!
//! What a function uses it declares when it is opened, by asking [`Setup`] for handles: [`Output`],
//! [`Store`], [`OrderedStore`], [`Timer`], [`Input`]. It does things with them and the [`Context`]
//! of a call. Whatever a call did becomes real in one commit, or not at all.
//!
//! # Errors
//! An error from a function concerns the record that it was called with: the record goes to the
//! dead letters with the message, what it had done is taken back, and its neighbours are not
//! touched ([`Error::reject`], and what `?` makes of other errors). [`Error::retry`] has it tried
//! again. A panic traps: the host undoes the call, finds the record, and logs the message.
//!
//! # Time and chance
//! [`Context::now`] and [`Context::random`] are the same on every replay. There is no other clock.
//!
//! # Memory
//! What a function keeps in `self` is a cache: the host may drop an instance between any two calls,
//! and lets the tasks of all partitions share one. What must last belongs in a store, or, where it is
//! small and about the stream as a whole, in the [`Memory`] of a [`Stateful`] function.
//!
//! # Changing state
//! A new version of a function finds the state of the one before. New fields with
//! `#[serde(default)]` need nothing; anything else is a new version of the store's [`Schema`], which
//! says how values of earlier versions are read. `docs/changing-state.md` has the whole of it.
//!
//! # Tests
//! With the feature `testing` (a dev-dependency), `testing::Harness` runs a function natively in an
//! ordinary `cargo test`.

pub mod config;
pub mod log;
pub mod metrics;

mod context;
mod entry;
mod error;
#[doc(hidden)]
pub mod export;
mod function;
mod host;
mod key;
mod memory;
mod output;
mod payload;
mod record;
mod setup;
mod store;
mod timer;
mod windows;

#[doc(hidden)]
pub mod declaration;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;

pub use context::{Context, Runtime};
pub use entry::{
    Aggregate, Contents, Join, Keep, Looked, Lookup, Mapped, Pair, Process, Stateful, Window,
    aggregate, aggregate_with, event_time, filter, join_with, lookup_by, lookup_with, map, process,
    process_with, stateful, window, window_with,
};
pub use error::{Error, Outcome, Result};
pub use function::{Failure, Function, Instance};
pub use key::{AsKey, StoreKey};
pub use memory::Memory;
pub use output::{Draft, Input, OUT, Output};
pub use payload::{Json, MessagePack, Null, Payload};
/// The batch layout, for those who write a [`Function`] over raw batches.
pub use pelton_batch as batch;
pub use record::Record;
pub use setup::{Setup, SetupInfo};
pub use store::{OrderedStore, Schema, Store, StoreValue};
pub use timer::{DueTimer, Timer};
pub use windows::{Calendar, Fired, Windows};

/// What most functions use: `use pelton_sdk::prelude::*`.
pub mod prelude {
    pub use crate::{
        Aggregate, Contents, Context, DueTimer, Error, Fired, Input, Join, Json, Lookup, Memory,
        MessagePack, Null, OUT, OrderedStore, Output, Process, Record, Result, Schema, Setup,
        Stateful, Store, Timer, Window, Windows,
    };
}

/// What `wit-bindgen` makes of the contract; `tests/bindings.rs` keeps it so.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, reason = "generated code")]
pub mod bindings {
    include!("bindings/function.rs");
}

/// The same for a function that saves its memory. Everything but its exports is shared.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, reason = "generated code")]
pub mod saving_bindings {
    include!("bindings/stateful-function.rs");
}

//! Writing a value into the list of operations.

use pelton_batch::{OpKind, Operation, OperationsBuilder};

use super::StoreValue;
use crate::context::operation;
use crate::error::{Error, Result};

/// A put, but for key and value.
pub(super) struct Put {
    pub(super) store: u16,
    pub(super) schema: u32,
    pub(super) cause: u32,
    pub(super) ttl: i64,
}

impl Put {
    pub(super) fn push(&self, operations: &mut OperationsBuilder, key: &[u8], value: &[u8]) {
        let Self { store: target, schema, cause, ttl } = *self;
        let (key, value) = (Some(key), Some(value));
        let put = operation(OpKind::Put);
        operations.push(&Operation { cause, target, key, value, ttl, schema, ..put });
    }
}

/// Writes a value into `out`, in place of what is there.
pub(super) fn encode<V: StoreValue>(value: &V, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    rmp_serde::encode::write_named(out, value)
        .map_err(|error| Error::fail(format!("a value cannot be stored: {error}")))
}

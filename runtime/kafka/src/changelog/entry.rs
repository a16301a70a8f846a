//! The value of a state or timer record: one operation, its target and key left out.
//!
//! One byte version, one byte kind (as in a batch of operations), one byte of flags, then what the
//! flags name, in this order and little-endian: timestamp (i64), time to live (i64), schema (u32),
//! and the value, which takes the rest.

use pelton_batch::{OpKind, Operation};

const VERSION: u8 = 1;
const TIMESTAMP: u8 = 1;
const TTL: u8 = 2;
const SCHEMA: u8 = 4;
const VALUE: u8 = 8;

pub(super) fn encode(operation: &Operation<'_>) -> Vec<u8> {
    let Operation { kind, value, timestamp, ttl, schema, .. } = *operation;
    let mut out = Vec::with_capacity(24 + value.map_or(0, <[u8]>::len));
    out.extend([VERSION, kind as u8, 0]);
    let mut flags = 0;
    if let Some(timestamp) = timestamp {
        flags |= TIMESTAMP;
        out.extend(timestamp.to_le_bytes());
    }
    if ttl != 0 {
        flags |= TTL;
        out.extend(ttl.to_le_bytes());
    }
    if schema != 0 {
        flags |= SCHEMA;
        out.extend(schema.to_le_bytes());
    }
    if let Some(value) = value {
        flags |= VALUE;
        out.extend(value);
    }
    out[2] = flags;
    out
}

/// The operation in `bytes`, on this target and key.
///
/// # Errors
/// What is wrong with the bytes, to follow the name of the changelog.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    target: u16,
    key: Option<&'a [u8]>,
) -> Result<Operation<'a>, String> {
    let (head, mut rest) = bytes.split_at_checked(3).ok_or("holds a change that is cut short")?;
    if head[0] != VERSION {
        return Err(format!(
            "holds a change in layout {}, and this Pelton reads {VERSION}; use a newer one",
            head[0]
        ));
    }
    let kind = OpKind::from_u8(head[1]).ok_or("holds a change of an unknown kind")?;
    let mut take = |flag: u8, length: usize| {
        if head[2] & flag == 0 {
            return Ok(None);
        }
        let (taken, left) = rest.split_at_checked(length).ok_or("holds a change cut short")?;
        rest = left;
        Ok::<_, &str>(Some(taken))
    };
    let timestamp = take(TIMESTAMP, 8)?.map(number);
    let ttl = take(TTL, 8)?.map_or(0, number);
    let schema = take(SCHEMA, 4)?.map_or(0, number) as u32;
    let value = (head[2] & VALUE != 0).then_some(rest);
    Ok(Operation {
        row: 0,
        kind,
        cause: 0,
        target,
        key,
        value,
        timestamp,
        partition: None,
        ttl,
        schema,
    })
}

fn number(bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

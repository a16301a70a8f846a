//! How a task's state is laid out in a compacted topic.
//!
//! The changelog of a function has a partition for each task. A commit writes, in the same
//! transaction as its output:
//!
//! | record | key | value |
//! |---|---|---|
//! | meta | `0` | commit sequence (u64), the task record without its changes |
//! | layout | `4` | names of stores and timers, whose places in the list are the numbers below |
//! | saved | `1` | what the instance's `save` answered last |
//! | state | `2`, store (u16), key?, chunk (u32) | an operation |
//! | timer | `3`, timer (u16), key?, chunk 0 | an operation |
//!
//! `key?` is one byte, 0 where there is no key and else 1, and the key. Numbers in keys are big-endian.
//! Compaction keeps the last value of each, so that the topic does not grow with time.
//!
//! A put is chunk 0. An append is a further chunk, so that appending to a long value costs what is
//! appended; a put or a delete takes the further chunks away. So the writer has to know how many
//! chunks each key has, and which keys a prefix has: [`Index`].

mod entry;
mod index;
mod restore;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use index::{Change, Index};
pub(crate) use restore::{Restore, encode_meta};

/// The first byte of a changelog key.
pub(crate) mod class {
    pub(crate) const META: u8 = 0;
    pub(crate) const SAVED: u8 = 1;
    pub(crate) const STATE: u8 = 2;
    pub(crate) const TIMER: u8 = 3;
    pub(crate) const LAYOUT: u8 = 4;
}

/// A changelog key without its chunk: what is put, appended to and deleted as one.
pub(crate) fn slot(class: u8, target: u16, key: Option<&[u8]>) -> Vec<u8> {
    let mut slot = Vec::with_capacity(8 + key.map_or(0, <[u8]>::len));
    slot.push(class);
    slot.extend(target.to_be_bytes());
    slot.push(u8::from(key.is_some()));
    slot.extend(key.unwrap_or_default());
    slot
}

/// Class, target and key of a slot; `None` where it is none.
pub(crate) fn parse_slot(slot: &[u8]) -> Option<(u8, u16, Option<&[u8]>)> {
    let (head, key) = slot.split_at_checked(4)?;
    let target = u16::from_be_bytes([head[1], head[2]]);
    let key = match head[3] {
        0 if key.is_empty() => None,
        1 => Some(key),
        _ => return None,
    };
    Some((head[0], target, key))
}

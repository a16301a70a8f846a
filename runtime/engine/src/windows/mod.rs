//! Windows that the host keeps: records are grouped by window and key, kept as contents or as
//! accumulators, and fired when the watermark has passed.

mod contents;
mod fire;
mod group;

pub(crate) use fire::{Room, close_passed, fire_call, fired};
pub(crate) use group::{accumulate_call, collect_call};

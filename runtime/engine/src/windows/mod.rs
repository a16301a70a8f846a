//! Windows that the host keeps: records are grouped by window and key, kept as contents or as
//! accumulators, and fired when the watermark has passed.

mod assign;
mod contents;
mod early;
mod fire;
mod group;
mod merge;
mod sessions;
mod sliding;

pub(crate) use assign::{Assigned, Assigning, Rows};
pub(crate) use fire::{Room, close_passed, early_call, fire_call, fired};
pub(crate) use group::{accumulate_call, collect_call};
pub(crate) use merge::{Merged, join_panes, merge_call, merged_values};
pub(crate) use sliding::Copied;

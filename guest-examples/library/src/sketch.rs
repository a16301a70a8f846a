//! Summaries of many values that can be merged: what two of them make together is what one over
//! all the values would be.

mod ddsketch;
mod hyperloglog;

pub(crate) use ddsketch::DdSketch;
pub(crate) use hyperloglog::{HyperLogLog, hash};

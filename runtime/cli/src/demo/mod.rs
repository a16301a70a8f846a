//! The demo: why streams decouple, told with real flights, and checked against a plain recomputation.

mod data;
mod functions;
mod live;
mod plain;
mod results;
mod site;
mod story;
mod tables;

pub(crate) use data::flights;
pub(crate) use live::replay;
pub(crate) use plain::recompute;
pub(crate) use site::Site;
pub(crate) use story::{Told, tell};
pub(crate) use tables::{check_line, show};

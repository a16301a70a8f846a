//! The demo: real flights through three functions, checked against a plain recomputation.

mod data;
mod live;
mod pipeline;
mod plain;
mod results;
mod tables;

pub(crate) use data::flights;
pub(crate) use live::replay;
pub(crate) use pipeline::Pipeline;
pub(crate) use plain::recompute;
pub(crate) use results::Results;
pub(crate) use tables::{check_line, show};

//! pelton-tests

pub mod conformance;
pub mod generator;

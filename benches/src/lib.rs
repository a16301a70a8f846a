//! pelton-benches

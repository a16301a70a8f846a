//! The figures that the README quotes, as ratios that are taken in one run.
//!
//! Walls and absolute times of a shared machine mean little: what Pelton does and the same work in
//! plain Rust run in turn, `A B A B`, in one process, and each pair gives a ratio. Where the work
//! is computing, CPU time is what counts; where it waits for a disk, wall time.

pub mod groups;
pub mod guests;
pub mod measure;
pub mod table;
pub mod workload;

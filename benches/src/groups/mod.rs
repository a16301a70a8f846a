//! The groups of figures.

mod call;
mod engine;
mod instructions;
mod journal;
mod latency;
mod nexmark;
mod paced;
mod plain;
mod rig;
mod serve;
mod snapshot;
mod start;
mod state;
mod windows;

use anyhow::Result;

use crate::table::Line;
pub use instructions::Fixed;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Enough to see that every figure comes out: seconds in all. The numbers mean nothing.
    Quick,
    /// Enough to be quoted: minutes in all.
    Ordinary,
    /// With state of ten million keys.
    Full,
}

impl Size {
    /// One of three, by size.
    fn pick<T>(self, quick: T, ordinary: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Ordinary => ordinary,
            Self::Full => full,
        }
    }
}

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Group {
    /// A guest call against the same function native.
    Call,
    /// Append and scan of the journal against a file.
    Journal,
    /// Functions on a node against plain Rust over records in memory.
    Engine,
    /// State against a hash map and an ordered map.
    State,
    /// Instances, and how long a function takes from its bytes to its first result.
    Start,
    /// The longest step while a snapshot is taken.
    Snapshot,
    /// From a producer through a function to a consumer.
    Latency,
    /// Windows of every kind, many panes, timers.
    Windows,
    /// The queries of NEXMark.
    Nexmark,
    /// HTTP, deployments, live swaps, idle functions.
    Serve,
}

impl Group {
    /// All groups, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Call,
        Self::Journal,
        Self::Engine,
        Self::State,
        Self::Start,
        Self::Snapshot,
        Self::Latency,
        Self::Windows,
        Self::Nexmark,
        Self::Serve,
    ];

    /// Measures it.
    ///
    /// # Errors
    /// What the parts answer, or that they and plain Rust do not come to the same.
    pub fn run(self, size: Size) -> Result<Vec<Line>> {
        match self {
            Self::Call => call::run(size),
            Self::Journal => journal::run(size),
            Self::Engine => engine::run(size),
            Self::State => state::run(size),
            Self::Start => start::run(size),
            Self::Snapshot => snapshot::run(size),
            Self::Latency => latency::run(size),
            Self::Windows => windows::run(size),
            Self::Nexmark => nexmark::run(size),
            Self::Serve => serve::run(size),
        }
    }
}

/// Counts the instructions that some work of each record takes, under valgrind: minutes.
///
/// # Errors
/// Where there is no valgrind, or this program cannot run under it: `benches/README.md` says how it
/// has to be built.
pub fn instructions() -> Result<Vec<Line>> {
    instructions::run()
}

/// Starts the functions that are deployed in a data directory, and prints wall time in ns and growth of
/// resident memory in bytes: a part of [`Group::Serve`] that has a process of its own.
///
/// # Errors
/// Where the directory cannot be opened.
pub fn start_idle(directory: &std::path::Path) -> Result<(f64, f64)> {
    serve::start_idle(directory)
}

/// Opens so many panes, and prints by how much the resident memory grew, bytes: a part of
/// [`Group::Windows`] that has a process of its own.
///
/// # Errors
/// Where the system does not say how much memory there is.
pub fn open_panes(count: u64) -> Result<f64> {
    windows::open_panes(count)
}

//! Frames on their way from one journal to a copy of it, byte for byte.
//!
//! A replica has the frames of its leader with their numbers and checksums: everything in it,
//! offsets, positions, state, is what the leader had after that commit. Only durable frames are
//! given away. The chain of checksums tells whether two logs are the same as far as a commit.

mod copy;
mod input;
mod output;

pub(crate) use copy::adopt;
pub use copy::{CopiedFile, Copying, FullCopy};
pub use input::{Frames, SnapshotNeed};
pub use output::FrameReader;

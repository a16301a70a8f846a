//! How a journal is opened.

use crate::failpoint::Hooks;

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// A sync thread runs `fdatasync` back to back; `append` returns at once and the durable
    /// watermark follows. A power cut loses at most what is past the watermark. The default.
    #[default]
    Group,
    /// As `Group`, but `append` returns only once its commit is durable.
    Each,
    /// A commit counts as durable when it is appended. A killed process loses nothing; a power
    /// cut may lose the commits of the active segment, from some commit on (never from the
    /// middle).
    None,
}

/// Who drives syncing and sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncDriver {
    /// A thread of the journal's own. The default.
    #[default]
    Thread,
    /// Nobody: the caller runs [`crate::Journal::sync_step`]. For single-threaded simulation.
    /// Calls that wait for durability run the step themselves.
    Manual,
}

/// Ceilings; each is checked before anything is written.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Partitions of one topic (default 256).
    pub partitions_max: u32,
    /// Topics of one tenant (default 4,096).
    pub topics_per_tenant_max: u32,
    /// Bytes of one commit with its header (default 32 MiB). Lowered to what a segment holds.
    pub frame_bytes_max: u64,
    /// Parts of one commit (default 4,096).
    pub parts_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            partitions_max: 256,
            topics_per_tenant_max: 4_096,
            frame_bytes_max: 32 << 20,
            parts_max: 4_096,
        }
    }
}

/// Settings of one journal.
#[derive(Debug, Clone)]
pub struct Config {
    /// When a commit counts as durable.
    pub sync_mode: SyncMode,
    /// Who drives syncing.
    pub sync_driver: SyncDriver,
    /// Size of each preallocated segment (default 64 MiB, at least 4 KiB).
    pub segment_bytes: u64,
    /// A sealed segment that holds up to this many live record bytes is emptied by carrying them
    /// forward, so that a quiet topic does not pin a busy one's segments (default 4 MiB; at most
    /// a quarter of a segment).
    pub carry_bytes_max: u64,
    /// Memory that the cleaner takes for the keys of a compacted topic (default 64 MiB, which
    /// is 917,504 keys; at least 4 KiB, 56 keys). A partition with more keys is compacted in
    /// several passes. Beside it, the cleaner holds a batch that it reads and one that it writes.
    pub compaction_bytes_max: u64,
    /// Ceilings.
    pub limits: Limits,
    /// Fail points, for crash tests.
    pub hooks: Hooks,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            sync_mode: SyncMode::Group,
            sync_driver: SyncDriver::Thread,
            segment_bytes: 64 << 20,
            carry_bytes_max: 4 << 20,
            compaction_bytes_max: 64 << 20,
            limits: Limits::default(),
            hooks: Hooks::default(),
        }
    }
}

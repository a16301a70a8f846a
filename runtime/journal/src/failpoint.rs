//! Named points at which a test may stop a journal: one set per instance, nothing global.

use std::fmt;
use std::sync::Arc;

/// A place in the journal's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Before a frame is written; its length is known.
    AppendBefore,
    /// After a frame was written, before anyone can see it.
    AppendAfter,
    /// Before the segments are synced.
    SyncBefore,
    /// After the segments were synced, before the watermark moves.
    SyncAfter,
    /// Before a new segment takes its place.
    Roll,
    /// Before a sealed segment's index is written.
    SidecarWrite,
    /// Before a snapshot's bytes are synced.
    SnapshotWrite,
    /// Before a snapshot gets its name.
    SnapshotRename,
    /// Before a snapshot is published by a commit.
    SnapshotPublish,
    /// Before a free segment is removed.
    SegmentRemove,
}

/// Every point, for tests that try them all.
pub const POINTS: &[Point] = &[
    Point::AppendBefore,
    Point::AppendAfter,
    Point::SyncBefore,
    Point::SyncAfter,
    Point::Roll,
    Point::SidecarWrite,
    Point::SnapshotWrite,
    Point::SnapshotRename,
    Point::SnapshotPublish,
    Point::SegmentRemove,
];

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Stop as a crash would: the journal is poisoned and the call answers so.
    Stop,
    /// At [`Point::AppendBefore`]: write only this many bytes of the frame, then stop. Elsewhere
    /// the same as `Stop`.
    Torn(usize),
}

type Hook = dyn Fn(Point) -> Action + Send + Sync;

/// A function called at every point; the default does nothing and costs a branch. A hook may
/// also end the process itself.
#[derive(Clone, Default)]
pub struct Hooks(Option<Arc<Hook>>);

impl Hooks {
    /// Calls `hook` at every point.
    pub fn new(hook: impl Fn(Point) -> Action + Send + Sync + 'static) -> Hooks {
        Hooks(Some(Arc::new(hook)))
    }

    pub(crate) fn at(&self, point: Point) -> Action {
        match &self.0 {
            None => Action::Continue,
            Some(hook) => hook(point),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hooks(set)" } else { "Hooks(none)" })
    }
}

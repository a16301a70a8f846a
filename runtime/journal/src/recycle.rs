//! Removing a free segment, and using its file again.
//!
//! Writing over blocks that were written before costs a sync less than the first write into
//! reserved ones, where the file system has to note each time that they hold something now. So the
//! file of a free segment becomes a spare, with all of its old frames.
//!
//! They are never taken for new ones: every segment begins at a commit behind all of a freed
//! segment's, and a frame must have the number that is expected where it lies (and name the
//! checksum of the one before it). The header, which names the segment's number, is written anew.
//!
//! A file is used again only where nobody can see its old bytes: no index and no reader has the
//! segment, no slice of its map is left, and it has no second name (a backup's).

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::failpoint::Point;
use crate::journal::Shared;
use crate::locks::try_read;
use crate::segment::{FOLDER, Segment, sidecar_path_of};
use crate::storage::File;

impl Shared {
    /// Removes the oldest segment. Each removal is lasting before the next: a crash must not
    /// leave a hole. Answers whether it did: not while a backup is made.
    pub(crate) fn remove(&self, segment: Arc<Segment>) -> Result<bool> {
        let Some(_files) = try_read(&self.files) else { return Ok(false) };
        self.pass(Point::SegmentRemove)?;
        let (path, number) = (segment.path(), segment.number);
        let spare = self.appender()?.spare_path();
        // Under this name it is out of the log, and removed at the next open if need be.
        let renamed =
            self.storage.rename(&path, &spare).and_then(|()| self.storage.sync_folder(FOLDER));
        renamed.map_err(|source| Error::io("remove", path, source))?;
        // Without its segment an index is tidied away at the next open.
        let _ = self.storage.remove(&sidecar_path_of(number));
        {
            let mut appender = self.appender()?;
            let gone = appender.segments.pop_front();
            assert!(gone.is_some_and(|gone| gone.number == number), "the oldest goes first");
            appender.unblock_spares();
        }
        self.recycle(segment, spare)?;
        self.sleeper.wake();
        Ok(true)
    }

    /// Makes a spare of the file, where that can be.
    fn recycle(&self, segment: Arc<Segment>, spare: String) -> Result<()> {
        let file = reusable(segment).filter(|file| file.size() == self.config.segment_bytes);
        {
            let mut appender = self.appender()?;
            if let Some(file) = file
                && appender.takes_recycled()
            {
                appender.add_spare(spare, Ok(file));
                return Ok(());
            }
        }
        // A leftover is removed at the next open.
        let _ = self.storage.remove(&spare);
        Ok(())
    }
}

/// The file of a segment that nobody else has, and whose bytes nobody else can see.
fn reusable(segment: Arc<Segment>) -> Option<Arc<dyn File>> {
    let mut file = Arc::try_unwrap(segment).ok()?.file;
    let is_reclaimed = Arc::get_mut(&mut file)?.reclaim();
    is_reclaimed.is_ok_and(|is_reclaimed| is_reclaimed).then_some(file)
}

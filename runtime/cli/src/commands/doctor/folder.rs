//! The data directory and the disk below it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statfs, statvfs};

use super::check::Check;
use crate::clock::Stopwatch;
use crate::error::CliError;
use crate::text;

/// Two segments: the one that is written, and the reserve. With less, nothing can be appended soon.
const FREE_LEAST: u64 = 128 << 20;
/// Below this it is time to make room.
const FREE_WANTED: u64 = 1 << 30;
/// A sync that takes longer than this is felt by every producer, s.
const SYNC_SLOW: f64 = 0.05;
/// Syncs that are measured; the median counts.
const SYNCS: usize = 9;

/// Who has a directory open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// What the lock file says: the number of a process.
    Process(String),
}

/// What was found of the disk.
#[derive(Debug)]
pub(super) struct Disk {
    /// The magic number of the file system.
    pub(super) kind: Option<u64>,
    /// Bytes that may be used.
    pub(super) free: Option<u64>,
    /// Seconds of a sync, or why nothing could be written.
    pub(super) sync: io::Result<f64>,
}

impl Disk {
    /// Of the disk that `folder` is on, or would be. A file without a name is written and synced.
    fn of(folder: &Path) -> Self {
        let there = nearest(folder);
        Self {
            kind: statfs(&there).ok().map(|disk| disk.f_type as u64 & 0xffff_ffff),
            free: statvfs(&there).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            sync: sync_seconds(&there),
        }
    }
}

/// The folder, or the first one above it that is there.
fn nearest(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = whole.ancestors().find(|above| above.exists());
    there.unwrap_or(Path::new("/")).to_owned()
}

fn sync_seconds(folder: &Path) -> io::Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[7; 4_096])?;
        let watch = Stopwatch::start();
        file.sync_data()?;
        times.push(watch.seconds());
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(SYNCS / 2).copied().unwrap_or_default())
}

/// Whether a process has the directory open. The lock is tried for a moment, shared.
fn holder(folder: &Path) -> io::Result<Holder> {
    let lock = folder.join("LOCK");
    let file = match File::open(&lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        opened => opened?,
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Holder::Nobody),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Ok(Holder::Process(fs::read_to_string(&lock)?.trim().to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// All that is to be said of a data directory. `is_given`: by the person, not by default.
pub(super) fn checks(folder: &Path, is_given: bool) -> Vec<Check> {
    let mut checks = vec![presence(folder, is_given)];
    if folder.is_dir() {
        checks.push(format(folder));
        checks.push(lock(&holder(folder)));
    }
    if !folder.exists() || folder.is_dir() {
        checks.extend(of_disk(&Disk::of(folder)));
    }
    if folder.is_dir() {
        checks.push(cache(folder));
    }
    checks
}

fn presence(folder: &Path, is_given: bool) -> Check {
    let name = folder.display();
    if folder.is_dir() {
        return Check::ok("data directory", name.to_string());
    }
    if folder.exists() {
        let detail = format!("{name} is a file, not a folder");
        return Check::fail("data directory", detail, "give a folder by --data-dir");
    }
    let detail = format!("{name} is not there yet");
    match is_given {
        true => {
            Check::warn("data directory", detail, "check the path; `pelton up` makes a new one")
        }
        false => Check::ok("data directory", format!("{detail}; `pelton up` makes it")),
    }
}

fn format(folder: &Path) -> Check {
    match pelton_journal::format_version(folder) {
        Ok(Some(version)) => Check::ok("format", format!("journal format {version}")),
        Ok(None) if folder.join("segments/00000001.seg").exists() => Check::fail(
            "format",
            "there are segments, and no FORMAT file",
            "restore it from a backup of this directory",
        ),
        Ok(None) => Check::ok("format", "no journal in it yet"),
        Err(error) => Check::error("format", CliError::coded(&error)),
    }
}

fn lock(holder: &io::Result<Holder>) -> Check {
    match holder {
        Ok(Holder::Nobody) => Check::ok("lock", "nobody has it open"),
        Ok(Holder::Process(pid)) => Check::ok("lock", format!("process {pid} has it open")),
        Err(error) => Check::warn(
            "lock",
            format!("cannot be looked at: {error}"),
            "run this as the user that the server runs as",
        ),
    }
}

pub(super) fn of_disk(disk: &Disk) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(disk.kind.map(file_system));
    checks.extend(disk.free.map(free));
    checks.push(sync(&disk.sync));
    checks
}

fn file_system(kind: u64) -> Check {
    let network = match kind {
        0x6969 => "NFS",
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => "SMB",
        0x00c3_6400 => "CephFS",
        0x0102_1997 => "9P",
        0x6573_5546 => "FUSE",
        0x0102_1994 | 0x8584_58f6 => {
            let detail = "in memory (tmpfs): all of it is lost with the machine";
            return Check::warn("file system", detail, "for data that counts, use a disk");
        }
        0xef53 => return Check::ok("file system", "ext4"),
        0x5846_5342 => return Check::ok("file system", "XFS"),
        0x9123_683e => return Check::ok("file system", "Btrfs"),
        0x2fc1_2fc1 => return Check::ok("file system", "ZFS"),
        0x794c_7630 => {
            let detail = "overlay: the writable layer of a container, lost with it";
            return Check::warn("file system", detail, "mount a volume for the data directory");
        }
        other => return Check::ok("file system", format!("of kind {other:#x}")),
    };
    let detail = format!("{network}: locks, maps and syncs may not hold what a disk promises");
    Check::warn("file system", detail, "use a disk of this machine")
}

fn free(bytes: u64) -> Check {
    let detail = format!("{} free", text::bytes(bytes));
    let (least, wanted) = (text::bytes(FREE_LEAST), text::bytes(FREE_WANTED));
    match bytes {
        FREE_WANTED.. => Check::ok("disk space", detail),
        FREE_LEAST.. => {
            Check::warn("disk space", detail, format!("make room: below {wanted} it gets tight"))
        }
        _ => {
            let detail = format!("{detail}; the journal reserves {least}");
            Check::fail("disk space", detail, "make room: what does not fit is refused")
        }
    }
}

fn sync(measured: &io::Result<f64>) -> Check {
    match measured {
        Ok(time) if *time <= SYNC_SLOW => {
            Check::ok("sync", format!("{} for 4 KiB until durable", text::seconds(*time)))
        }
        Ok(time) => Check::warn(
            "sync",
            format!("{} for 4 KiB until durable: each commit waits for that", text::seconds(*time)),
            "use a faster disk, or see what else keeps this one busy",
        ),
        Err(error) => Check::fail(
            "sync",
            format!("nothing can be written there: {error}"),
            "choose another folder, or change its permissions",
        ),
    }
}

fn cache(folder: &Path) -> Check {
    let entries = match fs::read_dir(folder.join("compiled")) {
        Ok(entries) => entries.flatten(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Check::ok("compile cache", "empty");
        }
        Err(error) => {
            let next = "it may be removed: modules are compiled again";
            return Check::warn("compile cache", format!("cannot be read: {error}"), next);
        }
    };
    let sizes = entries.flat_map(|entry| entry.metadata()).filter(fs::Metadata::is_file);
    let (count, bytes) = sizes.fold((0, 0), |(count, bytes), of| (count + 1, bytes + of.len()));
    Check::ok("compile cache", format!("{}, {}", text::count(count, "file"), text::bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn free_space_is_judged_at_the_limits_and_one_below() {
        let judged = [FREE_WANTED, FREE_WANTED - 1, FREE_LEAST, FREE_LEAST - 1].map(free);
        let verdicts = judged.map(|check| check.status);
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Warn, Verdict::Warn, Verdict::Fail]);
    }

    #[test]
    fn what_loses_data_is_warned_of() {
        for (kind, verdict) in
            [(0xef53, Verdict::Ok), (0x6969, Verdict::Warn), (0x0102_1994, Verdict::Warn)]
        {
            assert_eq!(file_system(kind).status, verdict, "{kind:#x}");
        }
    }

    #[test]
    fn a_slow_sync_is_a_warning_and_none_a_failure() {
        assert_eq!(sync(&Ok(SYNC_SLOW)).status, Verdict::Ok);
        assert_eq!(sync(&Ok(SYNC_SLOW * 1.01)).status, Verdict::Warn);
        assert_eq!(sync(&Err(io::ErrorKind::PermissionDenied.into())).status, Verdict::Fail);
    }

    #[test]
    fn the_disk_of_a_folder_that_is_not_there_is_that_of_the_one_above() {
        let above = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&above.path().join("a/b")), above.path());
    }

    #[test]
    fn a_directory_in_use_names_the_process() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(holder(folder.path()).unwrap(), Holder::Nobody);
        fs::write(folder.path().join("LOCK"), "42\n").unwrap();
        assert_eq!(holder(folder.path()).unwrap(), Holder::Nobody);
        let file = File::open(folder.path().join("LOCK")).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(holder(folder.path()).unwrap(), Holder::Process("42".into()));
    }
}

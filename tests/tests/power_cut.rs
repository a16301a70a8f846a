//! The power is cut under a journal on a loop-mounted ext4: what was said to be durable is there,
//! and what is there is a prefix of what was written.
//!
//! Runs only where `PELTON_TEST_POWER_CUT` is set (`cargo xtask test power-cut` sets it): it needs root
//! and loop devices. `PELTON_POWER_CUTS` sets the number of cuts for each mode.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test tells and fails loudly")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pelton_batch::Batch;
use pelton_core::TopicName;
use pelton_server::{LoadOptions, Node, NodeConfig};
use pelton_tests::generator;

const CUTS: u64 = 10;

fn sh(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// An ext4 file system in a file, mounted; unmounted at the end.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    _directory: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        let mount = directory.path().join("mount");
        std::fs::create_dir(&mount).unwrap();
        sh(Command::new("truncate").args(["-s", "1G"]).arg(&image));
        sh(Command::new("mkfs.ext4").arg("-q").arg(&image));
        let disk = Self { image, mount, _directory: directory };
        disk.mount();
        disk
    }

    fn mount(&self) {
        sh(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount));
    }

    fn unmount(&self) {
        sh(Command::new("umount").arg(&self.mount));
    }

    /// Stops the file system at once; nothing that waits to be written is (`EXT4_IOC_SHUTDOWN` with
    /// `NOLOGFLUSH`, by e2fsprogs' own number).
    fn cut_power(&self) {
        let root = std::fs::File::open(&self.mount).unwrap();
        shutdown::without_flush(&root).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing to be done where it is not mounted any more.
        let _ = Command::new("umount").arg(&self.mount).stderr(Stdio::null()).status();
    }
}

mod shutdown {
    #![allow(unsafe_code, reason = "there is no safe call for this ioctl")]

    use rustix::ioctl::{Setter, ioctl, opcode};

    /// `EXT4_GOING_FLAGS_NOLOGFLUSH`.
    const NO_LOG_FLUSH: u32 = 2;

    pub(super) fn without_flush(root: &std::fs::File) -> rustix::io::Result<()> {
        // SAFETY: `EXT4_IOC_SHUTDOWN` is `_IOR('X', 125, __u32)` and reads one u32, which lives as
        // long as the call.
        unsafe {
            let call = Setter::<{ opcode::read::<u32>(b'X', 125) }, u32>::new(NO_LOG_FLUSH);
            ioctl(root, call)
        }
    }
}

/// Appends until the power is cut; answers how many records were said to be durable.
fn append_and_cut(disk: &Disk, mode: &str, wait: Duration) -> u64 {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_append_worker"))
        .arg(disk.mount.join("data"))
        .arg(mode)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let durable = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&durable);
    let reader = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            told.store(line.parse().unwrap_or(0), Ordering::SeqCst);
        }
    });
    std::thread::park_timeout(wait);
    // What is said after this line may be lost; what was said before it may not.
    let said = durable.load(Ordering::SeqCst);
    disk.cut_power();
    worker.kill().unwrap();
    worker.wait().unwrap();
    reader.join().unwrap();
    said
}

/// Opens the journal and compares every record with the generator; answers how many there are.
fn verify(directory: &Path) -> u64 {
    let mut config = NodeConfig::new(directory, LoadOptions::in_process());
    config.load.engine.pooled_instances = 0;
    config.segment_bytes = 256 << 10;
    let node = Node::open(config).unwrap();
    let mut offset = 0;
    for batch in node.read(&TopicName::parse("in").unwrap(), 0) {
        let (base, bytes) = batch.unwrap();
        assert_eq!(base, offset);
        for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
            let expected = generator::record(0, offset);
            assert_eq!(record.key(), Some(expected.key.as_bytes()));
            assert_eq!(record.value(), Some(expected.value.as_bytes()));
            assert_eq!(record.timestamp(), expected.timestamp);
            offset += 1;
        }
    }
    offset
}

fn cuts(mode: &str) {
    if std::env::var_os("PELTON_TEST_POWER_CUT").is_none() {
        eprintln!("LEFT OUT: power cuts ({mode}): run `cargo xtask test power-cut` as root");
        return;
    }
    let cuts = std::env::var("PELTON_POWER_CUTS").ok().and_then(|text| text.parse().ok());
    let mut kept = 0;
    for cut in 0..cuts.unwrap_or(CUTS) {
        let disk = Disk::new();
        let mut said = 0;
        // Twice on one disk: the second life begins with what the first left.
        for life in 0..2 {
            let wait = Duration::from_millis(60 + (cut * 37 + life * 101) % 240);
            said = said.max(append_and_cut(&disk, mode, wait));
            disk.unmount();
            disk.mount();
        }
        let found = verify(&disk.mount.join("data"));
        if mode != "none" {
            assert!(found >= said, "{said} records were durable, {found} are there");
        }
        kept += found;
        disk.unmount();
    }
    assert!(kept > 0, "nothing was ever written");
}

#[test]
fn group_keeps_what_was_said_to_be_durable() {
    cuts("group");
}

#[test]
fn each_keeps_what_was_said_to_be_durable() {
    cuts("each");
}

#[test]
fn none_keeps_a_prefix() {
    cuts("none");
}

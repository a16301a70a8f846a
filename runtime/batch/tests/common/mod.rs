//! What the test binaries share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod golden;
pub(crate) mod model;
pub(crate) mod read;

use std::path::PathBuf;

/// The folder of the golden files.
pub(crate) fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/batch")
}

/// All files of a folder, in the order of their names.
pub(crate) fn files(dir: PathBuf) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).expect("readable"))).collect()
}

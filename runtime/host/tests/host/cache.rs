//! Compiled artefacts on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pelton_core::{Limits, TenantId};
use pelton_host::{Cache, CompileMode, Compiled, Compiler};

use crate::support::*;

const EMPTY: &str = "(call $answer (i32.const 0) (i32.const 0))";

fn load_cached(directory: &Path, wasm: &[u8]) -> Compiled {
    let cache = Cache::open(directory).unwrap();
    let compiler = Compiler::new(engine(), CompileMode::InProcess, Some(cache));
    compiler.load(&TenantId::default(), wasm, &Limits::default()).unwrap()
}

fn entry(directory: &Path, extension: &str) -> PathBuf {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found = paths.filter(|path| path.extension().is_some_and(|e| e == extension));
    let path = found.next().unwrap();
    assert!(found.next().is_none(), "one entry");
    path
}

/// Replaces a file, as somebody would who has not mapped the old one.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_compiled_once_is_loaded_from_the_cache_and_runs_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let wasm = function("(call $answer (local.get $at) (local.get $length))");
    assert!(!load_cached(directory.path(), &wasm).from_cache());
    let cached = load_cached(directory.path(), &wasm);
    assert!(cached.from_cache());
    assert_eq!(call(&mut open(&cached), b"kept").unwrap(), b"kept");
    assert!(!load_cached(directory.path(), &function(EMPTY)).from_cache());
}

#[test]
fn h17_an_altered_entry_is_compiled_anew_and_never_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let wasm = function(EMPTY);
    load_cached(directory.path(), &wasm);
    let artefact = entry(directory.path(), "artefact");
    let mac = entry(directory.path(), "mac");
    let (good, good_mac) = (fs::read(&artefact).unwrap(), fs::read(&mac).unwrap());
    let flip = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    let tampered = [
        flip(0),
        flip(good.len() / 2),
        flip(good.len() - 1),
        good[..good.len() - 1].to_vec(),
        Vec::new(),
        b"\x7fELF not really".to_vec(),
    ];
    for bad in tampered {
        overwrite(&artefact, &bad);
        assert!(!load_cached(directory.path(), &wasm).from_cache());
        assert!(load_cached(directory.path(), &wasm).from_cache(), "it was not repaired");
    }
    for bad in [&[0; 32][..], &good_mac[..31], b""] {
        overwrite(&mac, bad);
        assert!(!load_cached(directory.path(), &wasm).from_cache());
    }
    fs::remove_file(&mac).unwrap();
    assert!(!load_cached(directory.path(), &wasm).from_cache());
}

#[test]
fn h17_an_entry_of_another_directory_or_for_other_code_is_not_authentic() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let wasm = function(EMPTY);
    load_cached(there.path(), &wasm);
    Cache::open(here.path()).unwrap();
    for extension in ["artefact", "mac"] {
        let from = entry(there.path(), extension);
        fs::copy(&from, here.path().join(from.file_name().unwrap())).unwrap();
    }
    assert!(!load_cached(here.path(), &wasm).from_cache());
    // The same for code that somebody put in the place of other code.
    let other = function("(call $answer (local.get $at) (local.get $length))");
    let (artefact, mac) = (entry(here.path(), "artefact"), entry(here.path(), "mac"));
    let (code, code_mac) = (fs::read(&artefact).unwrap(), fs::read(&mac).unwrap());
    fs::remove_file(&artefact).unwrap();
    fs::remove_file(&mac).unwrap();
    load_cached(here.path(), &other);
    overwrite(&entry(here.path(), "artefact"), &code);
    overwrite(&entry(here.path(), "mac"), &code_mac);
    assert!(!load_cached(here.path(), &other).from_cache());
}

#[test]
fn nobody_else_can_read_or_write_what_the_cache_holds() {
    let directory = tempfile::tempdir().unwrap();
    load_cached(directory.path(), &function(EMPTY));
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_cache_that_cannot_be_written_does_not_stop_a_function() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let compiler = Compiler::new(engine(), CompileMode::InProcess, Some(cache));
    fs::remove_dir_all(directory.path()).unwrap();
    fs::write(directory.path(), b"a file in its place").unwrap();
    compiler.load(&TenantId::default(), &function(EMPTY), &Limits::default()).unwrap();
    fs::remove_file(directory.path()).unwrap();
    fs::create_dir(directory.path()).unwrap();
}

#[test]
fn h18_no_name_of_a_module_or_tenant_becomes_a_path() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cache");
    let wasm = embed_wat(
        &module("", "(func $../../escaped)", "(call $declare)", EMPTY).replacen(
            "(module",
            "(module $../../escaped",
            1,
        ),
        "function",
    );
    load_cached(&directory, &wasm);
    // A digest names each file, and nothing else is written anywhere.
    for path in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{stem}");
    }
    let beside: Vec<_> = fs::read_dir(parent.path()).unwrap().collect();
    assert_eq!(beside.len(), 1);
    for name in ["../x", "/etc", "a/b", "..", "a\\b", "a\0", ""] {
        assert!(TenantId::new(name).is_err(), "{name:?}");
    }
}

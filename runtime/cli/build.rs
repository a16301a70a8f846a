//! Embeds the Rust SDK, the crates that it needs and the contract, so that `pelton new` works
//! without a network and without a checkout. Unlike a macro over a folder, this sees changes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = here.join("../..").canonicalize()?;
    let mut files = BTreeSet::new();
    for folder in crates(&root)? {
        let krate = root.join(&folder);
        files.insert(krate.join("Cargo.toml"));
        collect(&krate.join("src"), &mut files)?;
    }
    collect(&root.join("wit"), &mut files)?;
    files.insert(root.join("Cargo.toml"));
    files.insert(root.join("Cargo.lock"));
    let mut source = String::from("pub(super) const FILES: &[(&str, &[u8])] = &[\n");
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        let _ = writeln!(source, "    ({name:?}, include_bytes!({file:?})),");
        println!("cargo::rerun-if-changed={}", file.display());
    }
    source.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("sdk.rs"), source)
}

/// The folders of the SDK and of every crate of the workspace that it needs.
fn crates(root: &Path) -> io::Result<Vec<String>> {
    let workspace = fs::read_to_string(root.join("Cargo.toml"))?;
    let folder_of = |name: &str| {
        let line = workspace.lines().find(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        })?;
        line.split('"').nth(1).map(str::to_owned)
    };
    let mut folders = vec!["sdk/rust".to_owned()];
    let mut next = 0;
    while let Some(folder) = folders.get(next).cloned() {
        let manifest = fs::read_to_string(root.join(&folder).join("Cargo.toml"))?;
        for name in needed(&manifest) {
            if let Some(folder) = folder_of(&name)
                && !folders.contains(&folder)
            {
                folders.push(folder);
            }
        }
        next += 1;
    }
    Ok(folders)
}

/// The crates of Pelton that a manifest names as dependencies, those of its tests aside.
fn needed(manifest: &str) -> Vec<String> {
    let mut tests = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        tests = if line.starts_with('[') { line.contains("dev-dependencies") } else { tests };
        if line.starts_with("pelton-") && !tests {
            let letters = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            names.push(line.chars().take_while(letters).collect());
        }
    }
    names
}

/// All files below a folder. Cargo watches the folder for new ones.
fn collect(folder: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

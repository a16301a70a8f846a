//! The source files of a project: which there are, and which of them have changed.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ignore::WalkBuilder;
use pelton_core::manifest::FILE_NAME;

/// A larger file is judged by its time and size alone.
const HASHED_BYTES_MAX: u64 = 16 << 20;
/// Where Cargo builds, whether git ignores it or not.
const BUILT: &str = "target";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    modified: Option<SystemTime>,
    bytes: u64,
    /// Of the content: a file that is written anew with what it held has not changed.
    hash: u64,
}

/// What a project is built from: all files but those that git ignores, hidden ones, and what is built.
pub(crate) struct Sources {
    folder: PathBuf,
    /// Files and folders that are results.
    results: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Seen>,
    /// Folders with sources in them.
    pub folders: Vec<PathBuf>,
}

impl Sources {
    /// The sources in `folder` as they are now; `results` are none of them.
    pub(crate) fn new(folder: &Path, results: Vec<PathBuf>) -> Self {
        let (files, folders) = (BTreeMap::new(), Vec::new());
        let mut sources = Self { folder: folder.to_owned(), results, files, folders };
        sources.changes();
        sources
    }

    /// Looks again: the files that are new, gone, or have other content than at the last look, by name.
    pub(crate) fn changes(&mut self) -> Vec<PathBuf> {
        let (paths, folders) = self.walk();
        let mut files = BTreeMap::new();
        let mut changes = Vec::new();
        for path in paths {
            let old = self.files.remove(&path);
            let Some(seen) = look(&path, old.as_ref()) else { continue };
            if old.is_none_or(|old| (old.bytes, old.hash) != (seen.bytes, seen.hash)) {
                changes.push(path.clone());
            }
            files.insert(path, seen);
        }
        changes.extend(self.files.keys().cloned());
        changes.sort_unstable();
        (self.files, self.folders) = (files, folders);
        changes
    }

    /// The source that was written last, and when: of the code where it lies in `src`, else of all.
    /// Records and notes beside code are no reason to build it.
    pub(crate) fn newest(&self) -> Option<(SystemTime, &Path)> {
        let code = self.folder.join("src");
        let is_code = |path: &Path| path.starts_with(&code);
        let has_code = self.files.keys().any(|path| is_code(path));
        let files = self.files.iter().filter(|(path, _)| !has_code || is_code(path));
        files.filter_map(|(path, seen)| Some((seen.modified?, &**path))).max()
    }

    fn walk(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let manifest = self.folder.join(FILE_NAME);
        let found = self.walk_with(true);
        // In a folder that an outer repository ignores, its rules say nothing about the project.
        if found.0.contains(&manifest) { found } else { self.walk_with(false) }
    }

    fn walk_with(&self, parents: bool) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let results = self.results.clone();
        let walk = WalkBuilder::new(&self.folder)
            .require_git(false)
            .parents(parents)
            .filter_entry(move |entry| {
                let is_built = entry.depth() > 0 && entry.file_name() == BUILT;
                !is_built && !results.iter().any(|result| result == entry.path())
            })
            .build();
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in walk.flatten() {
            match entry.file_type() {
                Some(kind) if kind.is_dir() => folders.push(entry.into_path()),
                Some(_) => files.push(entry.into_path()),
                None => {}
            }
        }
        (files, folders)
    }
}

/// What a file is now; none where it has just gone, or is no plain file.
fn look(path: &Path, old: Option<&Seen>) -> Option<Seen> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let (modified, bytes) = (metadata.modified().ok(), metadata.len());
    if let Some(old) = old
        && modified.is_some()
        && (old.modified, old.bytes) == (modified, bytes)
    {
        return Some(old.clone());
    }
    let mut hasher = DefaultHasher::new();
    match bytes {
        0..=HASHED_BYTES_MAX => fs::read(path).ok()?.hash(&mut hasher),
        _ => modified.hash(&mut hasher),
    }
    Some(Seen { modified, bytes, hash: hasher.finish() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        };
        let names = ["pelton.toml", "src/lib.rs", "target/x.rs", "out/x", ".git/x", "hello.wasm"];
        names.into_iter().for_each(write);
        fs::write(place.path().join(".gitignore"), "/out\n").unwrap();
        place
    }

    fn names(folder: &Path, paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
        paths.iter().map(name).collect()
    }

    #[test]
    fn what_is_built_hidden_or_ignored_by_git_is_no_source() {
        let place = place();
        let folder = place.path();
        let sources = Sources::new(folder, vec![folder.join("hello.wasm")]);
        let files: Vec<_> = sources.files.keys().cloned().collect();
        assert_eq!(names(folder, &files), ["pelton.toml", "src/lib.rs"]);
        assert_eq!(sources.folders.len(), 2);
    }

    #[test]
    fn a_file_has_changed_when_its_content_has() {
        let place = place();
        let folder = place.path();
        let mut sources = Sources::new(folder, vec![]);
        assert!(sources.changes().is_empty());
        fs::write(folder.join("src/lib.rs"), "src/lib.rs").unwrap();
        assert!(sources.changes().is_empty(), "the same again");
        fs::write(folder.join("src/lib.rs"), "other").unwrap();
        fs::create_dir(folder.join("src/more")).unwrap();
        fs::write(folder.join("src/more/new.rs"), "").unwrap();
        assert_eq!(names(folder, &sources.changes()), ["src/lib.rs", "src/more/new.rs"]);
        fs::remove_file(folder.join("src/lib.rs")).unwrap();
        assert_eq!(names(folder, &sources.changes()), ["src/lib.rs"]);
    }

    #[test]
    fn a_project_in_a_folder_that_an_outer_repository_ignores_has_sources_too() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(".gitignore"), "/scratch\n").unwrap();
        let folder = place.path().join("scratch/hello");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("pelton.toml"), "").unwrap();
        assert_eq!(Sources::new(&folder, vec![]).files.len(), 1);
    }
}

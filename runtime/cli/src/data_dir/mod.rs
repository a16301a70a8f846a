//! Data directories, told from other folders: nothing is written into a folder that somebody keeps
//! other things in, and nothing removed but what Pelton has written.

mod remove;

use std::fs;
use std::path::Path;

use crate::error::{CliError, Result};
use crate::exit::Exit;

pub(crate) use remove::{check_removable, remove};

/// What file systems put into a folder that is empty otherwise.
const IGNORED: [&str; 1] = ["lost+found"];

/// Whether it is a folder in which Pelton keeps data, or has begun to.
fn is_one(folder: &Path) -> bool {
    let has_journal = folder.join("FORMAT").is_file() && folder.join("segments").is_dir();
    has_journal || remove::own_of(folder).is_ok()
}

/// Whether nothing is there: no folder, or an empty one.
pub(crate) fn is_vacant(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(entries) => {
            entries.flatten().all(|entry| IGNORED.iter().any(|name| entry.file_name() == *name))
        }
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Refuses a folder that is neither a data directory nor can become one.
///
/// # Errors
/// `E-DATA-DIR` for a file, and for a folder with other things in it.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let shown = folder.display();
    if folder.exists() && !folder.is_dir() {
        let text = format!("--data-dir {shown} is a file, not a folder");
        return Err(CliError::bad_input("E-DATA-DIR", text)
            .next("give a folder; one that is not there is made"));
    }
    if is_one(folder) || is_vacant(folder) {
        return Ok(());
    }
    let text = format!("{shown} is no data directory of Pelton's, and it is not empty");
    Err(CliError::bad_input("E-DATA-DIR", text)
        .next("give --data-dir a folder that is empty, or one that is not there: it is made"))
}

/// Refuses a folder that is no data directory yet.
///
/// # Errors
/// `E-DATA-DIR-NOT-FOUND`, which names what makes one.
pub(crate) fn check_there(folder: &Path) -> Result<()> {
    if folder.join("FORMAT").is_file() {
        return Ok(());
    }
    let shown = folder.display();
    let text = match folder.exists() {
        true => format!("{shown} is no data directory: it has no file FORMAT"),
        false => format!("there is no data directory {shown}"),
    };
    let next = "give the folder that `pelton up` or `pelton run` has as its --data-dir";
    Err(CliError::new("E-DATA-DIR-NOT-FOUND", Exit::NotFound, text).next(next))
}

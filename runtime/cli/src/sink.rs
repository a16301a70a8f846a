//! Where lines of records go: a file that is there before anything runs, or stdout.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{CliError, Result};
use crate::ui::Ui;

/// A file or stdout.
pub(crate) enum LineSink {
    Stdout,
    File(PathBuf, BufWriter<File>),
}

impl LineSink {
    /// Opens the file `name`; `-` is stdout.
    pub(crate) fn open(name: &str) -> Result<Self> {
        if name == "-" {
            return Ok(Self::Stdout);
        }
        let path = Path::new(name);
        let file = File::create(path).map_err(|error| failed(path, &error))?;
        Ok(Self::File(path.to_owned(), BufWriter::new(file)))
    }

    /// Writes lines.
    pub(crate) fn write(&mut self, lines: &[u8], ui: &mut Ui) -> Result<()> {
        match self {
            Self::Stdout => ui.data(lines),
            Self::File(path, file) => file.write_all(lines).map_err(|error| failed(path, &error)),
        }
    }

    /// Writes what is still held back.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(path, mut file) => {
                let done = file.flush().and_then(|()| keep(file.get_ref()));
                done.map_err(|error| failed(&path, &error))
            }
        }
    }
}

/// Makes a file survive a power cut; a pipe or device has nothing to keep.
fn keep(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::file("write", path, error)
}

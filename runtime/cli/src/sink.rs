//! Where lines of records go: stdout, or a file that is replaced as a whole once all are written.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{CliError, Result};
use crate::project::show;
use crate::ui::Ui;

/// A file or stdout.
pub(crate) enum LineSink {
    Stdout,
    File(LineFile),
}

impl LineSink {
    /// A sink for the file `name`; `-` is stdout. Where the file cannot be written this says so at
    /// once; what is in it stays until [`LineSink::finish`].
    pub(crate) fn open(name: &str) -> Result<Self> {
        if name == "-" {
            return Ok(Self::Stdout);
        }
        LineFile::open(Path::new(name)).map(Self::File)
    }

    /// Writes lines.
    pub(crate) fn write(&mut self, lines: &[u8], ui: &mut Ui) -> Result<()> {
        match self {
            Self::Stdout => ui.data(lines),
            Self::File(file) => file.write(lines),
        }
    }

    /// Writes what is still held back. Now the lines are in their file.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(file) => file.finish(),
        }
    }
}

/// A file that gets lines.
pub(crate) struct LineFile {
    path: PathBuf,
    /// Absent until the first lines are due.
    opened: Option<BufWriter<Opened>>,
}

impl LineFile {
    fn open(path: &Path) -> Result<Self> {
        let opened = match fs::metadata(path) {
            Ok(about) if !about.is_file() || is_stream(path) => {
                File::create(path).map(|file| Some(Opened::Itself(file)))
            }
            Ok(_) => OpenOptions::new().append(true).open(path).map(|_| None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::metadata(folder_of(path)).map(|_| None)
            }
            Err(error) => Err(error),
        };
        let opened = opened.map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), opened: opened.map(BufWriter::new) })
    }

    fn write(&mut self, lines: &[u8]) -> Result<()> {
        let Self { path, opened } = self;
        let written = Self::opened(path, opened).and_then(|file| file.write_all(lines));
        written.map_err(|error| failed(path, &error))
    }

    fn finish(mut self) -> Result<()> {
        let Self { path, opened } = &mut self;
        let done = Self::opened(path, opened).and_then(|file| file.flush());
        let kept = done.and_then(|()| match opened.take().map(BufWriter::into_inner) {
            Some(opened) => opened.map_err(io::IntoInnerError::into_error)?.keep(),
            None => Ok(()),
        });
        kept.map_err(|error| failed(path, &error))
    }

    fn opened<'a>(
        path: &Path,
        opened: &'a mut Option<BufWriter<Opened>>,
    ) -> io::Result<&'a mut BufWriter<Opened>> {
        match opened {
            Some(opened) => Ok(opened),
            None => Ok(opened.insert(BufWriter::new(Opened::new(path)?))),
        }
    }
}

/// Where lines are written before they are in their file.
enum Opened {
    /// A file beside the one whose place it takes.
    Beside(NamedTempFile, PathBuf),
    /// A pipe, a device, or a file in a folder that takes no other.
    Itself(File),
}

impl Opened {
    fn new(path: &Path) -> io::Result<Self> {
        // Of a link it is the file behind it that gets the lines.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut prefix = OsString::from(".");
        prefix.push(target.file_name().unwrap_or_default());
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        // Less what the umask takes, as of any new file.
        builder.prefix(&prefix).permissions(Permissions::from_mode(0o666));
        let beside = builder.tempfile_in(folder_of(&target));
        match (beside, fs::metadata(&target)) {
            (Ok(file), Ok(about)) => {
                file.as_file().set_permissions(about.permissions())?;
                Ok(Self::Beside(file, target))
            }
            (Ok(file), Err(_)) => Ok(Self::Beside(file, target)),
            (Err(_), Ok(_)) => File::create(&target).map(Self::Itself),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Makes the file survive a power cut, in its place; a pipe or device has nothing to keep.
    fn keep(self) -> io::Result<()> {
        match self {
            Self::Itself(file) if file.metadata()?.is_file() => file.sync_all(),
            Self::Itself(_) => Ok(()),
            Self::Beside(file, target) => {
                file.as_file().sync_all()?;
                file.persist(&target).map_err(|error| error.error)?;
                File::open(folder_of(&target))?.sync_all()
            }
        }
    }
}

impl io::Write for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(file, _) => file.write(bytes),
            Self::Itself(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(file, _) => file.flush(),
            Self::Itself(file) => file.flush(),
        }
    }
}

/// Whether a path names an open stream of this process, such as `/dev/stdout`, though there may be a
/// file behind it.
fn is_stream(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::file("write", path, error)
}

/// Refuses to write to a file that is also read, or written as something else: `named` are the roles
/// and paths of all files, of which the last `written` are written.
///
/// # Errors
/// `E-OUTPUT-FILE`, which names both roles and the file.
pub(crate) fn refuse_shared(named: &[(&str, &Path)], written: usize) -> Result<()> {
    let first_written = named.len().saturating_sub(written);
    for (index, (role, path)) in named.iter().enumerate().skip(first_written) {
        let Some(place) = place_of(path) else { continue };
        let same =
            named[..index].iter().find(|(_, other)| place_of(other).as_ref() == Some(&place));
        if let Some((other, _)) = same {
            let text = format!("{} is {role} and {other} at once", show(path));
            return Err(CliError::bad_input("E-OUTPUT-FILE", text)
                .next(format!("give {role} another file; - is stdout")));
        }
    }
    Ok(())
}

/// Refuses to write to a file inside of a data directory: it may be one of the log's own.
pub(crate) fn refuse_within(written: &[(&str, &Path)], data_dir: &Path) -> Result<()> {
    let Ok(folder) = data_dir.canonicalize() else { return Ok(()) };
    for (role, path) in written {
        if place_of(path).is_some_and(|place| place.starts_with(&folder)) {
            let text = format!("{} is {role} and lies in the data directory", show(path));
            return Err(CliError::bad_input("E-OUTPUT-FILE", text)
                .next(format!("give {role} a file outside of {}; - is stdout", show(data_dir))));
        }
    }
    Ok(())
}

/// Where a file lies, or would lie; none of pipes, devices, and of what is nowhere.
fn place_of(path: &Path) -> Option<PathBuf> {
    match fs::metadata(path) {
        Ok(about) => about.is_file().then(|| path.canonicalize().ok())?,
        Err(_) => Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?)),
    }
}

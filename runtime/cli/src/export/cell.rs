//! A file under way.

use std::path::Path;

use super::folder::{Folder, Part};
use super::format::RecordWriter;
use super::grid::FileName;
use super::{Exported, Options};
use crate::error::Result;

/// The file of a cell, begun with its first record.
pub(super) struct CellFile<'a> {
    folder: &'a Folder,
    options: &'a Options,
    name: FileName,
    open: Option<(Part, Box<dyn RecordWriter>)>,
}

impl<'a> CellFile<'a> {
    pub(super) fn new(folder: &'a Folder, options: &'a Options, name: FileName) -> Self {
        Self { folder, options, name, open: None }
    }

    fn writer(&mut self) -> Result<&mut dyn RecordWriter> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let mut part = self.folder.create(self.name)?;
                let Options { topic, layout, .. } = self.options;
                let (file, path) = (part.file()?, self.folder.path(self.name));
                (part, layout.writer(file, &path, topic, self.name.partition)?)
            }
        };
        Ok(&mut *self.open.insert(open).1)
    }

    /// Adds a record.
    pub(super) fn push(&mut self, record: Exported) -> Result<()> {
        self.writer()?.push(record)
    }

    /// Adds all records of a file that was exported before.
    pub(super) fn copy(&mut self, old: &Path) -> Result<()> {
        self.writer()?.copy(old)
    }

    /// Puts the file in its place; answers whether there was anything to write.
    pub(super) fn finish(self) -> Result<bool> {
        let Some((part, writer)) = self.open else { return Ok(false) };
        let written = writer.finish()?;
        part.keep(&written)?;
        Ok(true)
    }
}

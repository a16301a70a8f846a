//! `pelton export`: the records of a topic as files of a folder, which a repeat brings up to date.
//!
//! A partition's offsets are cut into cells (`grid.rs`), a file each. A file that has been written
//! keeps the records that it has, whatever the topic forgets; what the topic has beside them is added
//! before and behind them, and then the file is replaced as a whole. So a file that has all of its
//! cell is never touched again, and a repeat with nothing new touches nothing.

mod cell;
mod columns;
mod folder;
mod format;
mod grid;
mod lines;
mod node;
mod record;
mod server;
mod source;

use std::collections::BTreeMap;
use std::ops::Range;

use pelton_server::data::From;
use serde::Serialize;

use crate::error::{CliError, Result};
use crate::output::write_exported;

use cell::CellFile;
pub(crate) use folder::Folder;
pub(crate) use format::{FileFormat, Layout, Span};
pub(crate) use grid::{FileName, Grid};
pub(crate) use node::NodeTopic;
pub(crate) use record::Exported;
pub(crate) use server::ServerTopic;
use source::Reader;
pub(crate) use source::{Held, Source};

/// Offsets of a file, where nothing else is said.
pub(crate) const FILE_RECORDS_DEFAULT: u64 = 1_000_000;

/// What is exported, and how.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The topic, as it is named in files.
    pub topic: String,
    /// How files are written.
    pub layout: Layout,
    /// Offsets of a file, where they are asked for; else as in the folder.
    pub file_records: Option<u64>,
    /// Where to begin in each partition, and where to end.
    pub from: From,
    /// The first place that is left out; else all there is.
    pub until: Option<From>,
}

/// A file that was written.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Written {
    /// Its name in the folder.
    pub file: String,
    /// Records that were not in it before.
    pub records: u64,
    /// Whether it was there before, with fewer records.
    pub replaced: bool,
}

/// Offsets that nobody can export any more.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Gone {
    /// The partition.
    pub partition: u32,
    /// The first of them.
    pub from: u64,
    /// Behind the last one.
    pub to: u64,
}

/// What an export has done.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Done {
    /// Records that were not in the folder before.
    pub records: u64,
    /// Files that were written.
    pub files: Vec<Written>,
    /// Files that were there and stay as they were.
    pub unchanged: u64,
    /// What retention had removed before it was exported.
    pub gone: Vec<Gone>,
}

/// An export under way.
pub(crate) struct Export<'a> {
    folder: &'a Folder,
    options: &'a Options,
    grid: Grid,
    /// The files that were there when it began.
    old: BTreeMap<(u32, u64), FileName>,
    /// What it has done.
    pub done: Done,
}

impl<'a> Export<'a> {
    /// Looks at what is in the folder.
    ///
    /// # Errors
    /// `E-EXPORT-GRID` where there are files of another size than was asked for.
    pub(crate) fn begin(folder: &'a Folder, options: &'a Options) -> Result<Self> {
        let files = folder.files()?;
        let grid = folder.grid(&files, options.file_records)?;
        let old = files.into_iter().map(|name| ((name.partition, name.first), name)).collect();
        Ok(Self { folder, options, grid, old, done: Done::default() })
    }

    /// Brings the files of a partition up to date.
    ///
    /// # Errors
    /// `E-EXPORT-TOPIC` where the files are of another topic, `E-EXPORT-FILE`, `E-FILE`, and what
    /// the source says. All that was written before is whole, and a repeat goes on from there.
    pub(crate) fn partition(&mut self, source: &mut dyn Source, held: &Held) -> Result<()> {
        let wanted = self.wanted(source, held)?;
        self.note_gone(source, held, &wanted)?;
        let mut reader = Reader::new(source, held.partition, held.end);
        let mut at = wanted.start.max(held.start);
        while at < wanted.end {
            let cell = self.grid.cell(at);
            self.cell(&mut reader, held, &cell, at.max(cell.start)..wanted.end.min(cell.end))?;
            // Cells without records are passed over, those with a file looked at.
            at = match self.old.contains_key(&(held.partition, cell.end)) {
                true => cell.end,
                false => {
                    reader.skip_to(cell.end);
                    let next_file = self.next_file(held.partition, cell.end);
                    let next = reader.peek()?.unwrap_or(wanted.end);
                    next.min(next_file.unwrap_or(wanted.end))
                }
            };
        }
        // Retention goes on while records are exported.
        for skipped in std::mem::take(&mut reader.skipped) {
            let (from, to) = (skipped.start.max(held.start), skipped.end.min(wanted.end));
            if from < to {
                self.done.gone.push(Gone { partition: held.partition, from, to });
            }
        }
        Ok(())
    }

    fn next_file(&self, partition: u32, from: u64) -> Option<u64> {
        let mut behind = self.old.range((partition, from)..=(partition, u64::MAX));
        behind.next().map(|((_, first), _)| *first)
    }

    /// The offsets that are asked for.
    fn wanted(&self, source: &mut dyn Source, held: &Held) -> Result<Range<u64>> {
        let from = match &self.options.from {
            // What was there before retention took it counts as asked for.
            From::Earliest => 0,
            place => source.offset(held, place)?,
        };
        let until = match &self.options.until {
            Some(place) => source.offset(held, place)?.min(held.end),
            None => held.end,
        };
        Ok(from.min(until)..until)
    }

    /// Notes what retention has taken out of the reach of this export, and of all before.
    fn note_gone(
        &mut self,
        source: &mut dyn Source,
        held: &Held,
        wanted: &Range<u64>,
    ) -> Result<()> {
        let files = self.old.range((held.partition, 0)..=(held.partition, u64::MAX));
        let mut from = wanted.start;
        if let Some(name) = files.map(|(_, name)| *name).next_back() {
            let span = self.options.layout.span(&self.folder.path(name))?;
            self.check_topic(source, held, name, span)?;
            from = from.max(span.last + 1);
        }
        self.push_gone(held, from, wanted);
        Ok(())
    }

    /// Refuses a folder whose newest record is another one in the topic, which was made anew then.
    fn check_topic(
        &self,
        source: &mut dyn Source,
        held: &Held,
        name: FileName,
        Span { last, fingerprint, .. }: Span,
    ) -> Result<()> {
        let Options { topic, .. } = self.options;
        let is_same = last < held.end && {
            let mut reader = Reader::new(source, held.partition, held.end);
            reader.skip_to(last);
            // Where retention or compaction has taken it there is nothing to compare.
            reader.next_below(last + 1)?.is_none_or(|record| {
                let mut line = Vec::new();
                write_exported(topic, held.partition, &record, &mut line);
                format::fingerprint(&line) == fingerprint
            })
        };
        if is_same {
            return Ok(());
        }
        let text = format!(
            "{} ends with a record at offset {last} that {topic} does not have there: it is of another \
             topic of that name",
            self.folder.text(name)
        );
        Err(CliError::bad_input("E-EXPORT-TOPIC", text)
            .next("give --to a folder of its own for each topic, also where one was made anew"))
    }

    fn push_gone(&mut self, held: &Held, from: u64, wanted: &Range<u64>) {
        let to = held.start.min(wanted.end);
        if from < to {
            self.done.gone.push(Gone { partition: held.partition, from, to });
        }
    }

    /// Brings the file of a cell up to date with what is `wanted` of it.
    fn cell(
        &mut self,
        reader: &mut Reader<'_>,
        held: &Held,
        cell: &Range<u64>,
        wanted: Range<u64>,
    ) -> Result<()> {
        let name = FileName::of(held.partition, cell);
        let old = self.old.get(&(held.partition, cell.start)).map(|name| self.folder.path(*name));
        let span = old.as_deref().map(|path| self.options.layout.span(path)).transpose()?;
        // What is between the file's records and those that are wanted goes along: a file has no hole.
        let (front, back) = match span {
            None => (wanted.start..wanted.start, wanted),
            Some(span) => (wanted.start..span.first, span.last + 1..wanted.end),
        };
        let mut file = CellFile::new(self.folder, self.options, name);
        let mut records = 0;
        if !front.is_empty() {
            reader.skip_to(front.start);
            while let Some(record) = reader.next_below(front.end)? {
                file.push(record)?;
                records += 1;
            }
        }
        // A file that has all of its cell costs no look at the topic.
        let mut has_more = !back.is_empty();
        if has_more {
            reader.skip_to(back.start);
            has_more = reader.peek()?.is_some_and(|offset| offset < back.end);
        }
        if let Some(old) = old.as_deref().filter(|_| has_more || records > 0) {
            file.copy(old)?;
        }
        while has_more && let Some(record) = reader.next_below(back.end)? {
            file.push(record)?;
            records += 1;
        }
        match file.finish()? {
            true => {
                let file = self.folder.text(name);
                self.done.files.push(Written { file, records, replaced: span.is_some() });
                self.done.records += records;
            }
            false => self.done.unchanged += u64::from(span.is_some()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! `pelton export`.

use std::path::PathBuf;

use clap::Args;
use pelton_core::TopicName;
use pelton_server::data::From;
use serde_json::json;

use crate::client::ServerArgs;
use crate::data_dir;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::export::{
    Done, Export as Exporting, FileFormat, Folder, Layout, NodeTopic, Options, ServerTopic, Source,
};
use crate::session::Session;
use crate::sink::refuse_within;
use crate::text;
use crate::ui::Ui;

/// Export the records of a topic to files in a folder, for archives and reports
///
/// Files are named by partition and offsets, and hold the same records whenever they are written: a
/// repeat adds what is new and changes nothing else. A file is there whole or not at all. What was
/// exported stays, also when the topic has forgotten it. `run` and `produce` read the files.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton export flights --to archive
  pelton export flights --to january --from 2013-01-01T00:00:00Z --until 2013-02-01T00:00:00Z
  pelton export hello.out --to lines --format jsonl --data-dir data    # no server runs on it")]
pub(crate) struct Export {
    /// The topic
    topic: String,
    /// The folder; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// What the files are made of
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "parquet")]
    format: FileFormat,
    /// Parquet: keys and values are text, not bytes; each has to be UTF-8
    #[arg(long)]
    text: bool,
    /// Where to begin: earliest, an offset of each partition, or a time such as 2013-01-01T05:00:00Z
    #[arg(long, value_name = "PLACE", default_value = "earliest", value_parser = place)]
    from: From,
    /// Where to end, this place left out; else at what is there now
    #[arg(long, value_name = "PLACE", value_parser = place)]
    until: Option<From>,
    /// Offsets of a file [default: as the files in the folder, else 1000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=FILE_RECORDS_MAX))]
    file_records: Option<u64>,
    /// Read the topic in this data directory, not of a server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// More offsets of a file than anybody wants.
const FILE_RECORDS_MAX: u64 = 1_000_000_000;

/// A place in a partition.
fn place(text: &str) -> std::result::Result<From, String> {
    let wrong = "use earliest, an offset, or a time such as 2013-01-01T05:00:00Z";
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(From::Time(time.as_millisecond()));
    }
    match text.parse::<From>() {
        Ok(place @ (From::Earliest | From::Offset(_) | From::Time(_))) => Ok(place),
        _ => Err(wrong.to_owned()),
    }
}

impl Export {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match &self.data_dir {
            Some(data_dir) => {
                data_dir::check_there(data_dir)?;
                refuse_within(&[("--to", &self.to.join("file"))], data_dir)?;
                let name = TopicName::parse(&self.topic)
                    .map_err(|error| CliError::bad_input("E-NAME", error.to_string()))?;
                let session = Session::open(Some(data_dir))?;
                if session.ends(&name).is_empty() {
                    return Err(super::read::no_topic(&self.topic, &session));
                }
                self.export(&mut NodeTopic::open(&session, &name)?, name.name(), ui)?;
            }
            None => {
                let client = self.server.client()?;
                let local = self.topic.rsplit('/').next().unwrap_or_default().to_owned();
                self.export(&mut ServerTopic::open(&client, &self.topic)?, &local, ui)?;
            }
        }
        Ok(Exit::Ok)
    }

    fn export(&self, source: &mut dyn Source, topic: &str, ui: &mut Ui) -> Result<()> {
        if self.text && self.format != FileFormat::Parquet {
            let text = "--text is for Parquet only: JSON lines have text as text anyway";
            return Err(CliError::new("E-USAGE", Exit::Usage, text).next("leave --text out"));
        }
        let options = Options {
            topic: topic.to_owned(),
            layout: Layout { format: self.format, is_text: self.text },
            file_records: self.file_records,
            from: self.from.clone(),
            until: self.until.clone(),
        };
        let folder = Folder::open(&self.to, topic, self.format.extension())?;
        let mut export = Exporting::begin(&folder, &options)?;
        let bar = ui.progress(None, "exporting");
        let partitions = source.held();
        let done = partitions.iter().try_for_each(|held| export.partition(source, held));
        bar.finish_and_clear();
        if let Err(error) = done {
            if export.done.records > 0 {
                let so_far = text::count(export.done.records, "record");
                ui.note(format!(
                    "{so_far} had been exported to {} before this:",
                    self.to.display()
                ));
            }
            return Err(error);
        }
        self.report(&export.done, ui)
    }

    fn report(&self, done: &Done, ui: &mut Ui) -> Result<()> {
        if ui.is_json() {
            let mut report = serde_json::to_value(done).unwrap_or_default();
            report["topic"] = json!(self.topic);
            return ui.json(&report);
        }
        for gone in &done.gone {
            let (records, partition) = (text::count(gone.to - gone.from, "offset"), gone.partition);
            ui.warn(format!(
                "{records} of partition {partition}, from {} on, were gone before they were exported",
                gone.from
            ));
        }
        let (topic, folder) = (&self.topic, self.to.display());
        let unchanged = text::count(done.unchanged, "file");
        if done.files.is_empty() {
            ui.note(format!("nothing new in {topic}: {unchanged} in {folder} untouched"));
            return Ok(());
        }
        for file in &done.files {
            let what = if file.replaced { "more in" } else { "in" };
            ui.note(format!("{} {what} {}", text::count(file.records, "record"), file.file));
        }
        let records = text::count(done.records, "record");
        ui.note(format!("exported {records} of {topic} to {folder}; {unchanged} untouched"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_offset_or_a_time() {
        assert_eq!(place("earliest"), Ok(From::Earliest));
        assert_eq!(place("12"), Ok(From::Offset(12)));
        assert_eq!(place("1970-01-01T00:00:05Z"), Ok(From::Time(5_000)));
        for text in ["", "soon", "latest", "0:12", "-1"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}

//! `pelton read`.

use std::path::PathBuf;

use clap::Args;
use pelton_core::TopicName;
use pelton_journal::Visibility;
use serde_json::json;

use crate::data_dir;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::output::write_record;
use crate::session::Session;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Lines are handed on in pieces of about this size.
const PIECE_BYTES: usize = 1 << 18;

/// Print the records of a topic in a data directory
///
/// Records are JSON lines, as `pelton run` reads and writes them, by partition and offset. Without a
/// topic: which topics there are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton read --data-dir data
  pelton read --data-dir data hello.out --from 1000 | head")]
pub(crate) struct Read {
    /// The topic; else all topics are listed
    topic: Option<String>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The first offset that is read of each partition, or earliest
    #[arg(long, value_name = "OFFSET", default_value = "earliest", value_parser = from)]
    from: u64,
}

fn from(text: &str) -> Result<u64, String> {
    match text {
        "earliest" => Ok(0),
        number => number.parse().map_err(|_| "use earliest or an offset, such as 1000".to_owned()),
    }
}

impl Read {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        data_dir::check_there(&self.data_dir)?;
        let session = Session::open(Some(&self.data_dir))?;
        match &self.topic {
            None => list(&session, ui)?,
            Some(name) => {
                let topic = TopicName::parse(name)
                    .map_err(|error| CliError::bad_input("E-NAME", error.to_string()))?;
                if session.ends(&topic).is_empty() {
                    return Err(no_topic(name, &session));
                }
                print(&session, &topic, name, self.from, ui)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn print(session: &Session, topic: &TopicName, name: &str, from: u64, ui: &mut Ui) -> Result<()> {
    let mut lines = Vec::new();
    let mut offsets = vec![from; session.ends(topic).len()];
    session.read(topic, &mut offsets, |record| {
        if ui.reader_gone() {
            return Ok(());
        }
        write_record(name, record, &mut lines);
        if lines.len() >= PIECE_BYTES {
            ui.data(&lines)?;
            lines.clear();
        }
        Ok(())
    })?;
    ui.data(&lines)
}

/// Name, partitions and records of each topic.
fn topics(session: &Session) -> Vec<(String, usize, u64)> {
    let topics = session.node.journal().topics().into_iter().map(|topic| {
        let partitions = topic.partitions();
        let records = partitions.iter().map(|partition| {
            partition.end(Visibility::Appended).saturating_sub(partition.offsets().start)
        });
        let name = topic.name().strip_prefix("default/").unwrap_or(topic.name()).to_owned();
        (name, partitions.len(), records.sum())
    });
    let mut topics: Vec<_> = topics.collect();
    topics.sort();
    topics
}

fn list(session: &Session, ui: &mut Ui) -> Result<()> {
    let topics = topics(session);
    if ui.is_json() {
        let list = topics.iter().map(|(name, partitions, records)| {
            json!({ "topic": name, "partitions": partitions, "records": records })
        });
        return ui.json(&list.collect::<Vec<_>>());
    }
    let mut table = Columns::new(&["topic", ">partitions", ">records"]);
    for (name, partitions, records) in topics {
        table.row(&[name, partitions.to_string(), text::thousands(records)]);
    }
    ui.line(table.to_string())
}

/// What to say of a topic that is not in the session's data directory.
pub(super) fn no_topic(name: &str, session: &Session) -> CliError {
    let known: Vec<_> = topics(session).into_iter().map(|(name, ..)| name).collect();
    let text = format!("there is no topic {name:?}; there are: {}", known.join(", "));
    CliError::new("E-TOPIC-NOT-FOUND", Exit::NotFound, text).next("name one of these")
}

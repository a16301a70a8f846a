//! `pelton dlq`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use pelton_server::functions::FunctionStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{Client, Consumed, From, ServerArgs, TopicReader};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::{Ui, printable};

/// Dead letters: what a function of a server could not get past, and why
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton dlq ls hello
  pelton dlq show hello
  pelton dlq redrive hello 0:12
  pelton dlq redrive hello --all")]
pub(crate) struct Dlq {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List dead letters, newest first
    Ls(List),
    /// Show one dead letter whole, with the record and the backtrace
    Show(Show),
    /// Put dead letters back into the function's input, each once
    Redrive(Redrive),
}

#[derive(Debug, Args)]
struct List {
    /// The function
    name: String,
    /// Dead letters at most
    #[arg(short, long, visible_alias = "max", value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Show {
    /// The function
    name: String,
    /// Which one: PARTITION:OFFSET, as `dlq ls` shows it; else the newest
    #[arg(value_name = "ID", value_parser = id)]
    id: Option<(u32, u64)>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Redrive {
    /// The function
    name: String,
    /// Which ones: PARTITION:OFFSET, as `dlq ls` shows it; all of them go back, or none
    #[arg(value_name = "ID", value_parser = id)]
    ids: Vec<(u32, u64)>,
    /// All that have not been put back yet
    #[arg(long, conflicts_with_all = ["ids", "partition", "offset"])]
    all: bool,
    /// The partition of --offset
    #[arg(short, long, value_name = "N", default_value_t = 0, requires = "offset")]
    partition: u32,
    /// As ID, of the partition that --partition names; may be given several times
    #[arg(long, value_name = "N")]
    offset: Vec<u64>,
    /// Put back those too that have been before
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// How long very many dead letters may take.
const REDRIVE_TIME: Duration = Duration::from_secs(300);

/// A dead letter, as it is listed; also with its topic, as capsules name it.
fn id(text: &str) -> std::result::Result<(u32, u64), String> {
    let place = match text.rsplitn(3, ':').collect::<Vec<_>>()[..] {
        [_, _, topic] => &text[topic.len() + 1..],
        _ => text,
    };
    let parts =
        place.split_once(':').map(|(partition, offset)| (partition.parse(), offset.parse()));
    match parts {
        Some((Ok(partition), Ok(offset))) => Ok((partition, offset)),
        _ => Err("write PARTITION:OFFSET, such as 0:12".into()),
    }
}

/// A dead letter: the record that it was, and the reason.
pub(crate) struct Letter {
    record: Consumed,
    headers: Vec<(String, Value)>,
}

impl Letter {
    pub(crate) fn new(record: Consumed) -> Self {
        let headers = record.headers.as_ref().map(|json| serde_json::from_str(json.get()));
        let headers = headers.and_then(Result::ok).unwrap_or_default();
        Self { record, headers }
    }

    fn id(&self) -> String {
        format!("{}:{}", self.record.partition, self.record.offset)
    }

    /// What a header of Pelton's own says: the last of its name, since a record may bring its own.
    pub(crate) fn reason(&self, name: &str) -> Option<String> {
        let name = format!("pelton-{name}");
        let value = self.headers.iter().rev().find(|(found, _)| *found == name);
        value.map(|(_, value)| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// Where what it was stood.
    fn place(&self) -> String {
        match (self.reason("topic"), self.reason("partition"), self.reason("offset")) {
            (Some(topic), Some(partition), Some(offset)) => {
                format!("{}:{partition}:{offset}", text::short(&topic))
            }
            _ => self.reason("kind").unwrap_or_default(),
        }
    }

    fn json(&self) -> Value {
        let part = |json: &str| serde_json::from_str::<Value>(json).unwrap_or_default();
        json!({
            "id": self.id(),
            "code": self.reason("code"),
            "message": self.reason("message"),
            "version": self.reason("deployment"),
            "kind": self.reason("kind"),
            "place": self.place(),
            "backtrace": self.reason("backtrace"),
            "timestamp": self.record.timestamp,
            "key": part(self.record.key.get()),
            "value": part(self.record.value.get()),
            "headers": self.headers,
        })
    }
}

impl Dlq {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Ls(list) => list.run(ui)?,
            What::Show(show) => show.run(ui)?,
            What::Redrive(redrive) => redrive.run(ui)?,
        }
        Ok(Exit::Ok)
    }
}

/// The topic of a function's dead letters, in the client's tenant.
fn topic(client: &Client, name: &str) -> Result<String> {
    let status: FunctionStatus = client.get(&["functions", name])?;
    let topic = status.dead_letters.ok_or_else(|| {
        let text = format!("{name} has no topic for dead letters");
        CliError::new("E-DEAD-LETTERS-NOT-FOUND", Exit::NotFound, text)
            .next("see [delivery] in its pelton.toml")
    })?;
    let own = topic.strip_prefix(&format!("{}/", client.tenant()));
    Ok(own.unwrap_or(&topic).to_owned())
}

impl List {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let letters = read(&client, &topic(&client, &self.name)?, self.limit)?;
        if ui.is_json() {
            return ui.json(&letters.iter().map(Letter::json).collect::<Vec<_>>());
        }
        let mut table = Columns::new(&["id", "code", "record", "message"]);
        for letter in &letters {
            let message = letter.reason("message").unwrap_or_default();
            table.row(&[
                letter.id(),
                letter.reason("code").unwrap_or_default(),
                letter.place(),
                printable(message.lines().next().unwrap_or_default()),
            ]);
        }
        ui.line(table.to_string())?;
        if let Some(first) = letters.first() {
            ui.next(format!("pelton dlq show {} {}", self.name, first.id()));
        }
        Ok(())
    }
}

/// Reads the newest dead letters, the newest first. Where the topic is not there yet, there are none.
fn read(client: &Client, topic: &str, limit: u64) -> Result<Vec<Letter>> {
    let mut reader = match TopicReader::open(client, topic, From::default()) {
        Err(failed) if failed.error.code == "E-TOPIC-UNKNOWN" => return Ok(Vec::new()),
        opened => opened?,
    };
    reader.begin_at_newest(limit);
    let mut partitions: BTreeMap<u32, Vec<Letter>> = BTreeMap::new();
    loop {
        let records = reader.next(u64::MAX, false)?;
        let is_end = records.is_empty() || reader.is_at_end();
        for record in records {
            partitions.entry(record.partition).or_default().push(Letter::new(record));
        }
        if is_end {
            break;
        }
    }
    Ok(newest_first(partitions, limit as usize))
}

/// From the ends of the partitions the letter with the highest timestamp, again and again.
fn newest_first(mut partitions: BTreeMap<u32, Vec<Letter>>, limit: usize) -> Vec<Letter> {
    let mut newest = Vec::new();
    while newest.len() < limit {
        let time = |letters: &Vec<Letter>| letters.last().map(|letter| letter.record.timestamp);
        let next = partitions.values_mut().max_by_key(|letters| time(letters));
        let Some(letter) = next.and_then(Vec::pop) else { break };
        newest.push(letter);
    }
    newest
}

impl Show {
    /// The one that was named, or the newest.
    fn find(&self, client: &Client) -> Result<Letter> {
        let topic = topic(client, &self.name)?;
        let Some((partition, offset)) = self.id else {
            return read(client, &topic, 1)?.pop().ok_or_else(|| {
                let text = format!("{} has no dead letter", self.name);
                CliError::new("E-DEAD-LETTER-NOT-FOUND", Exit::NotFound, text)
                    .next(format!("pelton status {} shows how it does", self.name))
            });
        };
        let begin =
            From { from: Some(offset.to_string()), partition: Some(partition), ..From::default() };
        let found = match TopicReader::open(client, &topic, begin)?.next(1, false) {
            Err(failed) if failed.error.code == "E-OFFSET-RANGE" => Vec::new(),
            read => read?,
        };
        let letter = found.into_iter().map(Letter::new).find(|l| l.record.offset == offset);
        letter.ok_or_else(|| {
            let text = format!("{} has no dead letter {partition}:{offset}", self.name);
            CliError::new("E-DEAD-LETTER-NOT-FOUND", Exit::NotFound, text)
                .next(format!("pelton dlq ls {} shows all", self.name))
        })
    }

    fn run(self, ui: &mut Ui) -> Result<()> {
        let letter = self.find(&self.server.client()?)?;
        if ui.is_json() {
            return ui.json(&letter.json());
        }
        for (title, text) in [
            ("id", Some(letter.id())),
            ("code", letter.reason("code")),
            ("message", letter.reason("message")),
            ("record", Some(letter.place())),
            ("version", letter.reason("deployment")),
            ("time", Some(text::time(letter.record.timestamp))),
            ("key", Some(letter.record.key.get().to_owned())),
            ("value", Some(letter.record.value.get().to_owned())),
            ("backtrace", letter.reason("backtrace")),
        ] {
            if let Some(text) = text {
                ui.line(format!("{title:10} {}", printable(&text)))?;
            }
        }
        Ok(())
    }
}

/// What a server answers that has put dead letters back.
#[derive(Debug, Serialize, Deserialize)]
struct Redriven {
    redriven: u64,
    already: u64,
    skipped: u64,
}

impl Redrive {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let by_offset = self.offset.iter().map(|offset| (self.partition, *offset));
        let ids: Vec<_> = self.ids.iter().copied().chain(by_offset).collect();
        if !self.all && ids.is_empty() {
            let text = format!("which dead letters of {} are to go back?", self.name);
            return Err(CliError::new("E-USAGE", Exit::Usage, text).next(format!(
                "name them, as in `pelton dlq redrive {0} 0:12` (`pelton dlq ls {0}` shows them), \
                 or give --all",
                self.name
            )));
        }
        let body = match self.all {
            true => json!({ "all": true, "again": self.again }),
            false => {
                let letter = |(partition, offset): &(u32, u64)| json!({ "partition": partition, "offset": offset });
                let records: Vec<_> = ids.iter().map(letter).collect();
                json!({ "records": records, "again": self.again })
            }
        };
        let parts = ["functions", self.name.as_str(), "dead-letters", "redrive"];
        let done: Redriven = client.post(&parts, &body, REDRIVE_TIME)?;
        if ui.is_json() {
            return ui.json(&done);
        }
        let put_back = text::count(done.redriven, "dead letter");
        ui.line(format!("put {put_back} back into the input of {}", self.name))?;
        if done.already > 0 {
            let already = text::count(done.already, "dead letter");
            ui.note(format!("{already} had been put back before; --again does it once more"));
        }
        if done.skipped > 0 {
            let skipped = text::count(done.skipped, "dead letter");
            ui.note(format!("{skipped} of a window, a timer or another input cannot be put back"));
        }
        if done.redriven > 0 {
            ui.next(format!("pelton status {}", self.name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_pelton_s_own_even_where_the_record_brings_a_header_of_its_name() {
        let json = r#"{"partition":0,"offset":3,"timestamp":5,"key":"k","value":{"a":1},"headers":
            [["pelton-code","mine"],["pelton-code","E-REJECT"],["pelton-topic","default/t"],
            ["pelton-partition",1],["pelton-offset","9"]]}"#;
        let letter = Letter::new(serde_json::from_str(json).unwrap());
        assert_eq!(letter.id(), "0:3");
        assert_eq!(letter.reason("code").as_deref(), Some("E-REJECT"));
        assert_eq!(letter.place(), "t:1:9");
        assert_eq!((id("0:12"), id("hello.dead:0:12")), (Ok((0, 12)), Ok((0, 12))));
        for text in ["12", ":", "a:b:c", "hello.dead:12"] {
            assert!(id(text).is_err(), "{text}");
        }
    }
}

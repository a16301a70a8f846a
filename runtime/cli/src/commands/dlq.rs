//! `pelton dlq`.

use clap::{Args, Subcommand};
use pelton_server::functions::FunctionStatus;
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
  pelton dlq show hello 0:12")]
pub(crate) struct Dlq {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List dead letters, oldest first
    Ls(List),
    /// Show one dead letter whole, with the record and the backtrace
    Show(Show),
}

#[derive(Debug, Args)]
struct List {
    /// The function
    name: String,
    /// Dead letters at most
    #[arg(short, long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..))]
    max: u64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Show {
    /// The function
    name: String,
    /// Which one: PARTITION:OFFSET, as `dlq ls` shows it
    #[arg(value_name = "ID", value_parser = id)]
    id: (u32, u64),
    #[command(flatten)]
    server: ServerArgs,
}

fn id(text: &str) -> std::result::Result<(u32, u64), String> {
    let parts = text.split_once(':').map(|(partition, offset)| (partition.parse(), offset.parse()));
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
                format!("{} {partition}:{offset}", text::short(&topic))
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
        let letters = read(&client, &topic(&client, &self.name)?, self.max)?;
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

/// Reads the oldest dead letters. Where the topic is not there yet, there are none.
fn read(client: &Client, topic: &str, max: u64) -> Result<Vec<Letter>> {
    let mut reader = match TopicReader::open(client, topic, From::default()) {
        Err(failed) if failed.error.code == "E-TOPIC-UNKNOWN" => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut letters: Vec<Letter> = Vec::new();
    while (letters.len() as u64) < max {
        let records = reader.next(max - letters.len() as u64, false)?;
        let is_end = records.is_empty() || reader.is_at_end();
        letters.extend(records.into_iter().map(Letter::new));
        if is_end {
            break;
        }
    }
    Ok(letters)
}

impl Show {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let (partition, offset) = self.id;
        let begin =
            From { from: Some(offset.to_string()), partition: Some(partition), ..From::default() };
        let topic = topic(&client, &self.name)?;
        let found = match TopicReader::open(&client, &topic, begin)?.next(1, false) {
            Err(failed) if failed.error.code == "E-OFFSET-RANGE" => Vec::new(),
            read => read?,
        };
        let letter = found.into_iter().map(Letter::new).find(|l| l.record.offset == offset);
        let Some(letter) = letter else {
            let text = format!("{} has no dead letter {partition}:{offset}", self.name);
            return Err(CliError::new("E-DEAD-LETTER-NOT-FOUND", Exit::NotFound, text)
                .next(format!("pelton dlq ls {} shows all", self.name)));
        };
        if ui.is_json() {
            return ui.json(&letter.json());
        }
        for (title, text) in [
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
        assert_eq!(letter.place(), "t 1:9");
        assert_eq!(id("0:12"), Ok((0, 12)));
        assert!(id("12").is_err());
    }
}

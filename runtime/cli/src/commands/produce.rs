//! `pelton produce`.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use clap::Args;
use pelton_batch::RecordsBuilder;
use pelton_core::manifest::parse_duration_ms;
use serde_json::json;

use crate::client::{Producer, Range, ServerArgs};
use crate::clock;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::input::{BadLine, InputArgs, Row};
use crate::text;
use crate::ui::Ui;

/// Records of a request, and about its bytes.
const REQUEST_RECORDS: usize = 1_000;
const REQUEST_BYTES: usize = 1 << 20;
/// Records that are read ahead while a request is on its way.
const READ_AHEAD: usize = 4 * REQUEST_RECORDS;

/// Append records to a topic of a server
///
/// Records are JSON lines: {"key","value","timestamp","headers"}, or plain lines, CSV or Parquet; what
/// `consume`, `export` and `run` write is read too, whatever topic it names. They are sent as they come, in as few requests
/// as keep up. Each request counts once, however often it has to be sent, and is durable when the next
/// one goes out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton produce hello.in --input sample.jsonl
  pelton produce flights --input flights.csv --key-column carrier
  pelton produce flights --marker day-is-complete --at 2026-11-23T00:00:00Z
  echo '{\"key\":\"kitchen\",\"value\":{\"celsius\":21}}' | pelton produce hello.in")]
pub(crate) struct Produce {
    /// The topic
    topic: String,
    #[command(flatten)]
    input: InputArgs,
    /// All records go to this partition; else each to that of its key
    #[arg(short, long, value_name = "N")]
    partition: Option<u32>,
    /// Send no records of a file, but to each partition one with this header: the `marker` of windows
    #[arg(long, value_name = "HEADER", conflicts_with_all = ["input", "partition"])]
    marker: Option<String>,
    /// With --marker: everything before this time has come; else before now (ms since 1970, or RFC 3339)
    #[arg(long, value_name = "TIME", requires = "marker")]
    at: Option<String>,
    /// How long a request is sent again while the server is away or busy
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration_ms)]
    retry_for: i64,
    #[command(flatten)]
    server: ServerArgs,
}

/// What a line was.
pub(crate) type Line = std::result::Result<Row, BadLine>;

/// What has been sent.
#[derive(Default)]
struct Sent {
    records: u64,
    requests: u64,
    retries: u64,
    bad_lines: u64,
    /// First offset, number of records, by partition.
    partitions: BTreeMap<u32, (u64, u64)>,
}

impl Produce {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        if let Some(header) = &self.marker {
            let patience = Duration::from_millis(self.retry_for.unsigned_abs());
            let (marker, at) = ((&*self.topic, &**header), self.at.as_deref());
            super::marker::send(&client, marker, at, patience, ui)?;
            return Ok(Exit::Ok);
        }
        let (sender, lines) = sync_channel(READ_AHEAD);
        // The reader is not of this thread: a request may be on its way while lines come in. It is
        // not waited for, since it may hang at a terminal.
        let input = self.input.clone();
        let (opened, is_open) = sync_channel(1);
        std::thread::spawn(move || read(&input, &opened, &sender));
        is_open.recv().unwrap_or(Ok(()))?;
        let patience = Duration::from_millis(self.retry_for.unsigned_abs());
        let mut producer = Producer::new(&client, &self.topic, self.partition, patience);
        let mut sent = Sent::default();
        let done = self.send(&lines, &mut producer, &mut sent, ui);
        sent.retries = producer.retries;
        if let Err(error) = done {
            if sent.records > 0 {
                let so_far = text::count(sent.records, "record");
                ui.note(format!("{so_far} had been appended to {} before this:", self.topic));
            }
            return Err(error);
        }
        self.report(&sent, ui)?;
        Ok(Exit::Ok)
    }

    fn send(
        &self,
        lines: &Receiver<Line>,
        producer: &mut Producer<'_>,
        sent: &mut Sent,
        ui: &mut Ui,
    ) -> Result<()> {
        let mut request = Request::default();
        // One line is waited for, then all that are there go along.
        while let Ok(line) = lines.recv() {
            let mut next = Some(line);
            while let Some(line) = next {
                match line {
                    Ok(row) => request.push(&row),
                    Err(bad) if bad.fatal || !self.input.skip_bad_lines => {
                        request.send(self.input.name(), producer, sent)?;
                        return Err(bad.into_error(self.input.name()));
                    }
                    Err(bad) => {
                        sent.bad_lines += 1;
                        ui.warn(format!("left out {}", bad.into_error(self.input.name()).text));
                    }
                }
                next = if request.is_full() { None } else { lines.try_recv().ok() };
            }
            request.send(self.input.name(), producer, sent)?;
        }
        Ok(())
    }

    fn report(&self, sent: &Sent, ui: &mut Ui) -> Result<()> {
        if ui.is_json() {
            let ranges = sent.partitions.iter().map(|(partition, (offset, records))| {
                json!({ "partition": partition, "offset": offset, "records": records })
            });
            return ui.json(&json!({
                "topic": self.topic,
                "records": sent.records,
                "requests": sent.requests,
                "retries": sent.retries,
                "bad_lines": sent.bad_lines,
                "partitions": ranges.collect::<Vec<_>>(),
            }));
        }
        let records = text::count(sent.records, "record");
        ui.note(format!("appended {records} to {}", self.topic));
        Ok(())
    }
}

/// Reads to the end of the input, or until nobody takes what it reads.
pub(crate) fn read(
    input: &InputArgs,
    opened: &SyncSender<Result<(), CliError>>,
    lines: &SyncSender<Line>,
) {
    let mut reader = match input.open() {
        Ok(reader) => reader,
        Err(error) => return drop(opened.send(Err(error))),
    };
    let _ = opened.send(Ok(()));
    loop {
        let mut row = Row::default();
        let line = match reader.read(&mut row) {
            Ok(false) => return,
            Ok(true) => Ok(row),
            Err(bad) => Err(bad),
        };
        let is_last = matches!(&line, Err(bad) if bad.fatal);
        if lines.send(line).is_err() || is_last {
            return;
        }
    }
}

/// Appends a row; one without a time has the time of now.
pub(crate) fn push(row: &Row, records: &mut RecordsBuilder) {
    records.push(row.key(), row.value(), row.timestamp.unwrap_or_else(clock::now_ms));
    for (name, value) in &row.headers {
        records.header(name, value.as_deref());
    }
}

/// Records that go out together.
#[derive(Default)]
struct Request {
    records: RecordsBuilder,
    /// The line of each in the input.
    lines: Vec<u64>,
}

impl Request {
    fn push(&mut self, row: &Row) {
        push(row, &mut self.records);
        self.lines.push(row.line);
    }

    fn is_full(&self) -> bool {
        self.records.len() >= REQUEST_RECORDS || self.records.bytes_len() >= REQUEST_BYTES
    }

    /// Sends what there is of `file`.
    fn send(&mut self, file: &str, producer: &mut Producer<'_>, sent: &mut Sent) -> Result<()> {
        let count = self.records.len() as u64;
        let lines = std::mem::take(&mut self.lines);
        if count == 0 {
            return Ok(());
        }
        let answer = producer.send(&mut self.records);
        let ranges = answer.map_err(|failed| at_line(failed.error, file, &lines))?;
        for Range { partition, offset, records } in ranges {
            let (_, total) = sent.partitions.entry(partition).or_insert((offset, 0));
            *total += u64::from(records);
        }
        sent.records += count;
        sent.requests += 1;
        Ok(())
    }
}

/// A server names a record by its place in the request, from 0; a person looks for its line.
fn at_line(error: CliError, file: &str, lines: &[u64]) -> CliError {
    let named = error.text.strip_prefix("record ").and_then(|rest| rest.split_once(": "));
    let line = named.and_then(|(number, _)| lines.get(number.parse::<usize>().ok()?));
    match (named, line) {
        (Some((_, why)), Some(line)) => {
            let text = format!("{file}:{line}: {why}");
            let next = error
                .next
                .or_else(|| Some("mend the line; none of its request was appended".into()));
            CliError { text, next, ..error }
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_a_server_refuses_is_named_by_its_line() {
        let named =
            |text: &str| at_line(CliError::bad_input("E-LIMIT", text), "a.jsonl", &[3, 5, 9]).text;
        assert_eq!(named("record 1: 9 bytes, too many"), "a.jsonl:5: 9 bytes, too many");
        for text in ["record 3: beyond", "record x: y", "topic t is full"] {
            assert_eq!(named(text), text);
        }
    }
}

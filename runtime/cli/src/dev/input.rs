//! Records that the person gives: from a file, and from stdin as they are typed.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use pelton_batch::RecordsBuilder;

use super::Event;
use crate::client::{Client, Producer};
use crate::commands::produce::{Line, push, read};
use crate::error::{CliError, Result};
use crate::input::InputArgs;

/// Records of a request, and how many are read ahead of it.
const REQUEST_RECORDS: usize = 1_000;
const READ_AHEAD: usize = 2 * REQUEST_RECORDS;
/// How long a request is sent again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Produces what stands in `file`, then what comes on stdin, to `topics`: to the first where a record
/// names none. What cannot be read or sent is told, and the rest goes on.
///
/// # Errors
/// Where the file cannot be opened.
pub(crate) fn produce(
    client: &Client,
    topics: &[String],
    inputs: Vec<InputArgs>,
    events: &SyncSender<Event>,
) -> Result<()> {
    for input in inputs {
        let (sender, lines) = sync_channel(READ_AHEAD);
        let (opened, is_open) = sync_channel(1);
        let name = input.name().to_owned();
        std::thread::spawn(move || read(&input, &opened, &sender));
        is_open.recv().unwrap_or(Ok(()))?;
        let (client, topics, events) = (client.clone(), topics.to_vec(), events.clone());
        std::thread::spawn(move || send_all(&client, &topics, &name, &lines, &events));
    }
    Ok(())
}

fn send_all(
    client: &Client,
    topics: &[String],
    file: &str,
    lines: &Receiver<Line>,
    events: &SyncSender<Event>,
) {
    let mut producers: HashMap<&str, (Producer<'_>, RecordsBuilder)> = HashMap::new();
    let tell = |error: CliError| events.send(Event::BadInput(error)).is_ok();
    while let Ok(line) = lines.recv() {
        let ahead = std::iter::from_fn(|| lines.try_recv().ok()).take(REQUEST_RECORDS - 1);
        for line in std::iter::once(line).chain(ahead) {
            let row = match line {
                Ok(row) => row,
                Err(bad) => {
                    let error = bad.into_error(file);
                    if tell(CliError { next: None, ..error }) {
                        continue;
                    }
                    return;
                }
            };
            match topics.iter().find(|topic| row.topic.as_ref().is_none_or(|to| to == *topic)) {
                Some(topic) => {
                    let fresh =
                        || (Producer::new(client, topic, None, PATIENCE), RecordsBuilder::new());
                    push(&row, &mut producers.entry(topic).or_insert_with(fresh).1);
                }
                None => drop(tell(unknown_topic(file, row.line, row.topic.as_deref(), topics))),
            }
        }
        for (producer, records) in producers.values_mut() {
            if !records.is_empty()
                && let Err(failed) = producer.send(records)
            {
                tell(failed.error);
            }
        }
    }
}

fn unknown_topic(file: &str, line: u64, topic: Option<&str>, topics: &[String]) -> CliError {
    let topic = topic.unwrap_or_default();
    let text = format!("{file}:{line}: the function does not read {topic:?}");
    CliError::bad_input("E-INPUT-TOPIC", text)
        .next(format!("leave \"topic\" out, or use one of: {}", topics.join(", ")))
}

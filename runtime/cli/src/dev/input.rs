//! Records that the person gives: from a file, and from stdin as they are typed.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
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

/// The topics that the function reads now: a version that is deployed may read others.
pub(crate) type Topics = Arc<RwLock<Vec<String>>>;

/// What `topics` are now.
fn read_now(topics: &Topics) -> Vec<String> {
    topics.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Produces what stands in `file`, then what comes on stdin, to `topics`: to the first where a record
/// names none. What cannot be read or sent is told, and the rest goes on.
///
/// # Errors
/// Where the file cannot be opened.
pub(crate) fn produce(
    client: &Client,
    topics: &Topics,
    inputs: Vec<InputArgs>,
    events: &SyncSender<Event>,
) -> Result<()> {
    for input in inputs {
        let (sender, lines) = sync_channel(READ_AHEAD);
        let (opened, is_open) = sync_channel(1);
        let name = input.name().to_owned();
        std::thread::spawn(move || read(&input, &opened, &sender));
        is_open.recv().unwrap_or(Ok(()))?;
        let (client, topics, events) = (client.clone(), Arc::clone(topics), events.clone());
        std::thread::spawn(move || send_all(&client, &topics, &name, &lines, &events));
    }
    Ok(())
}

fn send_all(
    client: &Client,
    topics: &Topics,
    file: &str,
    lines: &Receiver<Line>,
    events: &SyncSender<Event>,
) {
    let mut first = lines.recv().ok();
    while let Some(line) = first {
        let now = read_now(topics);
        let is_same = || read_now(topics) == now;
        first = send_while(client, &now, file, (line, lines), events, is_same);
    }
}

/// Sends lines to `topics` while these are the ones. Answers the line that is to go to others.
fn send_while(
    client: &Client,
    topics: &[String],
    file: &str,
    (first, lines): (Line, &Receiver<Line>),
    events: &SyncSender<Event>,
    is_same: impl Fn() -> bool,
) -> Option<Line> {
    let mut next = Some(first);
    let mut producers: HashMap<&str, (Producer<'_>, RecordsBuilder)> = HashMap::new();
    let tell = |error: CliError| events.send(Event::BadInput(error)).is_ok();
    while let Some(line) = next {
        let ahead = std::iter::from_fn(|| lines.try_recv().ok()).take(REQUEST_RECORDS - 1);
        for line in std::iter::once(line).chain(ahead) {
            let row = match line {
                Ok(row) => row,
                Err(bad) => {
                    let error = bad.into_error(file);
                    if tell(CliError { next: None, ..error }) {
                        continue;
                    }
                    return None;
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
        next = lines.recv().ok();
        if next.is_some() && !is_same() {
            return next;
        }
    }
    None
}

fn unknown_topic(file: &str, line: u64, topic: Option<&str>, topics: &[String]) -> CliError {
    let topic = topic.unwrap_or_default();
    let text = format!("{file}:{line}: the function does not read {topic:?}");
    CliError::bad_input("E-INPUT-TOPIC", text)
        .next(format!("leave \"topic\" out, or use one of: {}", topics.join(", ")))
}

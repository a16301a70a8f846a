//! Following topics and logs, each on a thread of its own.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use ureq::http::Method;

use super::Event;
use crate::client::{Client, From, Outcome, TopicReader};
use crate::clock;
use crate::commands::logs::Line;

/// Records that are taken at a time.
const RECORDS: u64 = 256;
/// Pause before a stream of log lines that has ended is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// What the records of a topic are to the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Input,
    Output,
    DeadLetter,
}

impl Role {
    /// As events name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// Follows a topic from this place on, until nobody takes the events.
pub(crate) fn topic(
    client: Client,
    topic: String,
    role: Role,
    from: String,
    events: SyncSender<Event>,
) {
    let follow = move || -> Outcome<()> {
        let begin = From { from: Some(from), ..From::default() };
        let mut reader = TopicReader::open(&client, &topic, begin)?;
        loop {
            let records = reader.next_patiently(RECORDS, |loss| {
                let _ = events.send(Event::Trouble(format!("{loss}; waiting")));
            })?;
            let skipped = reader.skipped.drain(..).map(Event::Trouble);
            let news = skipped.chain([Event::Records { role, topic: topic.clone(), records }]);
            for event in news {
                if events.send(event).is_err() {
                    return Ok(());
                }
            }
        }
    };
    std::thread::spawn(move || {
        if let Err(failed) = follow() {
            tracing::warn!("{}", failed.error);
        }
    });
}

/// Follows what a function logs from now on, until nobody takes the events.
pub(crate) fn logs(client: Client, function: String, events: SyncSender<Event>) {
    let mut from_ms = clock::now_ms();
    let mut follow = move || -> Outcome<bool> {
        let call = client.call(Method::GET, &["functions", &function, "logs"]);
        let mut stream = client.events(call)?;
        while let Some(event) = stream.next()? {
            let Ok(line) = serde_json::from_str::<Line>(&event.data) else { continue };
            if line.time_ms < from_ms {
                continue;
            }
            from_ms = line.time_ms;
            if events.send(Event::Log(function.clone(), line)).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    };
    std::thread::spawn(move || {
        while follow().unwrap_or(true) {
            clock::pause(PAUSE);
        }
    });
}

//! Server-Sent Events, one by one.

use std::io::{BufRead, BufReader, Read};

use super::error::{Failed, Outcome};

/// Bytes of an event at most.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Event {
    /// What it is; empty for an ordinary one.
    pub kind: String,
    /// What it says.
    pub data: String,
}

/// A stream of events.
pub(crate) struct Events {
    lines: Box<dyn BufRead>,
    base: String,
}

impl Events {
    pub(super) fn new(body: impl Read + 'static, base: String) -> Self {
        Self { lines: Box::new(BufReader::new(body)), base }
    }

    /// The next event; none at the end of the stream.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub(crate) fn next(&mut self) -> Outcome<Option<Event>> {
        let mut event = Event::default();
        let mut line = String::new();
        loop {
            line.clear();
            let mut limited = (&mut self.lines).take(EVENT_BYTES_MAX as u64);
            let read = limited.read_line(&mut line);
            let read = read.map_err(|error| Failed::transport(&self.base, &error.into()))?;
            if read == 0 {
                return Ok(None);
            }
            match line.trim_end_matches(['\r', '\n']).split_once(':') {
                // A blank line ends an event, of which there may be nothing but comments.
                None if event == Event::default() => {}
                None => return Ok(Some(event)),
                Some(("event", kind)) => kind.trim_start().clone_into(&mut event.kind),
                Some(("data", data)) => {
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(data.strip_prefix(' ').unwrap_or(data));
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_left_out_and_the_lines_of_data_joined() {
        let text = ": hello\n\nid: 1\ndata: {\"a\":1}\n\nevent: end\r\ndata: x\r\ndata: y\r\n\r\n";
        let mut events = Events::new(text.as_bytes(), String::new());
        let event = |kind: &str, data: &str| Event { kind: kind.into(), data: data.into() };
        assert_eq!(events.next().unwrap(), Some(event("", "{\"a\":1}")));
        assert_eq!(events.next().unwrap(), Some(event("end", "x\ny")));
        assert_eq!(events.next().unwrap(), None);
    }
}

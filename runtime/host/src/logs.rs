//! Log lines of a guest: made safe to print, cut and counted.

use std::fmt::Write;

use pelton_core::Limits;

/// What a call may still log, and what it could not.
#[derive(Debug, Clone)]
pub(crate) struct LogBudget {
    line_max: usize,
    call_max: usize,
    left: usize,
    dropped: u64,
}

impl LogBudget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let call_max = limits.log_call_bytes.value as usize;
        Self {
            line_max: limits.log_line_bytes.value as usize,
            call_max,
            left: call_max,
            dropped: 0,
        }
    }

    /// The line to log, or nothing where the call has used up its share.
    pub(crate) fn admit(&mut self, message: &str) -> Option<String> {
        if self.left == 0 {
            self.dropped += 1;
            return None;
        }
        let line = clean(message, self.line_max.min(self.left));
        self.left -= line.len().clamp(1, self.left);
        Some(line)
    }

    /// Starts the next call; the line that says how much of the last one is missing, if any is.
    pub(crate) fn finish_call(&mut self) -> Option<String> {
        self.left = self.call_max;
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then(|| {
            format!("{dropped} more log lines of this call left out (limit `log_call_bytes`)")
        })
    }
}

/// The message with control characters escaped, at most about `most` bytes long: a line is cut
/// with a note of how much is missing, within `most` where that is at least 40.
fn clean(message: &str, most: usize) -> String {
    let plain = message.len() <= most && !message.chars().any(hidden);
    if plain {
        return message.to_owned();
    }
    let mut out = String::with_capacity(message.len().min(most));
    let room = most.saturating_sub(NOTE_BYTES);
    let mut fits = 0;
    for (at, c) in message.char_indices() {
        let before = out.len();
        if hidden(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        if before <= room && out.len() > room {
            fits = at;
        }
        if out.len() > most {
            cut(&mut out, room);
            let _ = write!(out, "… ({} bytes cut)", message.len() - fits);
            break;
        }
    }
    out
}

const NOTE_BYTES: usize = "… (bytes cut)".len() + 21;

fn cut(text: &mut String, mut at: usize) {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.truncate(at);
}

/// Characters that could make a terminal or a reader see another line than was written.
fn hidden(c: char) -> bool {
    let direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}');
    c.is_control() || direction || matches!(c, '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(line: u64, call: u64) -> LogBudget {
        let mut limits = Limits::default();
        limits.set("log_line_bytes", line).unwrap();
        limits.set("log_call_bytes", call).unwrap();
        LogBudget::new(&limits)
    }

    #[test]
    fn h56_control_characters_cannot_forge_lines_or_colours() {
        let line = budget(4096, 4096).admit("a\r\nERROR \u{1b}[31mred\u{202e}txt\0").unwrap();
        assert_eq!(line, r"a\r\nERROR \u{1b}[31mred\u{202e}txt\u{0}");
        assert_eq!(budget(100, 100).admit("plain é").unwrap(), "plain é");
    }

    #[test]
    fn h56_a_line_is_whole_at_its_limit_and_cut_one_byte_past_it() {
        let at = "x".repeat(100);
        assert_eq!(budget(100, 1000).admit(&at).unwrap(), at);
        for text in ["x".repeat(101), "é".repeat(51), "\n".repeat(1_000_000)] {
            let line = budget(100, 1000).admit(&text).unwrap();
            assert!(line.len() <= 100, "{}", line.len());
            assert!(line.ends_with(" bytes cut)"), "{line}");
        }
    }

    #[test]
    fn h56_a_flood_is_counted_and_the_next_call_starts_afresh() {
        let mut budget = budget(10, 25);
        let admitted = (0..1000).filter(|_| budget.admit("0123456789").is_some()).count();
        assert_eq!(admitted, 3);
        assert!(budget.finish_call().unwrap().starts_with("997 more log lines"));
        assert_eq!(budget.finish_call(), None);
        assert!(budget.admit("again").is_some());
    }
}

//! The streams of a command: where data, messages and errors go.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::cli::{Color, Global, OutputFormat};
use crate::error::{CliError, Result};
use crate::exit::Exit;

/// Where a command writes to, and how.
pub struct Ui {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    out_terminal: bool,
    err_terminal: bool,
    format: OutputFormat,
    verbose: u8,
    color: Color,
    reader_gone: bool,
}

impl Ui {
    /// The streams of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            out_terminal: io::stdout().is_terminal(),
            err_terminal: io::stderr().is_terminal(),
            ..Self::new(Box::new(io::stdout()), Box::new(io::stderr()))
        }
    }

    /// Streams of a test or a caller: no terminal.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            out,
            err,
            out_terminal: false,
            err_terminal: false,
            format: OutputFormat::Table,
            verbose: 0,
            color: Color::Auto,
            reader_gone: false,
        }
    }

    pub(crate) fn apply(&mut self, global: &Global) {
        self.format = global.output_format;
        self.verbose = global.verbose;
        self.color = global.color;
        start_log(global.verbose, self.paints_errors());
    }

    /// Whether results are wanted as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Whether stdout is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.out_terminal
    }

    /// Whether `-v` was given.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Whether the reader of stdout has gone away, so that there is no use in going on.
    pub(crate) fn reader_gone(&self) -> bool {
        self.reader_gone
    }

    /// Writes data to stdout. A reader that has gone away (`| head`) is remembered, not an error.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> Result<()> {
        if self.reader_gone {
            return Ok(());
        }
        match self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// Writes a line of data to stdout.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        self.data(format!("{}\n", text.as_ref()).as_bytes())
    }

    /// Writes a value as JSON to stdout.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        self.line(text)
    }

    /// Writes a report as JSON to stderr, where stdout is taken by data.
    pub(crate) fn report_json(&mut self, value: &serde_json::Value) {
        self.complain(&value.to_string());
    }

    /// Writes an entry of a function's log to stderr, from any thread: in one piece, the lines after
    /// the first indented.
    pub(crate) fn log(entry: &str) {
        let _ = writeln!(io::stderr(), "{}", printable(entry));
    }

    /// Tells the person something, on stderr; not where results are wanted as JSON.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.complain(text.as_ref());
        }
    }

    /// Tells the person what to do now, on stderr.
    pub(crate) fn next(&mut self, text: impl AsRef<str>) {
        let lead = self.paint_error("next:", Style::Bold);
        self.note(format!("{lead} {}", text.as_ref()));
    }

    /// Warns, on stderr.
    pub(crate) fn warn(&mut self, text: impl AsRef<str>) {
        let lead = self.paint_error("warning:", Style::Yellow);
        self.complain(&format!("{lead} {}", text.as_ref()));
    }

    /// Writes a line to stderr. That stderr cannot be written is not worth an error.
    fn complain(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Shows an error, and answers its exit code.
    pub(crate) fn show_error(&mut self, error: &CliError) -> Exit {
        if self.is_json() {
            let CliError { code, text, next, exit } = error;
            let value = json!({ "error": {
                "code": code, "text": text, "next": next, "exit": *exit as u8,
            }});
            self.complain(&value.to_string());
        } else {
            let lead = self.paint_error(&format!("error[{}]:", error.code), Style::Red);
            let text = error.text.replace('\n', "\n  ");
            self.complain(&format!("{lead} {text}"));
            if let Some(next) = &error.next {
                let lead = self.paint_error("next:", Style::Bold);
                self.complain(&format!("{lead} {next}"));
            }
        }
        error.exit
    }

    /// Shows help, or what is wrong with the command line, as the parser has set it.
    pub(crate) fn show_usage(&mut self, text: &clap::builder::StyledStr, is_help: bool) -> Exit {
        let paints = if is_help { self.out_terminal } else { self.err_terminal };
        let paints = paints && std::env::var_os("NO_COLOR").is_none();
        let text = if paints { text.ansi().to_string() } else { text.to_string() };
        let text = text.trim_end().to_owned() + "\n";
        if is_help {
            let _ = self.data(text.as_bytes());
            return Exit::Ok;
        }
        let _ = self.err.write_all(text.as_bytes());
        Exit::Usage
    }

    /// Errors are JSON from here on.
    pub(crate) fn use_json(&mut self) {
        self.format = OutputFormat::Json;
    }

    /// A progress bar on stderr, hidden where that is no terminal.
    pub(crate) fn progress(&self, length: Option<u64>, what: &str) -> ProgressBar {
        let hidden = !self.err_terminal || self.is_json();
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(length, target);
        let template = match length {
            Some(_) => "{msg} [{bar:30}] {human_pos}/{human_len} ({per_sec})",
            None => "{spinner} {msg} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        if length.is_none() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        bar
    }

    /// Text for stdout in a style, where colour is wanted.
    pub(crate) fn paint(&self, text: &str, style: Style) -> String {
        style.paint(text, paints(self.color, self.out_terminal))
    }

    fn paint_error(&self, text: &str, style: Style) -> String {
        style.paint(text, self.paints_errors())
    }

    /// Whether stderr is painted.
    pub(crate) fn paints_errors(&self) -> bool {
        paints(self.color, self.err_terminal)
    }
}

/// An entry of a log as it is shown. Control characters become escapes: what a function logs cannot
/// move the cursor, nor look like an entry of its own. The host has escaped line ends already, so
/// that an entry is one line wherever it is kept: here they are line ends again.
pub(crate) fn printable(entry: &str) -> String {
    let entry = entry.replace(r"\r\n", "\n").replace(r"\n", "\n");
    let mut out = String::with_capacity(entry.len());
    for (index, line) in entry.trim_end_matches(['\r', '\n']).split('\n').enumerate() {
        if index > 0 {
            out.push_str("\n    ");
        }
        for c in line.strip_suffix('\r').unwrap_or(line).chars() {
            match c {
                c if c.is_control() && c != '\t' => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
    }
    out
}

fn paints(color: Color, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
    }
}

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Style {
    fn paint(self, text: &str, on: bool) -> String {
        let code = match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Green => "32",
            Self::Yellow => "1;33",
        };
        if on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// Sends the log to stderr. A second start in the same process (tests) changes nothing.
fn start_log(verbose: u8, ansi: bool) {
    let level = ["warn", "info", "debug", "trace"][usize::from(verbose).min(3)];
    let filter = tracing_subscriber::EnvFilter::try_from_env("PELTON_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(ansi)
        .without_time()
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_log_entry_are_indented_and_control_characters_escaped() {
        let cases = [
            ("info: one", "info: one"),
            ("info: one\ntwo\r\nthree\n", "info: one\n    two\n    three"),
            ("warn: \x1b[2Jgone\rover\ttab", "warn: \\u{1b}[2Jgone\\rover\ttab"),
            (r"error: panicked:\nwhy\r\nwhere", "error: panicked:\n    why\n    where"),
            ("info: a\n\nb", "info: a\n    \n    b"),
        ];
        for (entry, expected) in cases {
            assert_eq!(printable(entry), expected);
        }
    }
}

//! A command line that cannot be understood, or that asks for help.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};

use crate::error::CliError;
use crate::exit::Exit;
use crate::ui::Ui;

/// What `-o` is taken for, now and then.
const NO_FILE: &str =
    "-o is the format of results, table or json; a file for them is --output FILE";

/// Shows what the parser of the command line has to say: as one line of JSON where that is asked for
/// and something is wrong.
pub(crate) fn show(error: &clap::Error, args: &[OsString], ui: &mut Ui) -> Exit {
    let text = error.render();
    if !error.use_stderr() {
        return ui.show_usage(&text, true);
    }
    if wants_json(args) {
        ui.use_json();
        return ui.show_error(&plain(&text.to_string(), takes_format_for_file(error)));
    }
    let exit = ui.show_usage(&text, false);
    if takes_format_for_file(error) {
        ui.next(NO_FILE);
    }
    exit
}

/// Whether the arguments, which could not be parsed, name JSON as their format.
fn wants_json(args: &[OsString]) -> bool {
    let args: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let one = |arg: &String| matches!(arg.as_str(), "-ojson" | "-o=json" | "--format=json");
    let two = |pair: &[String]| matches!(pair[0].as_str(), "-o" | "--format") && pair[1] == "json";
    args.iter().any(one) || args.windows(2).any(two)
}

fn takes_format_for_file(error: &clap::Error) -> bool {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return false };
    arg.starts_with("--format")
}

/// The error in the form of all others: its first line, and as the next step the parser's tip or how
/// the command is used.
fn plain(text: &str, takes_format_for_file: bool) -> CliError {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let rest: Vec<&str> = lines.collect();
    let with = |start: &str| rest.iter().find_map(|line| line.strip_prefix(start));
    let next = match takes_format_for_file {
        true => NO_FILE.to_owned(),
        false => with("tip: ").or_else(|| with("Usage: ")).unwrap_or("try --help").to_owned(),
    };
    CliError::new("E-USAGE", Exit::Usage, first).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn json_is_asked_for_in_each_way_that_the_parser_knows() {
        for line in ["p run -o json --nope", "p --format json x", "p -ojson", "p --format=json"] {
            assert!(wants_json(&args(line)), "{line}");
        }
        for line in ["p run --nope", "p -o table json", "p --output json"] {
            assert!(!wants_json(&args(line)), "{line}");
        }
    }

    #[test]
    fn the_first_line_is_the_error_and_the_tip_the_next_step() {
        let text = "error: unexpected argument '--nope' found\n\n  tip: leave it\n\nUsage: p run\n";
        let error = plain(text, false);
        assert_eq!((error.code.as_str(), error.exit), ("E-USAGE", Exit::Usage));
        assert_eq!(error.text, "unexpected argument '--nope' found");
        assert_eq!(error.next.as_deref(), Some("leave it"));
    }
}

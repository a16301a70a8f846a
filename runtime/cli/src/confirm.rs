//! Asking before what cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _};

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::ui::Ui;

/// Tells what would happen, and asks whether to go on. Without a terminal there is nobody to ask.
///
/// # Errors
/// `E-CONFIRM` unless the answer is yes.
pub(crate) fn confirm(what: &str, ui: &mut Ui) -> Result<()> {
    let refused = |text: String| {
        Err(CliError::new("E-CONFIRM", Exit::Unconfirmed, text)
            .next("the same with --yes does it without asking"))
    };
    if !io::stdin().is_terminal() || ui.is_json() {
        return refused(format!("{what}: not done, since there is nobody to ask"));
    }
    ui.note(format!("{what}. Go on? [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" if read.is_ok() => Ok(()),
        // What it would be was told with the question.
        _ => refused("not done".to_owned()),
    }
}

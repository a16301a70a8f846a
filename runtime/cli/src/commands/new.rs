//! `pelton new`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::project::{schema, sdk, show, template};
use crate::ui::Ui;

/// Make a new project in a new folder
///
/// The project is ready to build and run: a small stateful function with a test, a manifest and
/// sample records. The SDK comes with it, so that nothing has to be downloaded but its
/// dependencies.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Name of the function: a-z, 0-9 and -, starting with a letter
    name: String,
    /// The folder to make; else NAME
    #[arg(short, long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Use the SDK in this folder (a checkout of Pelton, or its sdk/rust) instead of a copy
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        check_name(&self.name)?;
        let folder = self.path.unwrap_or_else(|| PathBuf::from(&self.name));
        check_free(&folder)?;
        let crate_path = match &self.sdk {
            Some(path) => sdk::find(path)?.display().to_string(),
            None => sdk::CRATE.to_owned(),
        };
        for (name, text) in template::files(&self.name, &crate_path) {
            let path = folder.join(name);
            let parent = path.parent().unwrap_or(&folder);
            fs::create_dir_all(parent).map_err(|error| CliError::file("make", parent, &error))?;
            fs::write(&path, text).map_err(|error| CliError::file("write", &path, &error))?;
        }
        let lock = folder.join("Cargo.lock");
        fs::write(&lock, sdk::lock()).map_err(|error| CliError::file("write", &lock, &error))?;
        let schema = folder.join(schema::FILE);
        let parent = schema.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(|error| CliError::file("make", parent, &error))?;
        fs::write(&schema, format!("{:#}\n", schema::schema()))
            .map_err(|error| CliError::file("write", &schema, &error))?;
        if self.sdk.is_none() {
            sdk::write(&folder)?;
        }
        if ui.is_json() {
            ui.json(&json!({ "folder": folder, "function": self.name }))?;
            return Ok(Exit::Ok);
        }
        ui.note(format!("Made the function {} in {}.", self.name, show(&folder)));
        ui.next(format!(
            "cd {} && pelton build && pelton run {}.wasm --input sample.jsonl",
            show(&folder),
            self.name
        ));
        Ok(Exit::Ok)
    }
}

/// Longest name: it is a crate's, a folder's and a topic's too.
const NAME_MAX: usize = 64;
/// Words that Cargo, Rust or the template need for themselves.
const TAKEN: [&str; 14] = [
    "test",
    "core",
    "std",
    "alloc",
    "proc-macro",
    "build",
    "deps",
    "examples",
    "incremental",
    "pelton-sdk",
    "pelton-batch",
    "pelton-core",
    "serde",
    "serde-json",
];

fn check_name(name: &str) -> Result<()> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let text = if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(letters) {
        format!("{name:?} is no name for a function: use 1 to {NAME_MAX} of a-z, 0-9 and -")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        format!("{name:?} is no name for a function: start with a letter, end with no -")
    } else if TAKEN.contains(&name) || is_keyword(name) {
        format!("{name:?} is taken: Rust or Cargo need that name")
    } else {
        return Ok(());
    };
    let mut error = CliError::bad_input("E-NAME", text);
    let mended = mend(name);
    if mended != name && check_name(&mended).is_ok() {
        error = error.next(format!("pelton new {mended}"));
    }
    Err(error)
}

/// The name that was probably meant.
fn mend(name: &str) -> String {
    let lower = name.to_ascii_lowercase().replace(['_', ' ', '.', '/'], "-");
    lower.trim_matches('-').to_owned()
}

fn is_keyword(name: &str) -> bool {
    const KEYWORDS: &str = " abstract as async await become box break const continue crate do dyn \
        else enum extern false final fn for gen if impl in let loop macro match mod move mut \
        override priv pub ref return self static struct super trait true try type typeof unsafe \
        unsized use virtual where while yield ";
    KEYWORDS.split_whitespace().any(|keyword| keyword == name)
}

fn check_free(folder: &Path) -> Result<()> {
    let taken = |what: &str| {
        let text = format!("{} {what}", show(folder));
        let error = CliError::bad_input("E-FOLDER-NOT-EMPTY", text);
        Err(error.next("choose another name, or another folder with --path"))
    };
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => taken("is there already and is not empty"),
        Err(_) if folder.exists() => taken("is there already and is no folder"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_or_a_topic_cannot_take_are_refused() {
        for name in ["hello", "a", "flight-stats-2"] {
            check_name(name).unwrap();
        }
        for name in ["", "Hello", "a_b", "../x", "2fast", "-a", "a-", "a b", "é", "match", "test"]
        {
            assert_eq!(check_name(name).unwrap_err().code, "E-NAME", "{name}");
        }
        assert!(check_name(&"a".repeat(65)).is_err());
    }

    #[test]
    fn a_bad_name_comes_with_the_good_one_that_was_meant() {
        let next = check_name("Flight_Stats").unwrap_err().next;
        assert_eq!(next.as_deref(), Some("pelton new flight-stats"));
    }
}

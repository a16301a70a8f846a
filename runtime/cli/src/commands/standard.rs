//! `pelton std`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::error::Result;
use crate::exit::Exit;
use crate::standard::spec::{self, Default, Spec};
use crate::standard::{command_of, find};
use crate::table::Columns;
use crate::ui::Ui;

/// List and describe the ready-made functions
///
/// std:NAME stands wherever the path of a .wasm can: as the argument of run, invoke, check and
/// deploy, and as `file` in [build] of pelton.toml. Nothing is built; [config] and [window] say the
/// rest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton std ls
  pelton std show quantiles
  pelton run std:count --window 1h --input flights.csv --key-column carrier")]
pub(crate) struct Std {
    #[command(subcommand)]
    command: Option<StdCommand>,
}

#[derive(Debug, Subcommand)]
enum StdCommand {
    /// List them
    Ls,
    /// Show one: what it does, its configuration, and an example
    Show {
        /// The name, such as count or std:count
        name: String,
    },
}

impl Std {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.command {
            None | Some(StdCommand::Ls) => list(ui)?,
            Some(StdCommand::Show { name }) => {
                show(find(name.strip_prefix("std:").unwrap_or(&name))?, ui)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn list(ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(&spec::all().map(described).collect::<Vec<_>>());
    }
    let mut table = Columns::new(&["name", "what it does"]);
    for spec in spec::all() {
        table.row(&[format!("std:{}", spec.name), spec.about.to_owned()]);
    }
    ui.line(table.to_string())?;
    ui.next("pelton std show NAME");
    Ok(())
}

fn show(spec: &'static Spec, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(&described(spec));
    }
    ui.line(format!("std:{}\n{}\n", spec.name, spec.about))?;
    if let Some(window) = spec.window {
        ui.line(format!("window, unless [window] or a flag says so: {window}"))?;
    }
    ui.line(format!("sends: {}\n", spec.sends))?;
    for key in spec.keys {
        let default = match key.default {
            Default::Required => ", required".to_owned(),
            Default::None => String::new(),
            Default::Is(default) => format!(", default \"{default}\""),
        };
        ui.line(format!("{} ({}{default})\n  {}", key.name, key.takes, key.about))?;
    }
    ui.line(String::new())?;
    let example = &spec.example;
    let command = command_of(spec);
    ui.line(format!("in.jsonl:\n{}\n{command}\n\n{}", example.input, example.output.trim_end()))?;
    Ok(())
}

fn described(spec: &'static Spec) -> Value {
    let key = |key: &spec::Key| {
        let default = match key.default {
            Default::Is(default) => Some(default),
            Default::Required | Default::None => None,
        };
        json!({
            "name": key.name,
            "takes": key.takes,
            "required": key.default == Default::Required,
            "default": default,
            "about": key.about,
        })
    };
    json!({
        "name": format!("std:{}", spec.name),
        "about": spec.about,
        "window": spec.window,
        "config": spec.keys.iter().map(key).collect::<Vec<_>>(),
        "sends": spec.sends,
        "example": {
            "command": command_of(spec),
            "input": spec.example.input,
            "output": spec.example.output,
        },
    })
}

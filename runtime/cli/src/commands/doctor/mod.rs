//! `pelton doctor`.

mod check;
mod folder;
mod functions;
mod machine;
mod metrics;
mod server;
mod tools;

use std::path::PathBuf;

use clap::Args;

use self::check::{Check, Verdict};
use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::ui::{Style, Ui};

/// Say what is wrong, and what to do
///
/// Looks at the machine, the data directory, the tools and the manifest here, and at the server where one
/// answers. Nothing is changed. The exit code is 1 where a check fails; warnings are 0.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton doctor
  pelton doctor --data-dir /var/lib/pelton
  pelton doctor --server http://10.0.0.1:7070 -o json")]
pub(crate) struct Doctor {
    /// The data directory; else ./pelton-data
    #[arg(
        short,
        long,
        alias = "data",
        value_name = "DIR",
        env = "PELTON_DATA_DIR",
        hide_env_values = true
    )]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

impl Doctor {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let given = self.data_dir.filter(|folder| !folder.as_os_str().is_empty());
        let is_given = given.is_some();
        let data = given.unwrap_or_else(|| "pelton-data".into());
        let mut checks = vec![version()];
        checks.extend(machine::Machine::here().checks());
        checks.extend(folder::checks(&data, is_given));
        checks.extend(tools::checks());
        checks.extend(server::checks(&self.server)?);
        show(&checks, ui)?;
        let worst = checks.iter().map(|check| check.status).max();
        Ok(if worst == Some(Verdict::Fail) { Exit::Failure } else { Exit::Ok })
    }
}

fn version() -> Check {
    let (version, layout) = (env!("CARGO_PKG_VERSION"), pelton_batch::layout::VERSION);
    Check::ok("pelton", format!("{version}, batch layout {layout}"))
}

fn show(checks: &[Check], ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(&checks);
    }
    let width = checks.iter().map(|check| check.check.chars().count()).max().unwrap_or_default();
    for check in checks {
        let style = match check.status {
            Verdict::Ok => Style::Green,
            Verdict::Warn => Style::Yellow,
            Verdict::Fail => Style::Red,
        };
        let word = ui.paint(&format!("{:4}", check.status.word()), style);
        let indent = format!("\n{:1$}", "", width + 8);
        let detail = check.detail.trim_end().replace('\n', &indent);
        ui.line(format!("{word}  {:width$}  {detail}", check.check))?;
        if let Some(next) = &check.next {
            ui.line(format!("      → {next}"))?;
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.status == verdict).count() as u64;
    let (warnings, failures) = (count(Verdict::Warn), count(Verdict::Fail));
    let plural = |number, what| crate::text::count(number, what);
    ui.note(format!("{}, {}", plural(failures, "failure"), plural(warnings, "warning")));
    Ok(())
}

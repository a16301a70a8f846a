//! `pelton check`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use pelton_core::Limits;
use pelton_host::{Form, Report, WasiStanding, World, scan};
use pelton_server::DeploymentSpec;
use serde_json::json;

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::project::{read_manifest, show};
use crate::session::Session;
use crate::settings::function_of;
use crate::standard;
use crate::table::Columns;
use crate::text;
use crate::ui::{Style, Ui};

/// Report what a .wasm file is, wants and can do
///
/// It is compiled and linked, and none of its exports is called. A file that Pelton would refuse is
/// an error that names the reason.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The .wasm file: a component, or a core module with embedded WIT
    file: PathBuf,
    /// The manifest whose limits count; else the pelton.toml beside FILE, else the defaults
    #[arg(short, long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let limits = limits(&self.file, self.manifest.as_deref())?;
        let bytes = read_module(&self.file, &limits)?;
        let report = scan(&bytes, &limits).map_err(|error| {
            let mut coded = CliError::coded(&error);
            coded.text = format!("{}: {}", show(&self.file), coded.text);
            // The error says what is wrong with it: `check` cannot say more.
            coded.next = None;
            coded
        })?;
        self.load(&bytes, limits)?;
        if ui.is_json() {
            ui.json(&json!({ "file": self.file, "report": report }))?;
            return Ok(Exit::Ok);
        }
        show_report(&self.file, &report, ui)?;
        Ok(Exit::Ok)
    }
}

impl Check {
    /// Does what `run` does to load it, all but to call it.
    fn load(&self, wasm: &[u8], limits: Limits) -> Result<()> {
        let session = Session::open(None)?;
        let mut spec = DeploymentSpec::new(function_of(&self.file)?, Vec::new());
        spec.limits = limits;
        session.node.check(wasm, &spec).map_err(|error| {
            let mut error = CliError::from(error);
            error.next = error.next.filter(|_| !error.code.starts_with("E-MODULE"));
            error.text = format!("{}: {}", show(&self.file), error.text);
            error
        })
    }
}

/// Reads a module that is no larger than its limit, or makes the ready-made one of this name.
pub(crate) fn read_module(file: &Path, limits: &Limits) -> Result<Vec<u8>> {
    if let Some(name) = standard::name_of(file) {
        return standard::module(name);
    }
    let about = fs::metadata(file).map_err(|error| {
        CliError::file("read", file, &error)
            .next("check the path; in a project's folder, `pelton build` makes the .wasm")
    })?;
    if about.is_dir() {
        let text = format!("{} is a folder, not a .wasm file", show(file));
        return Err(CliError::bad_input("E-MODULE-FORMAT", text)
            .next("in a project's folder, `pelton build` makes the .wasm"));
    }
    limits.component_bytes.check(about.len(), &show(file))?;
    fs::read(file).map_err(|error| CliError::file("read", file, &error))
}

fn limits(file: &Path, manifest: Option<&Path>) -> Result<Limits> {
    let beside = file.with_file_name(pelton_core::manifest::FILE_NAME);
    match manifest {
        Some(path) => Ok(read_manifest(path)?.limits),
        None if beside.is_file() => Ok(read_manifest(&beside)?.limits),
        None => Ok(Limits::default()),
    }
}

fn show_report(file: &Path, report: &Report, ui: &mut Ui) -> Result<()> {
    let form = match report.form {
        Form::Component => "component",
        Form::CoreModule => "core module with embedded WIT (becomes a component when it is loaded)",
    };
    let world = match report.world {
        World::Function => "function: called with batches",
        World::StatefulFunction => "stateful-function: called with batches, saves its memory",
        World::Simple => "simple: called for each record (about a microsecond each)",
    };
    let is_wasi = |import: &&String| report.wasi.iter().any(|wasi| wasi.import == **import);
    let contract: Vec<_> = report.imports.iter().filter(|import| !is_wasi(import)).collect();
    let abilities: Vec<_> = report.abilities.iter().map(|ability| ability.name()).collect();
    let ok = ui.paint("ok", Style::Green);
    ui.line(format!("{}  {}  {ok}", show(file), text::bytes(report.bytes)))?;
    let facts = [
        ("form", form.to_owned()),
        ("world", world.to_owned()),
        ("imports", or_nothing(&contract)),
        ("exports", or_nothing(&exports(report))),
        ("abilities", or_nothing(&abilities)),
    ];
    for (name, value) in facts {
        ui.line(format!("  {name:<10} {value}"))?;
    }
    for (standing, what) in [
        (WasiStanding::Harmless, "wasi, answered the same on every replay"),
        (WasiStanding::Stubbed, "wasi, linked only: a call is a fault (E-GUEST-FORBIDDEN)"),
    ] {
        let imports = report.wasi.iter().filter(|wasi| wasi.standing == standing);
        let names: Vec<_> = imports.map(|wasi| &wasi.import).collect();
        if !names.is_empty() {
            ui.line(format!("  {what}:"))?;
            names.iter().try_for_each(|name| ui.line(format!("    {name}")))?;
        }
    }
    ui.line("")?;
    let mut table = Columns::new(&["limit", ">used", ">allowed", "unit"]);
    for limit in &report.limits {
        let used = text::thousands(limit.used);
        table.row(&[limit.name.to_owned(), used, text::thousands(limit.limit), limit.unit.into()]);
    }
    ui.line(table.to_string())
}

/// The exports that the contract knows; a core module has those of its canonical ABI beside them.
fn exports(report: &Report) -> Vec<&str> {
    let known = ["open", "process", "save", "restore", "handle"];
    let names = report.exports.iter().map(|name| name.strip_prefix("cm32p2||").unwrap_or(name));
    names.filter(|name| known.contains(name)).collect()
}

fn or_nothing<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "none".into(),
        _ => names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "),
    }
}

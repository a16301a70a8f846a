//! The names that a module imports and exports, and the world that they make.

use serde::{Deserialize, Serialize};
use wasmparser::{ComponentTypeRef, Payload};

use super::{Form, broken};
use crate::error::{ErrorKind, HostError, Result};
use crate::wasi::{self, WasiImport};

const PACKAGE: &str = "pelton:function/";
/// The interface version that the host links; patch versions are compatible.
pub(crate) const VERSION: &str = "0.1.0";
const COMPATIBLE: &str = "0.1.";

/// What a function can be granted: one interface of the contract each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    /// Reading its own keyed state.
    State,
    /// Writing log lines.
    Log,
    /// Reading record time and watermark.
    Clock,
    /// Replayable random numbers.
    Random,
    /// Configuration and secrets.
    Config,
    /// Metrics of its own.
    Metrics,
}

impl Ability {
    /// All abilities.
    pub const ALL: [Self; 6] =
        [Self::State, Self::Log, Self::Clock, Self::Random, Self::Config, Self::Metrics];

    /// The name of its interface, without package and version.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Config => "config",
            Self::Metrics => "metrics",
        }
    }

    /// The full name of its interface.
    #[must_use]
    pub fn interface(self) -> String {
        format!("{PACKAGE}{}@{VERSION}", self.name())
    }

    /// The ability behind an import, if it is one of the contract's.
    #[must_use]
    pub fn of_import(import: &str) -> Option<Self> {
        let name = interface_name(import)?;
        Self::ALL.into_iter().find(|ability| ability.name() == name)
    }
}

/// Which world of the contract a function implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// `open` and `process`.
    Function,
    /// `open`, `process`, `save` and `restore`.
    StatefulFunction,
    /// `handle`, called for each record.
    Simple,
}

impl World {
    /// The world that these exports make.
    ///
    /// # Errors
    /// `E-MODULE-WORLD` that names what is missing.
    pub fn of_exports<'a>(exports: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let exports: Vec<_> = exports.into_iter().collect();
        let has = |name: &str| exports.contains(&name);
        let wrong = |what: String| Err(HostError::new(ErrorKind::World, what));
        match (has("open") && has("process"), has("save"), has("restore")) {
            (true, true, true) => Ok(Self::StatefulFunction),
            (true, false, false) => Ok(Self::Function),
            (true, save, _) => {
                let (there, lacks) = if save { ("save", "restore") } else { ("restore", "save") };
                wrong(format!("it exports `{there}` but not `{lacks}`: export both, or neither"))
            }
            (false, ..) if has("handle") => Ok(Self::Simple),
            (false, ..) => wrong(format!(
                "it exports neither `open` and `process` nor `handle` (it exports: {}): implement \
                 the world `function` or `simple` of pelton:function@{VERSION}",
                list(&exports)
            )),
        }
    }
}

/// The interface `x` of `pelton:function/x@0.1.n`.
fn interface_name(import: &str) -> Option<&str> {
    let (name, version) = import.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with(COMPATIBLE).then_some(name)
}

/// The imports that Pelton offers, as a list to show.
#[must_use]
pub fn describe_imports() -> String {
    list(&Ability::ALL.map(Ability::interface))
}

fn list<S: AsRef<str>>(names: &[S]) -> String {
    if names.is_empty() {
        return "nothing".into();
    }
    let mut out = String::new();
    for name in names.iter().take(20) {
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.extend(name.as_ref().chars().take(100));
    }
    if names.len() > 20 {
        out.push_str(&format!(" and {} more", names.len() - 20));
    }
    out
}

/// Refuses an import that is neither of the contract nor on the list of WASI interfaces.
///
/// # Errors
/// `E-MODULE-IMPORT` that names the import and all that are allowed.
pub(crate) fn check_import(import: &str) -> Result<()> {
    let types = matches!(interface_name(import), Some("types" | "simple-types"));
    if types || Ability::of_import(import).is_some() || wasi::of_import(import).is_some() {
        return Ok(());
    }
    let import: String = import.chars().take(200).collect();
    let text = format!(
        "it imports `{import}`, which Pelton does not offer; a function may import: {}, and the \
         interfaces of WASI 0.2 in {}. Build without it, or stub it",
        describe_imports(),
        wasi::packages()
    );
    Err(HostError::new(ErrorKind::Import, text))
}

/// The outermost names, gathered during a scan.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    embedded_wit: bool,
}

impl Names {
    pub(super) fn take(&mut self, payload: &Payload<'_>, form: Form, depth: u64) -> Result<()> {
        if depth != 1 {
            return Ok(());
        }
        match (payload, form) {
            (Payload::ComponentImportSection(section), Form::Component) => {
                for import in section.clone() {
                    let import = import.map_err(|error| broken(&error))?;
                    // A world that uses types of an interface imports their names: no ability.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        self.import(import.name.name);
                    }
                }
            }
            (Payload::ComponentExportSection(section), Form::Component) => {
                for export in section.clone() {
                    let export = export.map_err(|error| broken(&error))?;
                    self.exports.push(export.name.name.into());
                }
            }
            (Payload::ImportSection(section), Form::CoreModule) => {
                for import in section.clone().into_imports() {
                    let module = import.map_err(|error| broken(&error))?.module;
                    self.import(module.strip_prefix("cm32p2|").unwrap_or(module));
                }
            }
            (Payload::ExportSection(section), Form::CoreModule) => {
                for export in section.clone() {
                    let name = export.map_err(|error| broken(&error))?.name;
                    self.exports.push(name.into());
                }
            }
            (Payload::CustomSection(section), Form::CoreModule) => {
                self.embedded_wit |= section.name().starts_with("component-type");
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, name: &str) {
        if !self.imports.iter().any(|known| known == name) {
            self.imports.push(name.into());
        }
    }

    pub(super) fn abilities(&self) -> Vec<Ability> {
        let mut out: Vec<_> =
            self.imports.iter().filter_map(|name| Ability::of_import(name)).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    pub(super) fn wasi(&self) -> Vec<WasiImport> {
        let on_list = |import: &String| {
            let (_, standing) = wasi::of_import(import)?;
            Some(WasiImport { import: import.clone(), standing })
        };
        self.imports.iter().filter_map(on_list).collect()
    }

    pub(super) fn component_world(&self) -> Result<World> {
        self.imports.iter().try_for_each(|name| check_import(name))?;
        World::of_exports(self.exports.iter().map(String::as_str))
    }

    /// The world of a core module, by the names that its exports have before it is a component.
    pub(super) fn core_world(&self) -> Result<World> {
        if !self.embedded_wit {
            let text = format!(
                "this is a core module without embedded WIT, so that it has no typed interface; \
                 build it with Pelton's SDK, or with wit-bindgen against \
                 pelton:function@{VERSION}, or make a component of it"
            );
            return Err(HostError::new(ErrorKind::World, text));
        }
        for name in &self.imports {
            let intrinsic =
                name.starts_with("[export]") || matches!(name.as_str(), "$root" | "cm32p2");
            if !intrinsic {
                check_import(name)?;
            }
        }
        let plain = |name: &'_ String| -> String {
            name.strip_prefix("cm32p2||").unwrap_or(name).to_owned()
        };
        let exports: Vec<_> = self.exports.iter().map(plain).collect();
        World::of_exports(exports.iter().map(String::as_str))
    }
}

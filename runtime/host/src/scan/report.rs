//! What a scan found: what `pelton check` shows.

use pelton_core::Limits;
use serde::Serialize;

use super::counts::Counts;
use super::world::{Ability, Names, World};
use crate::wasi::WasiImport;

/// How a function is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A component.
    Component,
    /// A core module; with embedded WIT it becomes a component at load time.
    CoreModule,
}

/// What a scan found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it is packed.
    pub form: Form,
    /// Its size.
    pub bytes: u64,
    /// The world that it implements.
    pub world: World,
    /// What it imports, by full name: its request for abilities.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// The abilities behind the imports.
    pub abilities: Vec<Ability>,
    /// The WASI interfaces among the imports: they need no grant.
    pub wasi: Vec<WasiImport>,
    /// The sizes of its parts.
    pub counts: Counts,
    /// The sizes that have a configurable limit, beside it.
    pub limits: Vec<LimitUse>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitUse {
    /// The name of the limit.
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How much there is.
    pub used: u64,
    /// How much there may be.
    pub limit: u64,
}

impl Report {
    pub(super) fn new(
        form: Form,
        bytes: u64,
        world: World,
        names: Names,
        counts: Counts,
        limits: &Limits,
    ) -> Self {
        let uses = [
            (&limits.component_bytes, bytes),
            (&limits.component_functions, counts.functions),
            (&limits.function_body_bytes, counts.largest_body_bytes),
            (&limits.function_locals, counts.most_locals),
            (&limits.component_imports, counts.imports),
            (&limits.memory_bytes, counts.memory_min_bytes),
            (&limits.table_elements, counts.table_min_elements),
        ];
        let limits = uses
            .map(|(limit, used)| LimitUse {
                name: limit.name,
                unit: limit.unit,
                used,
                limit: limit.value,
            })
            .into();
        let (abilities, wasi) = (names.abilities(), names.wasi());
        let Names { imports, exports, .. } = names;
        Self { form, bytes, world, imports, exports, abilities, wasi, counts, limits }
    }
}

//! What a guest may import, and nothing else.

mod interfaces;

use std::collections::BTreeSet;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::engine::HostEngine;
use crate::error::{ErrorKind, HostError, Result};
use crate::instance::HostState;
use crate::scan::{Ability, World, check_import};
use crate::wasi;

/// The abilities that a deployment's manifest grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants(BTreeSet<Ability>);

impl Default for Grants {
    /// All of them: none reaches beyond the function itself.
    fn default() -> Self {
        Self(Ability::ALL.into())
    }
}

impl Grants {
    /// These and no others.
    pub fn only(abilities: impl IntoIterator<Item = Ability>) -> Self {
        Self(abilities.into_iter().collect())
    }

    /// Whether an ability is granted.
    #[must_use]
    pub fn has(&self, ability: Ability) -> bool {
        self.0.contains(&ability)
    }
}

/// What a compiled component offers and asks for.
pub(crate) fn contract(component: &Component) -> Result<(World, Vec<String>)> {
    let ty = component.component_type();
    let engine = component.engine();
    // A world that uses types of an interface imports their names: no ability.
    let is_type = |item: &ComponentItem| matches!(item, ComponentItem::Type(_));
    let imports: Vec<String> =
        ty.imports(engine).filter(|(_, item)| !is_type(&item.ty)).map(|(n, _)| n.into()).collect();
    imports.iter().try_for_each(|import| check_import(import))?;
    let world = World::of_exports(ty.exports(engine).map(|(name, _)| name))?;
    Ok((world, imports))
}

/// Links a component to the interfaces that are granted, and to what it imports of WASI: that needs
/// no grant, since it gives nothing that is not the function's own.
///
/// # Errors
/// `E-MODULE-GRANT` where it imports one that is not, `E-MODULE-WORLD` where a type differs.
pub(crate) fn link(
    engine: &HostEngine,
    component: &Component,
    imports: &[String],
    grants: &Grants,
) -> Result<InstancePre<HostState>> {
    for import in imports {
        match Ability::of_import(import) {
            Some(ability) if !grants.has(ability) => {
                let name = ability.name();
                let text = format!(
                    "it imports `{import}`, but the manifest does not grant `{name}`: add \
                     \"{name}\" to `grants`, or build the function without it"
                );
                return Err(HostError::new(ErrorKind::Grant, text));
            }
            _ => {}
        }
    }
    let differs = |error: wasmtime::Error| {
        let text = format!(
            "its imports differ from pelton:function@{} and WASI 0.2: {error:#}; rebuild it with the \
             WIT of this version",
            crate::scan::VERSION
        );
        HostError::new(ErrorKind::World, text)
    };
    let mut linker = Linker::new(engine.wasmtime());
    for ability in Ability::ALL.into_iter().filter(|ability| grants.has(*ability)) {
        interfaces::add(&mut linker, ability).map_err(differs)?;
    }
    wasi::add(&mut linker, component).map_err(differs)?;
    linker.instantiate_pre(component).map_err(differs)
}

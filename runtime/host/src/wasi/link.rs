//! Defines what a component imports of WASI.

use pelton_core::{Fault, FaultKind};
use wasmtime::Result;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance};

use super::{cli, clocks, of_import, random, resources, streams};
use crate::instance::HostState;

/// Adds the WASI interfaces that a component imports, and no others: their types are its own, so
/// that every patch version of 0.2 is linked by the same code. A function whose type is not the one
/// that is answered is found when the component is instantiated.
pub(crate) fn add(linker: &mut Linker<HostState>, component: &Component) -> Result<()> {
    let engine = component.engine();
    for (import, item) in component.component_type().imports(engine) {
        let Some((interface, _)) = of_import(import) else { continue };
        let ComponentItem::ComponentInstance(ty) = item.ty else { continue };
        let mut instance = linker.instance(import)?;
        for (name, item) in ty.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => resources::add(&mut instance, name)?,
                ComponentItem::ComponentFunc(_) if answer(&mut instance, interface, name)? => {}
                ComponentItem::ComponentFunc(_) => refuse(&mut instance, import, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Adds a function that is answered; false where it is not.
fn answer(
    instance: &mut LinkerInstance<'_, HostState>,
    interface: &str,
    name: &str,
) -> Result<bool> {
    match interface.split_once('/') {
        Some(("wasi:cli", _)) => cli::add(instance, name),
        Some(("wasi:clocks", clock)) => clocks::add(instance, clock, name),
        Some(("wasi:random", _)) => random::add(instance, name),
        Some(("wasi:io", _)) => streams::add(instance, name),
        Some(("wasi:filesystem", "preopens")) => cli::add_preopens(instance, name),
        _ => Ok(false),
    }
}

/// Adds a function whose call is a fault.
fn refuse(instance: &mut LinkerInstance<'_, HostState>, import: &str, name: &str) -> Result<()> {
    let text = format!(
        "the function called `{import}#{name}`, which reaches beyond the function: Pelton links it \
         so that the function loads, and does not run it; take what is needed from the record, \
         `config` or `state`"
    );
    instance.func_new(name, move |_, _, _, _| {
        Err(wasmtime::Error::new(Fault::new(FaultKind::Forbidden, text.clone())))
    })
}

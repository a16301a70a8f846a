//! The import interfaces, each a thin layer over the call's [`Environment`].
//!
//! [`Environment`]: pelton_core::Environment

use pelton_core::{Environment, Fault, LogLevel};
use wasmtime::component::{Linker, LinkerInstance, WasmList, WasmStr};
use wasmtime::{Error, Result, StoreContextMut};

use crate::contract::WitLevel;
use crate::instance::HostState;
use crate::scan::Ability;

type Caller<'a> = StoreContextMut<'a, HostState>;

/// Adds the interface behind an ability.
pub(super) fn add(linker: &mut Linker<HostState>, ability: Ability) -> Result<()> {
    let mut instance = linker.instance(&ability.interface())?;
    match ability {
        Ability::State => state(&mut instance),
        Ability::Log => log(&mut instance),
        Ability::Clock => clock(&mut instance),
        Ability::Random => random(&mut instance),
        Ability::Config => config(&mut instance),
        Ability::Metrics => metrics(&mut instance),
    }
}

/// A fault of the environment becomes a trap and is found again behind it.
fn trap(fault: Fault) -> Error {
    Error::new(fault)
}

fn state(instance: &mut LinkerInstance<'_, HostState>) -> Result<()> {
    type Scan = (u16, WasmList<u8>, Option<WasmList<u8>>, u32, bool);
    instance.func_wrap("get-many", |caller: Caller<'_>, (store, keys): (u16, WasmList<u8>)| {
        let environment = caller.data().environment()?;
        let keys = keys.as_le_slice(&caller);
        let answer = environment.get_many(store, keys).map_err(trap)?;
        Ok((answer,))
    })?;
    instance.func_wrap("scan", |caller: Caller<'_>, arguments: Scan| {
        let (store, start, end, limit, reverse) = arguments;
        let environment = caller.data().environment()?;
        let start = start.as_le_slice(&caller);
        let end = end.as_ref().map(|end| end.as_le_slice(&caller));
        let answer = environment.scan(store, start, end, limit, reverse).map_err(trap)?;
        Ok((answer,))
    })
}

fn log(instance: &mut LinkerInstance<'_, HostState>) -> Result<()> {
    instance.func_wrap("write", |caller: Caller<'_>, (level, message): (WitLevel, WasmStr)| {
        let text = message.to_str(&caller)?;
        caller.data().log(LogLevel::from(level), &text)
    })
}

fn clock(instance: &mut LinkerInstance<'_, HostState>) -> Result<()> {
    instance.func_wrap("now", |caller: Caller<'_>, (row,): (u32,)| {
        Ok((caller.data().environment()?.now(row),))
    })?;
    instance.func_wrap("watermark", |caller: Caller<'_>, (): ()| {
        Ok((caller.data().environment()?.watermark(),))
    })
}

fn random(instance: &mut LinkerInstance<'_, HostState>) -> Result<()> {
    instance.func_wrap("get", |caller: Caller<'_>, (row, draw): (u32, u32)| {
        Ok((caller.data().environment()?.random(row, draw),))
    })
}

fn config(instance: &mut LinkerInstance<'_, HostState>) -> Result<()> {
    instance.func_wrap("get", |caller: Caller<'_>, (name,): (WasmStr,)| {
        let environment = caller.data().environment()?;
        Ok((environment.config(&name.to_str(&caller)?),))
    })?;
    instance.func_wrap("entries", |caller: Caller<'_>, (): ()| {
        Ok((caller.data().environment()?.config_entries(),))
    })?;
    instance.func_wrap("secret", |caller: Caller<'_>, (name,): (WasmStr,)| {
        let environment = caller.data().environment()?;
        Ok((environment.secret(&name.to_str(&caller)?),))
    })
}

fn metrics(instance: &mut LinkerInstance<'_, HostState>) -> Result<()> {
    type Measure = fn(&dyn Environment, &str, f64);
    let functions: [(&str, Measure); 2] = [
        ("add", |environment, name, amount| environment.counter(name, amount)),
        ("set", |environment, name, value| environment.gauge(name, value)),
    ];
    for (name, measure) in functions {
        instance.func_wrap(name, move |caller: Caller<'_>, call: (WasmStr, f64)| {
            let environment = caller.data().environment()?;
            measure(&**environment, &call.0.to_str(&caller)?, call.1);
            Ok(())
        })?;
    }
    Ok(())
}

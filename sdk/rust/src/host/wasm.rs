//! The host of a component: the imports of the contract, and what `open` takes and answers.

use crate::bindings::pelton::function::{clock, config, log, metrics, random, state, types};
use crate::declaration::{Declaration, StoreKind, TimeDomain};
use crate::log::Level;
use crate::setup::SetupInfo;

pub(crate) fn get_many(store: u16, keys: &[u8]) -> Vec<u8> {
    state::get_many(store, keys)
}

pub(crate) fn scan(
    store: u16,
    start: &[u8],
    end: Option<&[u8]>,
    limit: u32,
    reverse: bool,
) -> Vec<u8> {
    state::scan(store, start, end, limit, reverse)
}

pub(crate) fn now(row: u32) -> i64 {
    clock::now(row)
}

pub(crate) fn watermark() -> i64 {
    clock::watermark()
}

pub(crate) fn random(row: u32, draw: u32) -> u64 {
    random::get(row, draw)
}

pub(crate) fn config(name: &str) -> Option<String> {
    config::get(name)
}

pub(crate) fn config_entries() -> Vec<(String, String)> {
    config::entries()
}

pub(crate) fn secret(name: &str) -> Option<String> {
    config::secret(name)
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message);
}

pub(crate) fn counter(name: &str, amount: f64) {
    metrics::add(name, amount);
}

pub(crate) fn gauge(name: &str, value: f64) {
    metrics::set(name, value);
}

impl From<types::Setup> for SetupInfo {
    fn from(setup: types::Setup) -> Self {
        Self {
            function: setup.function,
            contract_min: setup.contract_min,
            contract_max: setup.contract_max,
            inputs: setup.inputs,
        }
    }
}

impl From<Declaration> for types::Declaration {
    fn from(declared: Declaration) -> Self {
        let mut columns = types::Columns::empty();
        if declared.offsets {
            columns = columns | types::Columns::OFFSETS;
        }
        if declared.inputs {
            columns = columns | types::Columns::INPUTS;
        }
        Self {
            contract: crate::declaration::CONTRACT,
            outputs: declared.outputs,
            stores: declared.stores.into_iter().map(store).collect(),
            timers: declared.timers.into_iter().map(timer).collect(),
            windows: declared.windows.into_iter().map(setting).collect(),
            columns,
        }
    }
}

fn store(store: crate::declaration::StoreDeclaration) -> types::Store {
    let kind = match store.kind {
        StoreKind::Kv => types::StoreKind::Kv,
        StoreKind::Ordered => types::StoreKind::Ordered,
    };
    types::Store { name: store.name, kind, schema: store.schema }
}

fn timer(timer: crate::declaration::TimerDeclaration) -> types::Timer {
    let domain = match timer.domain {
        TimeDomain::Event => types::TimeDomain::Event,
        TimeDomain::Processing => types::TimeDomain::Processing,
    };
    types::Timer { name: timer.name, domain }
}

fn setting((name, value): (&'static str, String)) -> types::Setting {
    types::Setting { name: name.to_owned(), value }
}

//! The host of a native test: the environment of the call that this thread is in.

use std::cell::RefCell;

use pelton_core::{LogLevel, SharedEnvironment};

use crate::log::Level;

thread_local! {
    static CURRENT: RefCell<Option<SharedEnvironment>> = const { RefCell::new(None) };
}

/// Runs `call` with this environment as the host.
pub(crate) fn within<T>(environment: SharedEnvironment, call: impl FnOnce() -> T) -> T {
    struct Restore(Option<SharedEnvironment>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            CURRENT.with(|current| *current.borrow_mut() = before);
        }
    }
    let before = CURRENT.with(|current| current.borrow_mut().replace(environment));
    let _restore = Restore(before);
    call()
}

fn host<T>(ask: impl FnOnce(&SharedEnvironment) -> T) -> T {
    let environment = CURRENT.with(|current| current.borrow().clone());
    ask(&environment.expect("a function asks its host for something only inside a call"))
}

/// A fault of the host traps in wasm; here it panics, and the call ends in the same fault.
fn or_trap<T>(answer: Result<T, pelton_core::Fault>) -> T {
    answer.unwrap_or_else(|fault| std::panic::panic_any(fault))
}

pub(crate) fn get_many(store: u16, keys: &[u8]) -> Vec<u8> {
    or_trap(host(|env| env.get_many(store, keys)))
}

pub(crate) fn scan(
    store: u16,
    start: &[u8],
    end: Option<&[u8]>,
    limit: u32,
    reverse: bool,
) -> Vec<u8> {
    or_trap(host(|env| env.scan(store, start, end, limit, reverse)))
}

pub(crate) fn now(row: u32) -> i64 {
    host(|env| env.now(row))
}

pub(crate) fn watermark() -> i64 {
    host(|env| env.watermark())
}

pub(crate) fn random(row: u32, draw: u32) -> u64 {
    host(|env| env.random(row, draw))
}

pub(crate) fn config(name: &str) -> Option<String> {
    host(|env| env.config(name))
}

pub(crate) fn config_entries() -> Vec<(String, String)> {
    host(|env| env.config_entries())
}

pub(crate) fn secret(name: &str) -> Option<String> {
    host(|env| env.secret(name))
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    host(|env| env.log(level, message));
}

pub(crate) fn counter(name: &str, amount: f64) {
    host(|env| env.counter(name, amount));
}

pub(crate) fn gauge(name: &str, value: f64) {
    host(|env| env.gauge(name, value));
}

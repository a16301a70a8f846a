//! A function whose reads of its configuration are noted, to tell of entries that it never read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use pelton_core::{
    BoxFuture, Declaration, Environment, Fault, Guest, GuestFactory, LogLevel, SharedEnvironment,
};

/// The names of the configuration entries that a function has asked for.
#[derive(Debug, Default)]
pub(crate) struct ConfigReads(Mutex<Reads>);

#[derive(Debug, Default)]
struct Reads {
    names: BTreeSet<String>,
    /// Whether it has asked for all entries at once.
    all: bool,
}

impl ConfigReads {
    fn note(&self, name: &str) {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !reads.names.contains(name) {
            reads.names.insert(name.to_owned());
        }
    }

    fn note_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all = true;
    }

    /// A sentence for each of `entries` that it has not asked for.
    pub(crate) fn warnings<'a>(&self, entries: impl Iterator<Item = &'a String>) -> Vec<String> {
        let reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = entries.filter(|name| !reads.all && !reads.names.contains(*name));
        let asked = match reads.names.iter().map(String::as_str).collect::<Vec<_>>() {
            names if names.is_empty() => "none".to_owned(),
            names => names.join(", "),
        };
        unread
            .map(|name| {
                format!(
                    "the function never read the configuration entry `{name}`; it read: {asked}"
                )
            })
            .collect()
    }
}

/// The same function, watched.
pub(crate) struct Observed {
    factory: Arc<dyn GuestFactory>,
    reads: Arc<ConfigReads>,
}

impl Observed {
    /// Watches the function that `factory` makes.
    pub(crate) fn new(factory: Arc<dyn GuestFactory>) -> (Self, Arc<ConfigReads>) {
        let reads = Arc::new(ConfigReads::default());
        (Self { factory, reads: Arc::clone(&reads) }, reads)
    }
}

impl GuestFactory for Observed {
    fn declaration(&self) -> &Declaration {
        self.factory.declaration()
    }

    fn instantiate(
        &self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'_, Result<Box<dyn Guest>, Fault>> {
        let reads = Arc::clone(&self.reads);
        Box::pin(async move {
            let watched = watch(environment, &reads);
            let guest = self.factory.instantiate(watched).await?;
            Ok(Box::new(ObservedGuest { guest, reads }) as Box<dyn Guest>)
        })
    }
}

struct ObservedGuest {
    guest: Box<dyn Guest>,
    reads: Arc<ConfigReads>,
}

impl Guest for ObservedGuest {
    fn call<'a>(
        &'a mut self,
        input: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Vec<u8>, Fault>> {
        self.guest.call(input, watch(environment, &self.reads))
    }

    fn cpu_ns(&self) -> u64 {
        self.guest.cpu_ns()
    }

    fn save<'a>(
        &'a mut self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        self.guest.save(watch(environment, &self.reads))
    }

    fn restore<'a>(
        &'a mut self,
        saved: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        self.guest.restore(saved, watch(environment, &self.reads))
    }
}

fn watch(environment: SharedEnvironment, reads: &Arc<ConfigReads>) -> SharedEnvironment {
    Arc::new(ObservedEnvironment { environment, reads: Arc::clone(reads) })
}

struct ObservedEnvironment {
    environment: SharedEnvironment,
    reads: Arc<ConfigReads>,
}

impl Environment for ObservedEnvironment {
    fn get_many(&self, store: u16, keys: &[u8]) -> Result<Vec<u8>, Fault> {
        self.environment.get_many(store, keys)
    }

    fn scan(
        &self,
        store: u16,
        start: &[u8],
        end: Option<&[u8]>,
        limit: u32,
        reverse: bool,
    ) -> Result<Vec<u8>, Fault> {
        self.environment.scan(store, start, end, limit, reverse)
    }

    fn now(&self, row: u32) -> i64 {
        self.environment.now(row)
    }

    fn watermark(&self) -> i64 {
        self.environment.watermark()
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        self.environment.random(row, draw)
    }

    fn config(&self, name: &str) -> Option<String> {
        self.reads.note(name);
        self.environment.config(name)
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        self.reads.note_all();
        self.environment.config_entries()
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.environment.secret(name)
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.environment.log(level, message);
    }

    fn counter(&self, name: &str, amount: f64) {
        self.environment.counter(name, amount);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.environment.gauge(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_was_never_read_is_named_beside_those_that_were() {
        let reads = ConfigReads::default();
        let entries = ["size".to_owned(), "szie".to_owned()];
        assert_eq!(reads.warnings(entries.iter()).len(), 2);
        assert!(reads.warnings(entries.iter())[0].ends_with("it read: none"));
        reads.note("size");
        reads.note("grace");
        assert_eq!(
            reads.warnings(entries.iter()),
            ["the function never read the configuration entry `szie`; it read: grace, size"]
        );
        reads.note_all();
        assert!(reads.warnings(entries.iter()).is_empty());
    }
}

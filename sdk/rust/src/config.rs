//! Configuration and secrets from the manifest. They stay the same for the life of an instance:
//! read them when the function is opened.

use crate::host;

/// The value of a configuration entry.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    host::config(name)
}

/// All configuration entries; secrets are not among them.
#[must_use]
pub fn entries() -> Vec<(String, String)> {
    host::config_entries()
}

/// The value of a secret that the manifest grants.
#[must_use]
pub fn secret(name: &str) -> Option<String> {
    host::secret(name)
}

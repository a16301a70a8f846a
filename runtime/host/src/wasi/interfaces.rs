//! The fixed list of WASI interfaces, and what becomes of each.

use serde::Serialize;

/// What becomes of the calls of an imported WASI interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WasiStanding {
    /// They are answered, and the answers are the same on every replay.
    Harmless,
    /// They would reach the outside: each is a fault that names the import.
    Stubbed,
}

/// A WASI interface that a function imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WasiImport {
    /// Its full name.
    pub import: String,
    /// What becomes of its calls.
    pub standing: WasiStanding,
}

/// The module name of WASI preview 1, which an adapter turns into interfaces of WASI 0.2.
pub(crate) const PREVIEW_1: &str = "wasi_snapshot_preview1";

const HARMLESS: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:clocks/timezone",
    "wasi:filesystem/preopens",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
];

const STUBBED: &[&str] = &[
    "wasi:filesystem/types",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
    "wasi:sockets/network",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Name without version and standing of an import, if it is on the list in any version 0.2.n.
pub(crate) fn of_import(import: &str) -> Option<(&str, WasiStanding)> {
    if import == PREVIEW_1 {
        return Some((import, WasiStanding::Harmless));
    }
    let (name, version) = import.split_once('@')?;
    if !is_0_2(version) {
        return None;
    }
    if HARMLESS.contains(&name) {
        return Some((name, WasiStanding::Harmless));
    }
    STUBBED.contains(&name).then_some((name, WasiStanding::Stubbed))
}

/// Drafts (`0.2.0-rc-...`) had other functions.
fn is_0_2(version: &str) -> bool {
    let Some(patch) = version.strip_prefix("0.2") else { return false };
    patch.is_empty()
        || patch
            .strip_prefix('.')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The packages on the list, to show.
pub(crate) fn packages() -> String {
    let mut out: Vec<&str> = Vec::new();
    for name in HARMLESS.iter().chain(STUBBED) {
        let package = name.split('/').next().unwrap_or(name);
        if !out.contains(&package) {
            out.push(package);
        }
    }
    out.sort_unstable();
    out.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_of_0_2_is_on_the_list_and_no_draft_or_other_version() {
        for version in ["0.2", "0.2.0", "0.2.12"] {
            let import = format!("wasi:io/streams@{version}");
            assert_eq!(of_import(&import), Some(("wasi:io/streams", WasiStanding::Harmless)));
        }
        for version in ["0.2.", "0.2.x", "0.2.0-rc-2023-11-10", "0.20", "0.3.0", "0.1.0", ""] {
            assert_eq!(of_import(&format!("wasi:io/streams@{version}")), None, "{version}");
        }
        for other in ["wasi:io/streams", "wasi:keyvalue/store@0.2.0", "wasi:cli/run@0.2.0", "env"] {
            assert_eq!(of_import(other), None, "{other}");
        }
    }

    #[test]
    fn the_list_is_the_one_that_is_documented() {
        let document = include_str!("../../../../docs/wasi.md");
        for name in HARMLESS.iter().chain(STUBBED) {
            assert!(document.contains(&format!("`{name}`")), "{name} is not in docs/wasi.md");
        }
    }
}

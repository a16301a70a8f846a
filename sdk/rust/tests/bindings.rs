//! The bindings that are checked in are those that `wit-bindgen` makes of the contract. They are
//! checked in, and not made by its macro, because the macro and what it needs are most of what a new
//! project would have to compile first.
//!
//! After a change in `wit/`: `PELTON_UPDATE=1 cargo test --package pelton-sdk --test bindings`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::{Opts, WithOption};

/// Where the interfaces of the contract are found that a world shares with the first.
const SHARED: &str = "crate::bindings::pelton::function";

/// The bindings of a world, as the module `module` of the SDK.
fn generate(world: &str, module: &str, shares: bool) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root.join("../../wit")).unwrap();
    let id = resolve.select_world(&[package], Some(world)).unwrap();
    let mut options = Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some("export_function".into()),
        default_bindings_module: Some(format!("pelton_sdk::{module}")),
        ..Opts::default()
    };
    if shares {
        let interfaces = ["types", "state", "log", "clock", "random", "config", "metrics"];
        options.with = interfaces
            .map(|name| {
                let path = WithOption::Path(format!("{SHARED}::{name}"));
                (format!("pelton:function/{name}@0.1.0"), path)
            })
            .into();
    }
    let mut files = Files::default();
    options.build().generate(&mut resolve, id, &mut files).unwrap();
    let (_, source) = files.iter().next().unwrap();
    format!("// Made by tests/bindings.rs from wit/.\n{}", std::str::from_utf8(source).unwrap())
}

#[test]
fn the_bindings_are_those_of_the_contract() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bindings");
    let worlds = [("function", "bindings", false), ("stateful-function", "saving_bindings", true)];
    for (world, module, shares) in worlds {
        let made = generate(world, module, shares);
        let path = folder.join(format!("{world}.rs"));
        if std::env::var_os("PELTON_UPDATE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(checked_in == made, "{} is not up to date: see this test's head", path.display());
    }
}

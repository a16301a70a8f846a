//! `docs/pelton.schema.json` is what the code says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use pelton_core::manifest::schema;

#[test]
fn the_schema_in_docs_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pelton.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("PELTON_UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "docs/pelton.schema.json is not what the code says: write it with \
         `PELTON_UPDATE=1 cargo test --test manifest_schema`"
    );
}

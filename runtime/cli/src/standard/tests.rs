//! The page of the ready-made functions, and the modules that they are.

use std::fmt::Write as _;

use super::spec::{self, Default, Spec};
use super::{command_of, find, module};

const HEAD: &str = "\
# Ready-made functions

Functions that need no code, only configuration. `std:NAME` stands wherever the path of a `.wasm` can:

```sh
pelton run std:count --window 1h --input flights.csv --key-column carrier
```

```toml
# pelton.toml; pelton deploy, pelton dev
[function]
name = \"flights-per-hour\"

[build]
file = \"std:count\"

[[input]]
topic = \"flights\"

[[output]]
name = \"out\"
topic = \"counts\"

[window]
size = \"1h\"
```

`pelton std ls` lists them, `pelton std show NAME` shows one. Values are JSON; fields are named by JSON
pointers ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)). A record whose field is missing, or is not
what the function needs, is the record's fault: it goes by the delivery policy, a dead letter by default,
unless `missing = \"skip\"`. An entry of `[config]` that a function does not know or cannot use is refused when
it is deployed, and named. Windowed functions group by the record's key; `std:project` gives records another
one. Their windows are those of [windows.md](windows.md), and `[window]` replaces the default.

This page is made of what the functions themselves know; a test runs its examples.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    spec::all().for_each(|spec| section(spec, &mut page));
    page
}

fn section(spec: &Spec, page: &mut String) {
    write!(page, "\n## std:{}\n{}\n", spec.name, spec.about).unwrap();
    if let Some(window) = spec.window {
        writeln!(page, "\nDefault window: {window}.").unwrap();
    }
    writeln!(page, "\nSends: {}", spec.sends).unwrap();
    if !spec.keys.is_empty() {
        page.push_str("\n| key | takes | default | |\n|---|---|---|---|\n");
    }
    for key in spec.keys {
        let default = match key.default {
            Default::Required => "required".to_owned(),
            Default::None => String::new(),
            Default::Is(default) => format!("`\"{default}\"`"),
        };
        writeln!(page, "| `{}` | {} | {default} | {} |", key.name, key.takes, key.about).unwrap();
    }
    let (input, output) = (spec.example.input, spec.example.output);
    write!(page, "\n```sh\n{}\n```\n", command_of(spec)).unwrap();
    write!(page, "\nOf `in.jsonl`:\n```json\n{input}```\ncomes:\n```json\n{output}```\n").unwrap();
}

#[test]
fn the_page_says_what_the_functions_are() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/library.md");
    if std::env::var_os("PELTON_UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page(), "docs/library.md is old: run this test with PELTON_UPDATE=1");
}

#[test]
fn every_module_has_its_name_and_no_other_byte_changed() {
    for spec in spec::all() {
        assert!(spec.name.len() <= spec::SLOT_BYTES - spec::SLOT_MARK.len());
        let module = module(spec.name).unwrap();
        let changed = module.iter().zip(super::LIBRARY).filter(|(new, old)| new != old).count();
        assert_eq!((module.len(), changed), (super::LIBRARY.len(), spec.name.len()));
    }
}

#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    let error = find("cuont").unwrap_err();
    assert_eq!(error.code, "E-STD-NOT-FOUND");
    assert!(error.text.contains("did you mean `std:count`?"), "{}", error.text);
    assert!(error.text.contains("quantiles"), "{}", error.text);
    assert!(!find("something").unwrap_err().text.contains("did you mean"));
}

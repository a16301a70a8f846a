//! The ready-made functions: one module that this program carries, which is given the name of one
//! of them. A function is `std:NAME` wherever the path of a `.wasm` can stand.

#[path = "../../../guest-examples/library/src/spec/mod.rs"]
#[allow(unreachable_pub, reason = "the module itself has the same file, and there it is public")]
pub(crate) mod spec;

use std::path::Path;

use crate::error::{CliError, Result};
use crate::exit::Exit;

/// What a ready-made function's name begins with.
pub(crate) const PREFIX: &str = "std:";

const LIBRARY: &[u8] = include_bytes!("../../../guest-examples/prebuilt/library.wasm");

/// The name of the ready-made function that stands in place of a path.
pub(crate) fn name_of(file: &Path) -> Option<&str> {
    file.to_str()?.strip_prefix(PREFIX)
}

/// What the ready-made function of this name is.
///
/// # Errors
/// `E-STD-NOT-FOUND`, which names those that are there.
pub(crate) fn find(name: &str) -> Result<&'static spec::Spec> {
    spec::find(name).ok_or_else(|| {
        let near = spec::all().min_by_key(|spec| distance(name, spec.name));
        let near = near.filter(|spec| distance(name, spec.name) <= 2);
        let hint =
            near.map_or(String::new(), |spec| format!(" (did you mean `std:{}`?)", spec.name));
        let names: Vec<_> = spec::all().map(|spec| spec.name).collect();
        let text = format!(
            "there is no ready-made function `std:{name}`{hint}; there are: {}",
            names.join(", ")
        );
        CliError::new("E-STD-NOT-FOUND", Exit::NotFound, text)
            .next("pelton std ls tells what each does")
    })
}

/// The module of the ready-made function of this name.
///
/// # Errors
/// See [`find`].
pub(crate) fn module(name: &str) -> Result<Vec<u8>> {
    let spec = find(name)?;
    let mut module = LIBRARY.to_vec();
    let slot = module.windows(spec::SLOT_BYTES).position(|bytes| bytes == spec::EMPTY_SLOT);
    let name = slot.and_then(|slot| {
        module.get_mut(slot + spec::SLOT_MARK.len()..)?.get_mut(..spec.name.len())
    });
    let Some(name) = name else {
        let text = "the library that this program carries has no place for a name";
        return Err(CliError::new("E-INTERNAL", Exit::Failure, text));
    };
    name.copy_from_slice(spec.name.as_bytes());
    Ok(module)
}

/// Letters that differ, those that only one has included: enough to find a name that is misspelt.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The lines of a shell that run an example, with its input in `in.jsonl`.
pub(crate) fn command_of(spec: &spec::Spec) -> String {
    let quoted =
        |text: &str| match text.chars().all(|c| c.is_ascii_alphanumeric() || "=/.-_".contains(c)) {
            true => text.to_owned(),
            false => format!("'{text}'"),
        };
    let mut command = format!("pelton run std:{} --input in.jsonl", spec.name);
    for flag in spec.example.flags {
        command.push_str(&format!(" {flag}"));
    }
    for (name, value) in spec.example.config {
        command.push_str(&format!(" --config {}", quoted(&format!("{name}={value}"))));
    }
    command
}

//! The ready-made functions: `std:count`, `std:stats` and so on, used with configuration only.
//!
//! All of them are one module, so that the program that carries it stays small. Which one a module
//! is stands in [`SLOT`]: whoever hands the module out writes the name there.

pub mod spec;

mod field;
mod joins;
mod records;
mod settings;
mod sketch;
mod windows;

use pelton_sdk::{Error, Function, Result, Setup};

/// Where the name of the function stands in the module: [`spec::SLOT_MARK`], then the name, then
/// spaces.
#[used]
static SLOT: [u8; spec::SLOT_BYTES] = *spec::EMPTY_SLOT;

/// The function whose name stands in the module.
fn chosen() -> Box<dyn Function> {
    // What the compiler sees there is not what a module that was handed out has.
    let slot: &'static [u8] = std::hint::black_box(&SLOT);
    let name = slot.get(spec::SLOT_MARK.len()..).unwrap_or_default();
    named(str::from_utf8(name).unwrap_or_default().trim_ascii())
}

/// The function of this name; one that cannot be opened where there is none.
#[must_use]
pub fn named(name: &str) -> Box<dyn Function> {
    match spec::find(name).and_then(made) {
        Some(function) => function,
        None => Box::new(Unknown(name.to_owned())),
    }
}

fn made(spec: &'static spec::Spec) -> Option<Box<dyn Function>> {
    windows::make(spec).or_else(|| records::make(spec)).or_else(|| joins::make(spec))
}

pelton_sdk::function!(chosen());

struct Unknown(String);

impl Function for Unknown {
    fn open(&mut self, _: &mut Setup<'_>) -> Result<()> {
        Err(Error::fail(format!("there is no ready-made function called `{}`", self.0)))
    }

    fn call(
        &mut self,
        _: pelton_sdk::batch::Batch<'_>,
        _: &mut pelton_sdk::Runtime,
    ) -> Result<Vec<u8>> {
        Err(Error::fail("not open"))
    }
}

#[cfg(test)]
mod tests;

//! Functions over two inputs.

mod join;
mod lookup;
mod sides;

use pelton_sdk::batch::Batch;
use pelton_sdk::{Error, Function, Result, Runtime, Setup};

use crate::settings::{Settings, fail};
use crate::spec::Spec;

/// The function of this name, where it is one over two inputs.
pub(crate) fn make(spec: &'static Spec) -> Option<Box<dyn Function>> {
    Some(match spec.name {
        "join" => Box::new(Configured { open: join::open, function: None }),
        "lookup" => Box::new(Configured { open: lookup::open, function: None }),
        _ => return None,
    })
}

/// A function that is made of its configuration when it is opened.
struct Configured {
    open: fn(&Setup<'_>) -> Result<Box<dyn Function>>,
    function: Option<Box<dyn Function>>,
}

impl Function for Configured {
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        let mut function = (self.open)(setup)?;
        function.open(setup)?;
        self.function = Some(function);
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        match &mut self.function {
            Some(function) => function.call(batch, runtime),
            None => Err(Error::fail("not open")),
        }
    }
}

/// The inputs that two entries name; else the first and the second one.
fn inputs(settings: Settings, setup: &Setup<'_>, names: [&'static str; 2]) -> Result<[String; 2]> {
    let known = setup.inputs();
    let one = |name| settings.read(name, |text| known.iter().find(|known| *known == text).cloned());
    let but = |taken: &Option<String>| known.iter().find(|name| Some(*name) != taken.as_ref());
    let (first, second) = (one(names[0])?, one(names[1])?);
    let first = first.or_else(|| but(&second).cloned());
    let second = second.or_else(|| but(&first).cloned());
    match (first, second) {
        (Some(first), Some(second)) if first != second => Ok([first, second]),
        _ => fail(format!(
            "std:{} reads two inputs; its topics are: {}",
            settings.name(),
            known.join(", ")
        )),
    }
}

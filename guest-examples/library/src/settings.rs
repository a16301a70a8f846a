//! Configuration entries, checked against what the function knows.

use std::str::FromStr;

use pelton_sdk::{Error, Result, Setup, Windows, config};

use crate::field::{Field, Missing};
use crate::spec::{self, Default, Spec};

/// The configuration of a function.
#[derive(Clone, Copy)]
pub(crate) struct Settings(&'static Spec);

impl Settings {
    /// Checks the configuration of the function `std:name`.
    ///
    /// # Errors
    /// Where there is an entry that the function does not know, or one is missing that it needs:
    /// the error names it.
    pub(crate) fn of(name: &str) -> Result<Self> {
        let Some(spec) = spec::find(name) else { return fail(format!("no function {name}")) };
        let knows = |name: &str| spec.keys.iter().any(|key| key.name == name);
        for (name, _) in config::entries() {
            if !knows(&name) {
                let known: Vec<_> = spec.keys.iter().map(|key| key.name).collect();
                return fail(format!(
                    "std:{} has no configuration entry `{name}`; it has: {}",
                    spec.name,
                    known.join(", ")
                ));
            }
        }
        for key in spec.keys {
            if key.default == Default::Required && config::get(key.name).is_none() {
                return fail(format!(
                    "std:{} needs the configuration entry `{}`: {}",
                    spec.name, key.name, key.takes
                ));
            }
        }
        Ok(Self(spec))
    }

    /// What follows `std:`.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    /// The text of an entry, or its default.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        let key = self.0.keys.iter().find(|key| key.name == name);
        let default = key.and_then(|key| match key.default {
            Default::Is(default) => Some(default.to_owned()),
            Default::Required | Default::None => None,
        });
        config::get(name).or(default)
    }

    /// An entry that `read` understands; `None` where it is not given and has no default.
    pub(crate) fn read<T>(
        self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match read(&text) {
            Some(value) => Ok(Some(value)),
            None => fail(format!(
                "the configuration entry `{name}` of std:{} cannot be {text:?}; it takes {}",
                self.0.name,
                self.takes(name)
            )),
        }
    }

    /// An entry that is required or has a default.
    pub(crate) fn get<T>(self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        match self.read(name, read)? {
            Some(value) => Ok(value),
            None => fail(format!("std:{} needs the configuration entry `{name}`", self.0.name)),
        }
    }

    /// A number within bounds.
    pub(crate) fn number<T: FromStr + PartialOrd>(
        self,
        name: &str,
        least: T,
        most: T,
    ) -> Result<T> {
        self.get(name, |text| {
            text.parse().ok().filter(|number| *number >= least && *number <= most)
        })
    }

    /// A finite number that need not be given.
    pub(crate) fn limit(self, name: &str) -> Result<Option<f64>> {
        self.read(name, |text| text.parse().ok().filter(|number: &f64| number.is_finite()))
    }

    pub(crate) fn flag(self, name: &str) -> Result<bool> {
        self.get(name, |text| text.parse().ok())
    }

    /// The field that `field` points to.
    pub(crate) fn field(self) -> Result<Field> {
        let pointer = self.get("field", crate::field::pointer)?;
        Ok(Field { pointer, missing: self.missing()? })
    }

    pub(crate) fn missing(self) -> Result<Missing> {
        self.get("missing", |text| match text {
            "reject" => Some(Missing::Reject),
            "skip" => Some(Missing::Skip),
            _ => None,
        })
    }

    /// Declares windows, and the output of late records where it is asked for.
    pub(crate) fn windows(self, setup: &mut Setup<'_>, windows: Windows) -> Result<()> {
        setup.output("out");
        let late = self.flag("late")?;
        setup.windows(if late { windows.late_to("late") } else { windows });
        Ok(())
    }

    fn takes(self, name: &str) -> &'static str {
        self.0.keys.iter().find(|key| key.name == name).map_or("", |key| key.takes)
    }
}

pub(crate) fn fail<T>(message: String) -> Result<T> {
    Err(Error::fail(message))
}

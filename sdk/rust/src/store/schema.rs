//! Schema versions of a store's values, and how values of other versions are read.

use core::fmt;

use serde::de::DeserializeOwned;

use super::StoreValue;
use crate::error::{Error, Outcome, Result};

type Read<V> = Box<dyn Fn(&[u8]) -> Result<V> + Send>;

/// The version of the values that this code writes into a store, and how it reads those of other
/// versions. The host keeps the version beside each value.
///
/// A value of another version is migrated when it is read, and stored in this code's version with
/// the next write to its key. In the background the host hands in what is never read, a few values
/// at a time, until all are of this version; time to live stays what it was. Steps from version to
/// version are ordinary `From` impls:
///
/// ```
/// use pelton_sdk::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct TotalV1(u64);
/// #[derive(Clone, Serialize, Deserialize)]
/// struct TotalV2 { cents: u64 }
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Total { cents: u64, count: Option<u64> }
///
/// impl From<TotalV1> for TotalV2 {
///     fn from(old: TotalV1) -> Self {
///         Self { cents: old.0 * 100 }
///     }
/// }
///
/// impl From<TotalV2> for Total {
///     fn from(old: TotalV2) -> Self {
///         Self { cents: old.cents, count: None }
///     }
/// }
///
/// fn totals(setup: &mut Setup) -> Store<String, Total> {
///     let schema = Schema::version(3)
///         .migrate(1, |old: TotalV1| TotalV2::from(old).into())
///         .migrate(2, |old: TotalV2| old.into());
///     setup.store_with("totals", schema)
/// }
/// ```
///
/// A migration depends on the value alone: it sees neither the record nor a clock, and which of the
/// two reads it first makes no difference. A version that nothing migrates stops the function, and
/// on the trial of a new deployment hands the task back to the one before. So does a *newer*
/// version, which a rollback finds: roll back to code that migrates from it as well (`migrate(3,
/// |newer: Total| ...)` at version 2).
///
/// A field that is new and has a `#[serde(default)]` needs no new version.
pub struct Schema<V> {
    version: u32,
    steps: Vec<(u32, Read<V>)>,
}

impl<V> Default for Schema<V> {
    /// Version 0, for stores without versions.
    fn default() -> Self {
        Self { version: 0, steps: Vec::new() }
    }
}

impl<V> fmt::Debug for Schema<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from: Vec<u32> = self.steps.iter().map(|(from, _)| *from).collect();
        f.debug_struct("Schema").field("version", &self.version).field("from", &from).finish()
    }
}

impl<V: StoreValue> Schema<V> {
    /// This code writes values of this version. Without a schema a store is of version 0.
    #[must_use]
    pub fn version(version: u32) -> Self {
        Self { version, steps: Vec::new() }
    }

    /// Values of version `from` are read as an `A`, and made a `V` of this code's version.
    #[must_use]
    pub fn migrate<A: DeserializeOwned>(
        self,
        from: u32,
        migrate: impl Fn(A) -> V + Send + 'static,
    ) -> Self {
        self.try_migrate(from, move |old| Ok(migrate(old)))
    }

    /// As [`Schema::migrate`], where it may fail. An error stops the function, unless it says that
    /// it may pass ([`Error::retry`]).
    #[must_use]
    pub fn try_migrate<A: DeserializeOwned>(
        mut self,
        from: u32,
        migrate: impl Fn(A) -> Result<V> + Send + 'static,
    ) -> Self {
        self.steps.push((from, Box::new(move |bytes| migrate(rmp_serde::from_slice(bytes)?))));
        self
    }

    /// The version that this code writes.
    pub(crate) fn written(&self) -> u32 {
        self.version
    }

    /// What is wrong with the schema itself, if anything.
    pub(crate) fn mistake(&self, store: &str) -> Option<Error> {
        let own = self.version;
        for (at, (from, _)) in self.steps.iter().enumerate() {
            if *from == own {
                return Some(Error::fail(format!(
                    "store `{store}` is at schema version {own}, and migrates from version {own}: \
                     raise the one or correct the other"
                )));
            }
            if self.steps[..at].iter().any(|(other, _)| other == from) {
                return Some(Error::fail(format!(
                    "store `{store}` has two migrations from schema version {from}: keep one"
                )));
            }
        }
        None
    }

    /// A value of any version. What cannot be migrated fails the call: no record is at fault.
    #[inline]
    pub(super) fn read(&self, version: u32, bytes: &[u8]) -> Result<V> {
        if version == self.version {
            return Ok(rmp_serde::from_slice(bytes)?);
        }
        self.read_other(version, bytes)
    }

    #[cold]
    fn read_other(&self, version: u32, bytes: &[u8]) -> Result<V> {
        let Some((_, read)) = self.steps.iter().find(|(from, _)| *from == version) else {
            let newer = if version > self.version { " (a later deployment wrote it)" } else { "" };
            return Err(Error::fail(format!(
                "this code, at version {}, has no migration from version {version}{newer}",
                self.version
            )));
        };
        read(bytes).map_err(|error| match error.outcome() {
            Outcome::Reject => Error::fail(error.message().to_owned()),
            Outcome::Retry(_) | Outcome::Fail => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use crate::error::{Error, Outcome};

    fn schema() -> Schema<String> {
        Schema::version(3)
            .migrate(1, |old: u64| format!("one {old}"))
            .migrate(2, |old: (u64, u64)| format!("two {}", old.1))
            .try_migrate(4, |newer: u64| match newer {
                0 => Err(Error::reject("nothing")),
                1 => Err(Error::retry("not now")),
                _ => Ok("four".to_owned()),
            })
    }

    fn bytes(value: impl serde::Serialize) -> Vec<u8> {
        rmp_serde::to_vec_named(&value).unwrap()
    }

    #[test]
    fn each_version_is_read_by_its_own_step() {
        let read = |version, bytes: Vec<u8>| schema().read(version, &bytes).unwrap();
        assert_eq!(read(1, bytes(7_u64)), "one 7");
        assert_eq!(read(2, bytes((7_u64, 8_u64))), "two 8");
        assert_eq!(read(3, bytes("three")), "three");
        assert_eq!(read(4, bytes(9_u64)), "four");
    }

    #[test]
    fn what_cannot_be_migrated_fails_the_call_and_what_may_pass_is_tried_again() {
        let error = |version, bytes: Vec<u8>| schema().read(version, &bytes).unwrap_err();
        assert_eq!(error(0, bytes(7_u64)).outcome(), Outcome::Fail);
        assert_eq!(error(1, bytes("not a number")).outcome(), Outcome::Fail);
        assert_eq!(error(4, bytes(0_u64)).outcome(), Outcome::Fail);
        assert_eq!(error(4, bytes(1_u64)).outcome(), Outcome::Retry(0));
        assert_eq!(error(3, bytes(7_u64)).outcome(), Outcome::Reject, "no migration at all");
        let text = error(9, bytes(7_u64)).to_string();
        assert!(text.contains("version 3") && text.contains("version 9"), "{text}");
        assert!(text.contains("later deployment"), "{text}");
    }
}

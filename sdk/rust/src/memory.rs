//! Memory of a function's own that outlives the instance.

use core::ops::{Deref, DerefMut};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What a [`Stateful`](crate::Stateful) function keeps in its memory. Read it as if it were a `T`,
/// and change it as if it were one: that it was changed is seen by itself, and it is then kept with
/// the next commit.
///
/// The first change in a record copies the `T`, so that an error can take the record's changes back.
#[derive(Debug, Default)]
pub struct Memory<T> {
    value: T,
    /// Whether it has changed since it was last kept.
    changed: bool,
    /// What it was before the record at hand, once that has changed it.
    before: Option<Before<T>>,
    /// Whether a change is to be copied first: while a record is at hand.
    guarded: bool,
}

#[derive(Debug)]
struct Before<T> {
    value: T,
    changed: bool,
}

impl<T> Deref for Memory<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Clone> DerefMut for Memory<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        if self.guarded && self.before.is_none() {
            self.before = Some(Before { value: self.value.clone(), changed: self.changed });
        }
        self.changed = true;
        &mut self.value
    }
}

impl<T: Clone + Serialize + DeserializeOwned> Memory<T> {
    /// Does the work of one record or timer. An error takes back what it changed.
    pub(crate) fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.guarded = true;
        let result = work(self);
        self.guarded = false;
        if let (Some(before), Err(_)) = (self.before.take(), &result) {
            self.value = before.value;
            self.changed = before.changed;
        }
        result
    }

    /// What to keep, as MessagePack; `None` where nothing has changed since the last time.
    pub(crate) fn save(&mut self) -> Result<Option<Vec<u8>>> {
        if !self.changed {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        rmp_serde::encode::write_named(&mut bytes, &self.value)?;
        self.changed = false;
        Ok(Some(bytes))
    }

    /// Takes up what was kept last.
    pub(crate) fn restore(&mut self, saved: &[u8]) -> Result<()> {
        self.value = rmp_serde::from_slice(saved).map_err(|error| {
            Error::fail(format!(
                "the memory that this function saved cannot be read: {error}; give a field that is \
                 new a `#[serde(default)]`"
            ))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_changed_is_saved_and_only_once() {
        let mut memory = Memory::<Vec<u8>>::default();
        assert_eq!(memory.save().unwrap(), None);
        assert_eq!(memory.len(), 0);
        assert_eq!(memory.save().unwrap(), None, "reading is no change");
        memory.push(7);
        let saved = memory.save().unwrap().unwrap();
        assert_eq!(memory.save().unwrap(), None);
        let mut other = Memory::<Vec<u8>>::default();
        other.restore(&saved).unwrap();
        assert_eq!(*other, [7]);
        assert_eq!(other.save().unwrap(), None, "what was restored is kept already");
    }

    #[test]
    fn an_error_takes_back_its_own_changes_and_no_others() {
        let mut memory = Memory::<Vec<u8>>::default();
        let fail = |memory: &mut Memory<Vec<u8>>| {
            memory.push(2);
            memory.push(3);
            Err(Error::reject("on purpose"))
        };
        memory.attempt(fail).unwrap_err();
        assert_eq!((memory.len(), memory.save().unwrap()), (0, None));
        memory
            .attempt(|memory| {
                memory.push(1);
                Ok(())
            })
            .unwrap();
        memory.attempt(fail).unwrap_err();
        assert_eq!(*memory, [1]);
        assert!(memory.save().unwrap().is_some(), "the change of the record before counts");
    }

    #[test]
    fn bytes_that_are_something_else_are_refused() {
        let mut memory = Memory::<Vec<u8>>::default();
        let error = memory.restore(&rmp_serde::to_vec("text").unwrap()).unwrap_err();
        assert!(error.message().contains("cannot be read"), "{error}");
    }
}

//! The seam between entry points and hosts: what every function is underneath.

use pelton_batch::{Batch, Kind};

use crate::context::Runtime;
use crate::declaration::Declaration;
use crate::error::{Error, Outcome, Result};
use crate::setup::{Setup, SetupInfo};

/// A function as the host calls it, a batch at a time. [`filter`](crate::filter()),
/// [`map`](crate::map()), [`process`](crate::process()), [`aggregate`](crate::aggregate()) and
/// [`window`](crate::window()) make one; implement it yourself only to work on raw batches.
pub trait Function: Send + 'static {
    /// Declares what the function uses.
    ///
    /// # Errors
    /// Where the function cannot work as it is configured.
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()>;

    /// Answers a batch by a batch of operations. One that has declared a store with a
    /// [`Schema`](crate::Schema) hands batches of kind `Migrate` to [`Runtime::migrate`].
    ///
    /// # Errors
    /// Where the whole call fails: nothing that it did stays.
    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>>;

    /// Whether the host is to keep what is in its memory: then it is exported with
    /// `function!(..., saves)`.
    fn saves(&self) -> bool {
        false
    }

    /// What the host is to keep, `None` where that has not changed since the last time. Called
    /// before every commit, and part of it.
    ///
    /// # Errors
    /// Where it cannot be written: the function is stopped.
    fn save(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// Takes up in a fresh instance what [`Function::save`] has answered last.
    ///
    /// # Errors
    /// Where it cannot be read: the function is stopped.
    fn restore(&mut self, saved: &[u8]) -> Result<()> {
        let _ = saved;
        Err(Error::fail("there is saved memory, but this function saves none"))
    }
}

impl<F: Function + ?Sized> Function for Box<F> {
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        (**self).open(setup)
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        (**self).call(batch, runtime)
    }

    fn saves(&self) -> bool {
        (**self).saves()
    }

    fn save(&mut self) -> Result<Option<Vec<u8>>> {
        (**self).save()
    }

    fn restore(&mut self, saved: &[u8]) -> Result<()> {
        (**self).restore(saved)
    }
}

/// What a failed call tells the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable code.
    pub code: &'static str,
    /// What went wrong.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (code, retryable) = match error.outcome() {
            Outcome::Reject => ("rejected", false),
            Outcome::Retry(_) => ("retry", true),
            Outcome::Fail => ("failed", false),
        };
        Self { code, message: error.message().to_owned(), retryable }
    }
}

/// An open function: one to an instance.
pub struct Instance {
    function: Box<dyn Function>,
    runtime: Runtime,
}

impl Instance {
    /// Opens a function.
    ///
    /// # Errors
    /// Where the function refuses, or speaks another version of the contract than the host.
    pub fn open(
        mut function: Box<dyn Function>,
        info: &SetupInfo,
    ) -> Result<(Self, Declaration), Failure> {
        let mut runtime = Runtime::default();
        let mut setup = Setup::new(info, &mut runtime)?;
        function.open(&mut setup)?;
        let mut declaration = setup.finish()?;
        declaration.saves = function.saves();
        Ok((Self { function, runtime }, declaration))
    }

    /// Calls it with a batch.
    ///
    /// # Errors
    /// Where the whole call fails.
    #[inline]
    pub fn call(&mut self, batch: &[u8]) -> Result<Vec<u8>, Failure> {
        let Ok(batch) = Batch::parse(batch) else {
            return Err(Error::fail("the host's batch is not one that this SDK reads").into());
        };
        Ok(self.function.call(batch, &mut self.runtime)?)
    }

    /// What the host is to keep, where that has changed.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.function.save()?)
    }

    /// Takes up what was saved last.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn restore(&mut self, saved: &[u8]) -> Result<(), Failure> {
        Ok(self.function.restore(saved)?)
    }
}

/// The error of a function that is called with a batch that it has no use for.
#[cold]
pub(crate) fn unexpected(kind: Kind) -> Error {
    Error::fail(match kind {
        Kind::Records => "called with records, but this is a windowed function",
        Kind::Timers => "called with timers, but this function has none",
        Kind::Times => "asked when records happened, but this function does not tell",
        Kind::Migrate => "called with state of an older schema, but this function migrates none",
        _ => "called with a kind of batch that this function does not take",
    })
}

//! Memory and tables, summed over all that an instance has: wasmtime's own limits are per memory
//! and per table, and a component may have many.

use pelton_core::Limits;
use wasmtime::ResourceLimiter;

use crate::scan::{INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Memory: the bytes that there would have been.
    Memory(u64),
    /// Table elements: those that there would have been.
    Table(u64),
}

/// A sum with a limit.
#[derive(Debug, Clone, Copy)]
struct Sum {
    total: u64,
    limit: u64,
    /// What was added last: it is taken back where the growth failed after all.
    last: u64,
}

impl Sum {
    fn new(limit: u64) -> Self {
        Self { total: 0, limit, last: 0 }
    }

    /// Grows by `desired - current`, or tells what the total would have been.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), u64> {
        let more = desired.saturating_sub(current) as u64;
        let total = self.total.saturating_add(more);
        if total > self.limit {
            self.last = 0;
            return Err(total);
        }
        (self.total, self.last) = (total, more);
        Ok(())
    }

    fn undo(&mut self) {
        self.total -= std::mem::take(&mut self.last);
    }
}

/// The limits of one instance.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: Sum,
    table: Sum,
    refused: Option<Refused>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: Sum::new(limits.memory_bytes.value),
            table: Sum::new(limits.table_elements.value),
            refused: None,
        }
    }

    /// Linear memory of the instance, bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory.total
    }

    /// Forgets what was refused before this call.
    pub(crate) fn start_call(&mut self) {
        self.refused = None;
    }

    /// What the guest was refused during this call, if anything.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self.memory.grow(current, desired);
        self.refused = grown.err().map(Refused::Memory).or(self.refused);
        Ok(grown.is_ok())
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.undo();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self.table.grow(current, desired);
        self.refused = grown.err().map(Refused::Table).or(self.refused);
        Ok(grown.is_ok())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_summed_to_the_limit_and_refused_at_one_more() {
        let mut sum = Sum::new(100);
        assert_eq!(sum.grow(0, 60), Ok(()));
        assert_eq!(sum.grow(0, 40), Ok(()));
        assert_eq!(sum.grow(40, 41), Err(101));
        assert_eq!(sum.total, 100);
    }

    #[test]
    fn growth_that_fails_after_all_is_taken_back_once() {
        let mut sum = Sum::new(100);
        sum.grow(0, 60).unwrap();
        sum.grow(60, 90).unwrap();
        sum.undo();
        sum.undo();
        assert_eq!(sum.total, 60);
    }
}

//! Filters: the records that a predicate keeps, unchanged.

use pelton_batch::layout::{self, Column, tag};
use pelton_batch::{Batch, Kind, OperationsBuilder, Records};

use crate::context::Runtime;
use crate::error::{Error, Outcome, Result};
use crate::function::{Function, unexpected};
use crate::record::Record;
use crate::setup::Setup;

/// What a predicate may answer: a `bool`, or a `Result` of one.
pub trait Keep {
    /// Whether to keep the record.
    ///
    /// # Errors
    /// Where the record is rejected, or to be tried again.
    fn keep(self) -> Result<bool>;
}

impl Keep for bool {
    #[inline]
    fn keep(self) -> Result<bool> {
        Ok(self)
    }
}

impl Keep for Result<bool> {
    #[inline]
    fn keep(self) -> Result<bool> {
        self
    }
}

/// A function that sends on the records for which `predicate` says so. [`crate::filter!`] makes
/// it a component.
pub fn filter<F, R>(predicate: F) -> impl Function
where
    F: Fn(&Record<'_>) -> R + Send + 'static,
    R: Keep + 'static,
{
    Filter { predicate, kept: Vec::new() }
}

struct Filter<F> {
    predicate: F,
    kept: Vec<u8>,
}

impl<F, R> Function for Filter<F>
where
    F: Fn(&Record<'_>) -> R + Send + 'static,
    R: Keep + 'static,
{
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        setup.output("out");
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        if batch.kind() != Kind::Records {
            return Err(unexpected(batch.kind()));
        }
        let records = batch.records()?;
        self.kept.resize(records.len() * 4, 0);
        let mut end = 0;
        for row in 0..records.len() {
            match (self.predicate)(&Record::new(&records, row)).keep() {
                // Written always, counted only if kept: no branch to mispredict.
                Ok(keep) => {
                    if let Some(slot) = self.kept.get_mut(end..end + 4) {
                        slot.copy_from_slice(&(row as u32).to_le_bytes());
                    }
                    end += usize::from(keep) * 4;
                }
                Err(error) => {
                    return self.with_errors(&records, end, row, error, &mut runtime.operations);
                }
            }
        }
        Ok(forwards(&self.kept[..end]))
    }
}

/// The answer that forwards these rows.
fn forwards(rows: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let causes = Column { tag: tag::CAUSE, width: 4, bytes: rows };
    layout::write(Kind::Operations, rows.len() as u32 / 4, &[causes], &mut answer);
    answer
}

impl<F, R> Filter<F>
where
    F: Fn(&Record<'_>) -> R,
    R: Keep,
{
    /// Goes on from the first record with an error, with an answer that can hold rejects.
    #[cold]
    fn with_errors(
        &self,
        records: &Records<'_>,
        end: usize,
        row: usize,
        error: Error,
        operations: &mut OperationsBuilder,
    ) -> Result<Vec<u8>> {
        operations.clear();
        for row in self.kept[..end].chunks_exact(4) {
            let row = row.first_chunk().map_or(0, |row| u32::from_le_bytes(*row));
            operations.forward(row, 0);
        }
        let mut go_on = refuse(operations, row, error)?;
        for row in row + 1..records.len() {
            if !go_on {
                break;
            }
            match (self.predicate)(&Record::new(records, row)).keep() {
                Ok(true) => operations.forward(row as u32, 0),
                Ok(false) => {}
                Err(error) => go_on = refuse(operations, row, error)?,
            }
        }
        Ok(operations.finish())
    }
}

/// Answers a record's error; says whether to go on with those behind it.
pub(super) fn refuse(operations: &mut OperationsBuilder, row: usize, error: Error) -> Result<bool> {
    use pelton_batch::{OpKind, Operation};
    let (kind, ttl) = match error.outcome() {
        Outcome::Reject => (OpKind::Reject, 0),
        Outcome::Retry(after) => (OpKind::Retry, after),
        Outcome::Fail => return Err(error),
    };
    let value = Some(error.message().as_bytes());
    let cause = row as u32;
    operations.push(&Operation { cause, value, ttl, ..crate::context::operation(kind) });
    Ok(kind == OpKind::Reject)
}

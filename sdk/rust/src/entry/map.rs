//! Maps: a new value for each record.

use pelton_batch::{Batch, Kind, OpKind, Operation, OperationsBuilder, Records};

use crate::context::Runtime;
use crate::error::Result;
use crate::function::{Function, unexpected};
use crate::payload::Payload;
use crate::record::Record;
use crate::setup::Setup;

/// What a map may answer: the new value ([`Payload`]: text, bytes, [`Json`](crate::Json), ...), or
/// a `Result` of one. `None` drops the record.
pub trait Mapped {
    /// What the value is made from.
    type Value: Payload;
    /// The new value, `None` to drop the record.
    ///
    /// # Errors
    /// Where the record is rejected, or to be tried again.
    fn mapped(self) -> Result<Option<Self::Value>>;
}

impl<P: Payload> Mapped for Option<P> {
    type Value = P;
    fn mapped(self) -> Result<Option<P>> {
        Ok(self)
    }
}

impl<M: Mapped> Mapped for Result<M> {
    type Value = M::Value;
    fn mapped(self) -> Result<Option<M::Value>> {
        self?.mapped()
    }
}

macro_rules! mapped_value {
    ($($type:ty),*) => {$(
        impl Mapped for $type {
            type Value = Self;
            #[inline]
            fn mapped(self) -> Result<Option<Self>> {
                Ok(Some(self))
            }
        }
    )*};
}
mapped_value!(String, Vec<u8>, &'static str, crate::Null);

impl<T: serde::Serialize> Mapped for crate::Json<T> {
    type Value = Self;
    fn mapped(self) -> Result<Option<Self>> {
        Ok(Some(self))
    }
}

impl<T: serde::Serialize> Mapped for crate::MessagePack<T> {
    type Value = Self;
    fn mapped(self) -> Result<Option<Self>> {
        Ok(Some(self))
    }
}

/// A function that sends each record on with a new value; key, timestamp and headers stay.
/// [`crate::map!`] makes it a component.
pub fn map<F, R>(change: F) -> impl Function
where
    F: Fn(&Record<'_>) -> R + Send + 'static,
    R: Mapped + 'static,
{
    Map { change }
}

struct Map<F> {
    change: F,
}

impl<F, R> Function for Map<F>
where
    F: Fn(&Record<'_>) -> R + Send + 'static,
    R: Mapped + 'static,
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
        let Runtime { operations, value_scratch, .. } = runtime;
        operations.clear();
        for row in 0..records.len() {
            if let Err(error) = self.record(&records, row, operations, value_scratch)
                && !super::filter::refuse(operations, row, error)?
            {
                break;
            }
        }
        Ok(operations.finish())
    }
}

impl<F, R> Map<F>
where
    F: Fn(&Record<'_>) -> R,
    R: Mapped,
{
    #[inline]
    fn record(
        &self,
        records: &Records<'_>,
        row: usize,
        operations: &mut OperationsBuilder,
        scratch: &mut Vec<u8>,
    ) -> Result<()> {
        let record = Record::new(records, row);
        let Some(new) = (self.change)(&record).mapped()? else { return Ok(()) };
        scratch.clear();
        let emit = Operation {
            cause: row as u32,
            key: record.key(),
            value: new.bytes(scratch)?,
            ..crate::context::operation(OpKind::Emit)
        };
        operations.push(&emit).headers(record.headers());
        Ok(())
    }
}

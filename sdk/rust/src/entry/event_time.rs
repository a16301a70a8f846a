//! A function that tells when its records happened.

use pelton_batch::{Batch, Kind, OpKind, Operation};

use super::process::each_record;
use crate::context::{Runtime, operation};
use crate::error::Result;
use crate::function::Function;
use crate::record::Record;
use crate::setup::Setup;

/// `function`, which tells of its records when they happened, ms since the Unix epoch: of those of the
/// inputs that ask it, with `event_time = "guest"` in the manifest. That time takes the place of the
/// timestamp before anything else looks at the record. It must follow from the record (and
/// configuration) alone: state cannot be read, and nothing can be sent. A record for which `time`
/// answers an error has none, and goes by the delivery policy: a dead letter with code `E-RECORD-TIME`,
/// by default.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::prelude::*;
///
/// // The first word of the value is the time, in seconds.
/// fn seconds(record: &Record) -> Result<i64> {
///     let text = str::from_utf8(record.value_bytes()).unwrap_or_default();
///     let first = text.split(' ').next().and_then(|word| word.parse::<i64>().ok());
///     let seconds = first.ok_or_else(|| Error::reject("the first word is no time"))?;
///     Ok(seconds.saturating_mul(1_000))
/// }
///
/// pelton_sdk::function!(pelton_sdk::event_time(
///     seconds,
///     pelton_sdk::aggregate_with(
///         Windows::tumbling(Duration::from_mins(1)),
///         |count: &mut u64, _record| { *count += 1; Ok(()) },
///         |window, count, ctx| OUT.emit(ctx, window.key(), Json(count)),
///     ),
/// ));
/// ```
pub fn event_time<T, F>(time: T, function: F) -> impl Function
where
    T: Fn(&Record<'_>) -> Result<i64> + Send + 'static,
    F: Function,
{
    Telling { time, function }
}

struct Telling<T, F> {
    time: T,
    function: F,
}

impl<T, F> Function for Telling<T, F>
where
    T: Fn(&Record<'_>) -> Result<i64> + Send + 'static,
    F: Function,
{
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        setup.tells_time();
        self.function.open(setup)
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        if batch.kind() != Kind::Times {
            return self.function.call(batch, runtime);
        }
        each_record(batch, runtime, |record, ctx| {
            let (cause, timestamp) = (ctx.cause, Some((self.time)(record)?));
            let told = Operation { cause, timestamp, ..operation(OpKind::Time) };
            ctx.runtime.operations.push(&told);
            Ok(())
        })
    }

    fn saves(&self) -> bool {
        self.function.saves()
    }

    fn save(&mut self) -> Result<Option<Vec<u8>>> {
        self.function.save()
    }

    fn restore(&mut self, saved: &[u8]) -> Result<()> {
        self.function.restore(saved)
    }
}

//! Event time that the function itself tells: what it is asked, what it may ask for meanwhile, and
//! what it answers.

use std::ops::Range;
use std::sync::Arc;

use pelton_batch::{Batch, FormatError, Kind, OpKind, Operation, RecordsBuilder};
use pelton_core::{Environment, Fault, FaultKind, LogLevel};

use crate::apply::{check_size, malformed};
use crate::config::TaskConfig;
use crate::event_time::Incoming;
use crate::opening::OpenEnvironment;
use crate::slice::{Piece, Slice};

/// When a record happened, ms, or why that is not known.
pub(crate) type Told = Result<i64, String>;

/// Records of one fetched batch whose times are asked for.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) input: usize,
    pub(crate) fetch: Arc<Incoming>,
    pub(crate) rows: Range<usize>,
}

impl Asked {
    /// The records as a batch of kind `Times`.
    pub(crate) fn batch(&self, config: &TaskConfig) -> Result<Vec<u8>, FormatError> {
        let Self { input, fetch, rows } = self.clone();
        let mut slice = Slice::default();
        slice.push(Piece { input, fetch, rows });
        let mut records = RecordsBuilder::new();
        slice.copy_into(&mut records, &config.declaration)?;
        Ok(records.finish_as(Kind::Times))
    }

    /// What the answer tells of each record.
    ///
    /// # Errors
    /// A fault of the guest.
    pub(crate) fn told(&self, answer: &[u8], config: &TaskConfig) -> Result<Vec<Told>, Fault> {
        let batch = Batch::parse(answer).map_err(malformed)?;
        batch.validate().map_err(malformed)?;
        let operations = batch.operations().map_err(malformed)?;
        check_size(&operations, config)?;
        let nothing = || Err("event_time guest: the function told no time".to_owned());
        let mut told: Vec<Told> = self.rows.clone().map(|_| nothing()).collect();
        for operation in operations.iter() {
            let time = time_of(&operation)?;
            let Some(row) = told.get_mut(operation.cause as usize) else {
                let Operation { row, cause, .. } = operation;
                let text = format!("operation {row} names record {cause}, which there is not");
                return Err(Fault::new(FaultKind::UnknownTarget, text));
            };
            *row = time;
        }
        Ok(told)
    }
}

fn time_of(operation: &Operation<'_>) -> Result<Told, Fault> {
    match (operation.kind, operation.timestamp) {
        (OpKind::Time, Some(time)) => Ok(Ok(time)),
        (OpKind::Reject, _) => {
            let why = String::from_utf8_lossy(operation.value.unwrap_or_default());
            Ok(Err(format!("event_time guest: {why}")))
        }
        (kind, _) => {
            let text = format!(
                "operation {} ({kind:?}) is no answer to when a record happened: that is a Time, or a \
                 Reject with the reason",
                operation.row
            );
            Err(Fault::new(FaultKind::Malformed, text))
        }
    }
}

/// What a guest may ask for while it tells times: configuration, log and metrics, the times of the
/// records as they came. Nothing that depends on where the function stands.
pub(crate) struct TimesEnvironment {
    pub(crate) asked: Asked,
    /// Of the random numbers of the input.
    pub(crate) seed: u64,
    pub(crate) open: OpenEnvironment,
}

fn no_state() -> Fault {
    let text = "state cannot be read while the function tells when records happened";
    Fault::new(FaultKind::Forbidden, text)
}

impl Environment for TimesEnvironment {
    fn get_many(&self, _: u16, _: &[u8]) -> Result<Vec<u8>, Fault> {
        Err(no_state())
    }

    fn scan(&self, _: u16, _: &[u8], _: Option<&[u8]>, _: u32, _: bool) -> Result<Vec<u8>, Fault> {
        Err(no_state())
    }

    fn now(&self, row: u32) -> i64 {
        let at = self.asked.rows.start + row as usize;
        let records = Batch::parse(&self.asked.fetch.batch).and_then(Batch::records);
        let time = records.ok().filter(|_| at < self.asked.rows.end).map(|it| it.timestamp(at));
        time.unwrap_or_else(|| self.open.now(row))
    }

    fn watermark(&self) -> i64 {
        self.open.watermark()
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        let at = self.asked.rows.start + row as usize;
        let in_rows = at < self.asked.rows.end;
        let offset = if in_rows { self.asked.fetch.offsets.get(at) } else { u64::MAX };
        crate::random::random(self.seed, offset, draw)
    }

    fn config(&self, name: &str) -> Option<String> {
        self.open.config(name)
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        self.open.config_entries()
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.open.secret(name)
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.open.log(level, message);
    }

    fn counter(&self, name: &str, amount: f64) {
        self.open.counter(name, amount);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.open.gauge(name, value);
    }
}

//! Tapping a function: what goes in and what comes of it, live, for people who look on.
//!
//! Only what is durable is shown. A reader that is slow, or that is told more than it may be, misses
//! samples and is told how many; the function never waits.

use std::sync::Arc;

use pelton_core::{Domain, Error, FunctionId, Result};
use pelton_engine::{Cause, Sample, Watch, Watched};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Functions, blocking};
use crate::compare::{ComparedRecord, ComparisonCause, records, shown};
use crate::data::json::value_of;

/// Samples that are told at a time at most; more are counted as missed.
pub const SAMPLES_AT_ONCE_MAX: usize = 500;

/// One record, window or timer, and what the function did for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TapSample {
    /// The version that runs. Of a function with a canary: that beside which the canary runs.
    pub version: u64,
    /// The record, window or timer.
    pub cause: ComparisonCause,
    /// The value of a record.
    #[serde(default)]
    pub value: Value,
    /// The time of a record, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// A record that was too late for every window of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// What was sent for it, in order.
    pub sent: Vec<ComparedRecord>,
    /// How often state or a timer was changed for it.
    pub changes: usize,
    /// Why it was given up, where it was: what its dead letter says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What a look at a tapped function has found.
#[derive(Debug, Default)]
pub struct Tapped {
    /// Oldest first by partition.
    pub samples: Vec<TapSample>,
    /// Records, windows and timers that nobody has looked at.
    pub missed: u64,
}

/// A tap on a function: it holds over new versions, pauses and starts of its tasks.
pub struct FunctionTap {
    functions: Arc<Functions>,
    function: FunctionId,
    /// Of each partition.
    watches: Vec<Option<Arc<Watch>>>,
    key: Option<Vec<u8>>,
}

impl Functions {
    /// Taps a function: everything from here on, or what has this key.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`; `E-TAP-BUSY` where as many tap it as may.
    pub async fn tap(
        self: &Arc<Self>,
        function: &FunctionId,
        key: Option<Vec<u8>>,
    ) -> Result<FunctionTap> {
        self.record(function)?;
        let (functions, function) = (Arc::clone(self), function.clone());
        let mut tap = FunctionTap { functions, function, watches: Vec::new(), key };
        tap.attach().await?;
        Ok(tap)
    }
}

impl FunctionTap {
    /// Watches the tasks that are not watched yet. A function that does not run has none.
    async fn attach(&mut self) -> Result<()> {
        let Some(running) = self.functions.running(&self.function) else { return Ok(()) };
        let partitions = running.deployment.partitions();
        self.watches.resize(partitions as usize, None);
        for partition in 0..partitions {
            let watch = &mut self.watches[partition as usize];
            if watch.as_ref().is_none_or(|watch| watch.has_ended()) {
                let visited = running.deployment.visit(partition, |task| task.watch()).await;
                *watch = visited.transpose()?;
            }
        }
        Ok(())
    }

    /// What is durable and was not told yet.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN` where it was removed; `E-TAP-BUSY` where it has started anew and others
    /// were quicker; `E-BATCH` where a batch cannot be read.
    pub async fn look(&mut self) -> Result<Tapped> {
        self.functions.record(&self.function)?;
        self.attach().await?;
        let durable = self.functions.node.journal().durable();
        let watches = self.watches.clone();
        let key = self.key.clone();
        blocking(move || {
            let mut found = Tapped::default();
            for (partition, watch) in watches.iter().enumerate() {
                let Some(watch) = watch else { continue };
                found.missed += watch.take_missed();
                while let Some(watched) = watch.next(durable) {
                    found.take(&watched, partition as u32, key.as_deref())?;
                }
            }
            Ok(found)
        })
        .await
    }
}

impl Tapped {
    fn take(&mut self, watched: &Watched, partition: u32, key: Option<&[u8]>) -> Result<()> {
        let samples = watched.samples().map_err(|error| {
            Error::new("E-BATCH", Domain::Internal, "a batch of a tapped call").caused_by(error)
        })?;
        for sample in samples {
            if key.is_some() && key_of(&sample.cause) != key {
                continue;
            }
            if self.samples.len() < SAMPLES_AT_ONCE_MAX {
                self.samples.push(told(watched.deployment, partition, sample));
            } else {
                self.missed += 1;
            }
        }
        Ok(())
    }
}

fn key_of(cause: &Cause) -> Option<&[u8]> {
    match cause {
        Cause::Record { key, .. } | Cause::Window { key, .. } | Cause::Timer { key, .. } => {
            key.as_deref()
        }
    }
}

fn told(version: u64, partition: u32, sample: Sample) -> TapSample {
    let Sample { cause, given, effect } = sample;
    TapSample {
        version,
        cause: shown(cause, partition),
        value: value_of(given.as_ref().and_then(|given| given.value.as_deref())),
        timestamp: given.as_ref().map(|given| given.timestamp),
        late: given.is_some_and(|given| given.late),
        sent: records(&effect),
        changes: effect.changes(),
        fault: effect.fault,
    }
}

//! Tapping a function: what goes in and what comes of it, live, for people who look on.
//!
//! Only what is durable is shown. A reader that is slow, or that is told more than it may be, misses
//! samples and is told how many; the function never waits.

use std::sync::Arc;

use pelton_core::{Domain, Error, FunctionId, Result};
use pelton_engine::{Cause, Sample, Task, Watched};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Functions, blocking};
use crate::compare::{ComparedRecord, ComparisonCause, records, shown};
use crate::data::json::value_of;
use crate::node::Attached;

/// Samples that are told at a time at most; more are counted as missed.
pub const SAMPLES_AT_ONCE_MAX: usize = 500;

/// A version of a function that has a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TapSide {
    /// The one that was there before; it also answers what the canary fails at.
    Stable,
    /// The new one.
    Canary,
}

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
    /// Where it went through a canary: the version that has answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<TapSide>,
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
    attached: Arc<Attached>,
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
        // The tasks that start from here on attach it themselves; a function that does not run has none.
        let attached = self.node.taps().add(function)?;
        if let Some(running) = self.running(function) {
            for partition in 0..running.deployment.partitions() {
                let tap = Arc::clone(&attached);
                let attach = move |task: &mut Task| tap.attach(partition, task);
                running.deployment.visit(partition, attach).await;
            }
        }
        let (functions, function) = (Arc::clone(self), function.clone());
        Ok(FunctionTap { functions, function, attached, key })
    }
}

impl FunctionTap {
    /// What is durable and was not told yet.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN` where it was removed; `E-TAP-BUSY` where a task could not be watched;
    /// `E-BATCH` where a batch cannot be read.
    pub async fn look(&mut self) -> Result<Tapped> {
        self.functions.record(&self.function)?;
        let watches = self.attached.watches()?;
        let durable = self.functions.node.journal().durable();
        let key = self.key.clone();
        blocking(move || {
            let mut found = Tapped::default();
            for (partition, watch) in watches {
                found.missed += watch.take_missed();
                while let Some(watched) = watch.next(durable) {
                    found.take(&watched, partition, key.as_deref())?;
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
    let Sample { cause, given, effect, canary } = sample;
    TapSample {
        version,
        cause: shown(cause, partition),
        value: value_of(given.as_ref().and_then(|given| given.value.as_deref())),
        timestamp: given.as_ref().map(|given| given.timestamp),
        late: given.is_some_and(|given| given.late),
        sent: records(&effect),
        changes: effect.changes(),
        side: canary.map(|is_new| if is_new { TapSide::Canary } else { TapSide::Stable }),
        fault: effect.fault,
    }
}

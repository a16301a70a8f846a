//! A version becomes the active one: in the registry first, then on the node.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::Result;

use super::super::record::{EventKind, FunctionRecord};
use super::super::{Functions, Loaded, blocking};
use super::{DeployReport, Outcome};

impl Functions {
    /// Makes `new` the active version, in the registry and on the node.
    pub(in crate::functions) async fn activate(
        self: &Arc<Self>,
        mut record: FunctionRecord,
        new: Loaded,
        mut report: DeployReport,
        kind: EventKind,
        wait: Duration,
    ) -> Result<DeployReport> {
        let function = record.function.clone();
        let number = new.number;
        if record.canary.take().is_some() {
            self.end_canary(&function);
            // Not by a way back to the canary, if the new version does not pass its trial.
            if let Some(running) = self.running(&function) {
                self.all_keys_to_active(&running)?;
            }
        }
        let before = record.clone();
        let base = self.base(&record, report.outcome, number).await?;
        record.before = match report.outcome {
            Outcome::Swapped => record.before.or(Some(record.active)).filter(|old| *old != number),
            _ => base.as_ref().map(|base| base.number),
        };
        record.was_paused = record.paused && record.before.is_some();
        let saves = report.outcome == Outcome::Swapped || report.outcome == Outcome::Restarted;
        if saves {
            self.savepoint_before(&before, number).await?;
        }
        record.active = number;
        record.paused = false;
        record.note(self.now_ms(), kind, number, None);
        self.keep(&record).await?;
        let node = Arc::clone(&self.node);
        let topics = new.clone();
        let done = match blocking(move || topics.ensure_topics(&node)).await {
            Err(error) => Err(error),
            Ok(()) => match (report.outcome, self.running(&function)) {
                (Outcome::Swapped, Some(running)) => {
                    self.swap(&function, &running, new, wait).await
                }
                _ => self.restart(&function, new, base, wait).await,
            },
        };
        match done {
            Ok(trial) => {
                report.trial = trial;
                Ok(report)
            }
            Err(error) if ["E-DEPLOY-TRIAL", "E-DEPLOY-PARTIAL"].contains(&error.code) => {
                Err(error)
            }
            Err(error) => {
                if saves {
                    self.swap_failed(&function, number).await;
                }
                // Nothing runs that did not run before: the registry says so again.
                let mut back = before;
                back.versions = record.versions;
                let message = Some(error.to_string());
                back.note(self.now_ms(), EventKind::TrialFailed, number, message);
                if back.active > 0 {
                    self.keep(&back).await?;
                } else {
                    let (registry, now) = (self.registry.clone(), self.now_ms());
                    blocking(move || registry.remove(&back.function, true, now)).await?;
                }
                Err(error)
            }
        }
    }

    /// The version that goes on where the new one fails its trial, and that does not run or reads other
    /// topics: what the function ran last.
    async fn base(
        &self,
        record: &FunctionRecord,
        outcome: Outcome,
        number: u64,
    ) -> Result<Option<Loaded>> {
        let last = record.before.unwrap_or(record.active);
        let starts = matches!(outcome, Outcome::Started | Outcome::Restarted);
        if !starts || record.version(last).is_none() || last == number {
            return Ok(None);
        }
        self.load(record, last).await.map(Some)
    }

    async fn keep(&self, record: &FunctionRecord) -> Result<()> {
        let (registry, now, record) = (self.registry.clone(), self.now_ms(), record.clone());
        blocking(move || registry.put(&record, now)).await
    }
}

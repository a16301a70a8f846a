//! Watching a canary until its rule says something.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::{FunctionId, Result};

use super::SharedCanary;
use super::rule::Judgement;
use crate::functions::record::EventKind;
use crate::functions::{Functions, Running, lock};

/// How often the rule is asked.
const WATCH: Duration = Duration::from_millis(100);
/// How long a promotion waits for the first commits, before it is followed in the background.
const PROMOTION_WAIT: Duration = Duration::from_secs(2);

impl Functions {
    /// Watches until the canary is over.
    pub(super) fn watch_canary(self: &Arc<Self>, function: FunctionId, canary: SharedCanary) {
        let functions = Arc::clone(self);
        self.following.spawn(async move {
            while tokio::time::timeout(WATCH, canary.over.cancelled()).await.is_err() {
                let judgement = canary.record.judge(&canary.board.counts(), functions.now_ms());
                let ended = match judgement {
                    Judgement::Watch => continue,
                    Judgement::Promote => functions.canary_passed(&function, &canary).await,
                    Judgement::RollBack(why) => {
                        functions.canary_failed(&function, &canary, why).await
                    }
                };
                if let Err(error) = ended {
                    tracing::error!(%function, %error, "a canary could not be ended");
                }
                return;
            }
        });
    }

    async fn canary_passed(
        self: &Arc<Self>,
        function: &FunctionId,
        canary: &SharedCanary,
    ) -> Result<()> {
        let _turn = self.turn(function).await;
        if canary.over.is_cancelled() {
            return Ok(());
        }
        self.promote_canary(function, PROMOTION_WAIT).await.map(drop)
    }

    async fn canary_failed(
        &self,
        function: &FunctionId,
        canary: &SharedCanary,
        why: String,
    ) -> Result<()> {
        let _turn = self.turn(function).await;
        if canary.over.is_cancelled() {
            return Ok(());
        }
        tracing::warn!(%function, "a canary is rolled back: {why}");
        self.roll_canary_back(function, Some(why)).await
    }

    /// Ends the canary: all keys go through the version that is active.
    pub(in crate::functions) async fn roll_canary_back(
        &self,
        function: &FunctionId,
        why: Option<String>,
    ) -> Result<()> {
        let mut record = self.registry.get(function)?;
        let Some(canary) = record.canary.take() else { return Ok(()) };
        self.end_canary(function);
        if let Some(running) = self.running(function) {
            self.all_keys_to_active(&running)?;
        }
        record.note(self.now_ms(), EventKind::CanaryRolledBack, canary.version, why);
        self.write(record).await
    }

    pub(in crate::functions) fn all_keys_to_active(&self, running: &Running) -> Result<()> {
        let active = lock(&running.versions).active.clone();
        self.node.swap(&running.deployment, &active.spec, &active.factory, |_, _| {})
    }

    /// Nobody watches it any more, and from the next call on nothing goes through the new version, even
    /// where a task goes back to both: it was handed over, and the other has failed before its first
    /// commit.
    pub(in crate::functions) fn end_canary(&self, function: &FunctionId) {
        if let Some((_, canary)) = self.canaries.remove(function) {
            canary.over.cancel();
            canary.board.end();
        }
    }
}

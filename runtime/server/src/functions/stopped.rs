//! A function that has stopped by itself: its history says so.

use std::sync::Arc;

use pelton_core::{FunctionId, Result};

use super::record::EventKind;
use super::{Functions, Running};

impl Functions {
    /// Writes it down when a task of `running` stops by itself. On trial that is the trial's matter.
    pub(super) fn watch(self: &Arc<Self>, function: &FunctionId, running: &Arc<Running>) {
        let (functions, function) = (Arc::clone(self), function.clone());
        let (shared, running) = (Arc::clone(&running.deployment.shared), Arc::downgrade(running));
        self.following.spawn(async move {
            let Some(cause) = shared.failed().await else { return };
            let _turn = functions.turn(&function).await;
            let current = functions.running(&function);
            let is_current = current
                .is_some_and(|current| std::ptr::eq(Arc::as_ptr(&current), running.as_ptr()));
            if !is_current {
                return;
            }
            if let Err(error) = functions.note_stopped(&function, cause).await {
                tracing::warn!(%function, %error, "that it has stopped could not be written down");
            }
        });
    }

    async fn note_stopped(&self, function: &FunctionId, cause: String) -> Result<()> {
        let mut record = self.registry.get(function)?;
        if record.before.is_some() {
            return Ok(());
        }
        record.note(self.now_ms(), EventKind::Stopped, record.active, Some(cause));
        self.write(record).await
    }
}

//! What a server does by itself: retention, compaction, room for new segments; samples for charts.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::state::App;
use crate::history::{NodeTotals, SAMPLE_EVERY};
use crate::node::Node;

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(30);

/// Cleans the journal now and then, until the server shuts down. What fails is told and tried again
/// with the next round.
pub(super) async fn keep_clean(node: Arc<Node>, draining: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = draining.cancelled() => return,
        }
        let node = Arc::clone(&node);
        let cleaning = move || node.journal().clean(node.clock().now_ms());
        match tokio::task::spawn_blocking(cleaning).await {
            Ok(Ok(report)) => tracing::debug!(?report, "the journal was cleaned"),
            Ok(Err(error)) => tracing::warn!(%error, "the journal could not be cleaned"),
            Err(error) => tracing::error!(%error, "cleaning the journal failed"),
        }
    }
}

/// Takes a sample of what is going on every few seconds, until the server shuts down.
pub(super) async fn keep_history(app: App) {
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.draining().cancelled() => return,
        }
        let of = app.clone();
        let sample = move || {
            let (metrics, functions) = (of.metrics(), of.functions());
            let totals = NodeTotals {
                produced: metrics.records_produced.get(),
                consumed: metrics.records_consumed.get(),
                durable: of.node().journal().durable(),
            };
            let now_ms = of.node().clock().now_ms();
            functions.history().sample(now_ms, totals, &functions.figures());
        };
        if let Err(error) = tokio::task::spawn_blocking(sample).await {
            tracing::error!(%error, "taking a sample failed");
        }
    }
}

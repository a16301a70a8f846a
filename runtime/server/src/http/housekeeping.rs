//! What a server does by itself: retention, compaction, room for new segments.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

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

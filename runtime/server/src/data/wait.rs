//! Waiting for records to become durable.

use std::time::Duration;

use pelton_journal::{Topic, Visibility};
use tokio::time::{Instant, sleep_until};

use super::{Cursor, DataPlane};

/// First and longest pause between two looks.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(20);

impl DataPlane {
    /// Waits until a durable record stands at the cursor, the topic is deleted, the journal has
    /// stopped, or it is `until`. Answers whether there is something to look at.
    pub async fn wait_for_records(&self, topic: &Topic, cursor: &Cursor, until: Instant) -> bool {
        let mut pause = PAUSE_MIN;
        loop {
            if self.has_news(topic, cursor) {
                return true;
            }
            let now = Instant::now();
            if now >= until {
                return false;
            }
            sleep_until((now + pause).min(until)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn has_news(&self, topic: &Topic, cursor: &Cursor) -> bool {
        let behind = |(number, position): (&u32, &u64)| {
            let end = topic.partition(*number).map(|to| to.end(Visibility::Durable));
            end.map_or(true, |end| *position < end)
        };
        topic.is_deleted() || self.journal.health().is_err() || cursor.0.iter().any(behind)
    }
}

//! Waiting for records to become durable.

use std::future::poll_fn;
use std::task::Poll;

use pelton_journal::{Topic, Visibility};
use tokio::time::{Instant, timeout_at};

use super::{Cursor, DataPlane};

impl DataPlane {
    /// Waits until a durable record stands at the cursor, the topic is deleted, the journal has
    /// stopped, or it is `until`. Answers whether there is something to look at. Nobody is woken
    /// in between.
    pub async fn wait_for_records(&self, topic: &Topic, cursor: &Cursor, until: Instant) -> bool {
        let place = |(number, offset): (&u32, &u64)| {
            let partition = topic.partition(*number).ok()?;
            Some((partition.waiter(), *offset))
        };
        let places: Vec<_> = cursor.at.iter().filter_map(place).collect();
        let news = poll_fn(|context| {
            // All of them are asked: each has to know whom to wake.
            let ready = places.iter().filter(|(waiter, offset)| {
                waiter.poll(*offset, Visibility::Durable, context.waker()).is_ready()
            });
            if ready.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        timeout_at(until, news).await.is_ok()
    }
}

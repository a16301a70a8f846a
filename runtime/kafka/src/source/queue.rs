//! Messages in batches, straight from librdkafka: more than twice as fast as one by one, and the
//! only way to learn which topic has ended.
//!
//! The partitions' queues are forwarded into one queue of our own. Forwarding comes before the
//! assignment, so that no message ever lands in the consumer's own queue.
#![allow(unsafe_code, reason = "librdkafka's batch interface has no safe wrapper")]

use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{IsError, KafkaError as Cause};
use rdkafka::types::RDKafkaRespErr as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::context::Context;
use crate::source::message::Message;

/// Messages that are taken out of librdkafka at once.
const MESSAGES_MAX: usize = 1_000;

/// What is called, on a thread of librdkafka's, when the queue is no longer empty.
pub(crate) type Notify = Box<dyn Fn() + Send + Sync>;

/// A consumer and the queue that its partitions deliver into.
pub(crate) struct ReadQueue {
    queue: *mut sys::rd_kafka_queue_t,
    messages: Vec<*mut sys::rd_kafka_message_t>,
    /// Two boxes, since a pointer to a trait object is two words wide and C hands back one.
    #[allow(clippy::redundant_allocation, reason = "C hands back one word")]
    notify: Option<Box<Notify>>,
    assigned: bool,
    consumer: BaseConsumer<Context>,
}

// SAFETY: librdkafka's queues may be used from any thread; `messages` is empty between calls.
unsafe impl Send for ReadQueue {}

/// What comes out of the queue.
pub(crate) enum Event<'a> {
    /// A record.
    Record(Message<'a>),
    /// Everything up to this offset of the partition has come.
    End(Message<'a>),
    /// Reading the partition failed.
    Failed(Message<'a>, Cause),
}

impl ReadQueue {
    pub(crate) fn new(consumer: BaseConsumer<Context>) -> Self {
        // SAFETY: the client outlives the queue, since `consumer` is held beside it.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        assert!(!queue.is_null(), "librdkafka makes a queue or aborts");
        Self {
            queue,
            messages: Vec::with_capacity(MESSAGES_MAX),
            notify: None,
            assigned: false,
            consumer,
        }
    }

    pub(crate) fn consumer(&self) -> &BaseConsumer<Context> {
        &self.consumer
    }

    /// Has `notify` called whenever the queue stops being empty.
    pub(crate) fn on_arrival(&mut self, notify: Notify) {
        unsafe extern "C" fn arrived(_: *mut sys::rd_kafka_t, opaque: *mut c_void) {
            // SAFETY: the opaque pointer is that of the box in `self.notify`, which is let go of
            // only after the callback was switched off.
            let notify = unsafe { &*opaque.cast::<Notify>() };
            notify();
        }
        let notify = Box::new(notify);
        let opaque = ptr::from_ref(&*notify).cast_mut().cast();
        // SAFETY: the queue is alive, and so is what the pointer points at (see above). Switching
        // the callback over takes the queue's lock, which is also held while it is called.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue, Some(arrived), opaque) };
        self.notify = Some(notify);
    }

    /// Takes these partitions, each from an offset. Only once: when librdkafka lets go of a
    /// partition it also undoes the forwarding, some time later, and a second assignment would
    /// race with that.
    ///
    /// # Errors
    /// What librdkafka does not take.
    pub(crate) fn assign<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = (&'a str, i32, u64)>,
    ) -> Result<(), Cause> {
        debug_assert!(!self.assigned, "a queue is assigned once");
        self.assigned = true;
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in partitions {
            self.forward(topic, partition);
            let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
            list.add_partition_offset(topic, partition, offset)?;
        }
        self.consumer.assign(&list)
    }

    fn forward(&self, topic: &str, partition: i32) {
        // A topic's name has no zero byte; librdkafka refuses one that has, when it is assigned.
        let Ok(topic) = CString::new(topic) else { return };
        let client = self.consumer.client().native_ptr();
        // SAFETY: client and queue are alive; the reference to the partition's queue is given back.
        unsafe {
            let from = sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition);
            if !from.is_null() {
                sys::rd_kafka_queue_forward(from, self.queue);
                sys::rd_kafka_queue_destroy(from);
            }
        }
    }

    /// Hands over what is there, up to a batch; waits for the first of it up to `wait`. Answers
    /// how much it was.
    pub(crate) fn read(&mut self, wait: Duration, mut each: impl FnMut(Event<'_>)) -> usize {
        // Logs and errors of the client itself; partitions deliver elsewhere.
        match self.consumer.poll(Duration::ZERO) {
            Some(Err(error)) => tracing::warn!(%error, "kafka consumer"),
            Some(Ok(message)) => debug_assert!(false, "a record went astray: {message:?}"),
            None => {}
        }
        // A call for many messages waits until there are many, or the time is over: so the wait is
        // for one.
        if !wait.is_zero() {
            self.take(wait, 1);
        }
        self.take(Duration::ZERO, MESSAGES_MAX - self.messages.len());
        let count = self.messages.len();
        for index in 0..count {
            // SAFETY: librdkafka wrote the pointer and gave up the message; it lives until the end
            // of the loop's body, and `each` cannot keep what it borrows.
            let message = unsafe { Message::new(&*self.messages[index]) };
            each(match message.error() {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => Event::Record(message),
                Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => Event::End(message),
                code => Event::Failed(message, Cause::MessageConsumption(code.into())),
            });
            // SAFETY: it is ours, and is not looked at again.
            unsafe { sys::rd_kafka_message_destroy(self.messages[index]) };
        }
        self.messages.clear();
        count
    }

    fn take(&mut self, wait: Duration, most: usize) {
        let held = self.messages.len();
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let room = most.min(self.messages.capacity() - held);
        // SAFETY: there is room for `room` pointers behind those that are held, and librdkafka
        // says how many it has written.
        unsafe {
            let free = self.messages.as_mut_ptr().add(held);
            let got = sys::rd_kafka_consume_batch_queue(self.queue, wait_ms, free, room);
            self.messages.set_len(held + usize::try_from(got).unwrap_or(0).min(room));
        }
    }

    /// The end of a partition as of the last answer to a fetch, without asking the brokers. It may
    /// lie behind records of transactions that are still open.
    pub(crate) fn cached_end(&self, topic: &CStr, partition: i32) -> Option<u64> {
        let (mut low, mut high) = (-1, -1);
        let client = self.consumer.client().native_ptr();
        // SAFETY: all pointers are alive for the call.
        let code = unsafe {
            let topic = topic.as_ptr();
            sys::rd_kafka_get_watermark_offsets(client, topic, partition, &mut low, &mut high)
        };
        if code.is_error() { None } else { u64::try_from(high).ok() }
    }
}

impl Drop for ReadQueue {
    fn drop(&mut self) {
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "unassigning a Kafka consumer");
        }
        // SAFETY: the callback goes before what it points at, the queue before its client.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

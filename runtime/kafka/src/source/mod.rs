//! Reading: partitions that are assigned by hand, committed records only.

mod input;
mod message;
mod queue;
mod start;

use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use pelton_core::{Domain, Error, Fetch, Result, Source, Start, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::admin::{broker, client};
use crate::config::Cluster;
use crate::context::Context;
use crate::error::{KafkaError, core};
use crate::names::kafka_topic;
use input::Input;
use message::Message;
pub(crate) use queue::{Event, ReadQueue};
pub(crate) use start::ends;

type SharedWaker = Arc<Mutex<Option<Waker>>>;

/// Reads partitions of a cluster. [`Source::assign`] and [`Source::seek`] ask the brokers and wait
/// for them; nothing else does.
pub struct KafkaSource {
    cluster: Cluster,
    group: String,
    queue: ReadQueue,
    /// Whether the queue was assigned its partitions.
    used: bool,
    inputs: Vec<Input>,
    waker: SharedWaker,
    /// Whether something has happened that is not a record: an end, an error.
    news: bool,
}

impl KafkaSource {
    /// A source that reads as a member of no group; `group` is its name in the brokers' logs.
    ///
    /// # Errors
    /// [`KafkaError::Client`] where the settings are wrong. Whether the brokers can be reached
    /// shows when partitions are assigned.
    pub fn new(cluster: &Cluster, group: &str) -> Result<Self, KafkaError> {
        let waker = Arc::new(Mutex::new(None));
        let queue = open(cluster, group, &waker)?;
        let (cluster, group) = (cluster.clone(), group.to_owned());
        Ok(Self { cluster, group, queue, used: false, inputs: Vec::new(), waker, news: false })
    }

    /// Takes over what librdkafka has; answers whether there was anything.
    fn drain(&mut self) -> bool {
        let Self { queue, inputs, news, cluster, .. } = self;
        let mut last = ((0, -1), None);
        let count = queue.read(Duration::ZERO, |event| {
            let message = match &event {
                Event::Record(message) | Event::End(message) | Event::Failed(message, _) => {
                    *message
                }
            };
            if last.0 != message.handle() {
                last = (message.handle(), find(inputs, &message));
            }
            let Some(input) = last.1.and_then(|index: usize| inputs.get_mut(index)) else { return };
            match event {
                Event::Record(message) => input.push(&message),
                Event::End(message) => {
                    input.finish();
                    input.reached_end(message.offset());
                    *news = true;
                }
                Event::Failed(_, cause) => {
                    let what = format!("reading {}-{}", input.name, input.partition);
                    input.failed = Some(core(broker(cluster, what, cause)));
                    *news = true;
                }
            }
        });
        inputs.iter_mut().for_each(Input::finish);
        self.hold_back();
        count > 0
    }

    /// Tells librdkafka to stop where too much is waiting, and to go on where it is read.
    fn hold_back(&mut self) {
        for input in &mut self.inputs {
            let mut list = TopicPartitionList::new();
            list.add_partition(&input.name, input.partition);
            let changed = if input.wants_hold() {
                self.queue.consumer().pause(&list).map(|()| true)
            } else if input.wants_release() {
                self.queue.consumer().resume(&list).map(|()| false)
            } else {
                continue;
            };
            match changed {
                Ok(held) => input.held = held,
                Err(error) => tracing::warn!(%error, topic = input.name, "holding a partition"),
            }
        }
    }

    /// Reads every input from its position on; what was fetched of them is void.
    fn reassign(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.used, true) {
            self.queue = open(&self.cluster, &self.group, &self.waker).map_err(core)?;
        }
        self.inputs.iter_mut().for_each(Input::forget);
        let at = self.inputs.iter().map(|input| (&*input.name, input.partition, input.position));
        self.queue
            .assign(at)
            .map_err(|cause| core(broker(&self.cluster, "assigning partitions".into(), cause)))
    }

    fn input(&mut self, input: usize) -> Result<&mut Input> {
        let count = self.inputs.len();
        let text = format!("there is no input {input}; {count} are assigned");
        let error = Error::new("E-INTERNAL", Domain::Internal, text);
        self.inputs.get_mut(input).ok_or(error)
    }
}

fn open(cluster: &Cluster, group: &str, waker: &SharedWaker) -> Result<ReadQueue, KafkaError> {
    let mut queue = ReadQueue::new(consumer(cluster, group)?);
    let waker = Arc::clone(waker);
    queue.on_arrival(Box::new(move || {
        let waker = waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }));
    Ok(queue)
}

pub(crate) fn consumer(
    cluster: &Cluster,
    group: &str,
) -> Result<BaseConsumer<Context>, KafkaError> {
    BaseConsumer::from_config_and_context(&cluster.consumer(group), Context)
        .map_err(|cause| client(cluster, &cause))
}

fn find(inputs: &[Input], message: &Message<'_>) -> Option<usize> {
    let topic = message.topic();
    inputs
        .iter()
        .position(|input| input.partition == message.partition() && input.topic.as_c_str() == topic)
}

impl Source for KafkaSource {
    fn assign(&mut self, inputs: &[(TopicPartition, Start)]) -> Result<()> {
        let mut taken = Vec::with_capacity(inputs.len());
        for (at, start) in inputs {
            if at.cluster != self.cluster.name {
                let text = format!("{at} is not on this cluster: give it a source of its own");
                return Err(Error::new("E-SOURCE-CLUSTER", Domain::Internal, text));
            }
            let name = kafka_topic(&at.topic).map_err(core)?;
            let consumer = self.queue.consumer();
            let (position, end) =
                start::resolve(&self.cluster, consumer, &name, at.partition, *start)
                    .map_err(core)?;
            let why = "it holds a zero byte";
            let topic = CString::new(name.clone())
                .map_err(|_| core(KafkaError::Name { name: name.clone(), why }))?;
            let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
            let mut input = Input::new(topic, name, partition, position);
            input.end = end;
            taken.push(input);
        }
        self.inputs = taken;
        self.reassign()
    }

    fn fetch(&mut self, input: usize) -> Result<Option<Fetch>> {
        let at = self.input(input)?;
        if let Some(error) = at.failed.take() {
            return Err(error);
        }
        if at.paused {
            return Ok(None);
        }
        while !self.inputs[input].has_waiting() && self.drain() {}
        let fetch = self.inputs[input].pop();
        self.hold_back();
        Ok(fetch)
    }

    fn seek(&mut self, input: usize, offset: u64) -> Result<()> {
        let (name, partition) = {
            let at = self.input(input)?;
            (at.name.clone(), at.partition.unsigned_abs())
        };
        let (_, end) =
            start::ends(&self.cluster, self.queue.consumer(), &name, partition).map_err(core)?;
        if offset > end {
            return Err(core(KafkaError::BeyondEnd { topic: name, partition, offset, end }));
        }
        let at = self.input(input)?;
        at.position = offset;
        at.end = end;
        self.reassign()
    }

    fn position(&mut self, input: usize) -> Result<u64> {
        Ok(self.input(input)?.position)
    }

    fn end(&mut self, input: usize) -> Result<u64> {
        let at = self.input(input)?;
        if at.at_end {
            return Ok(at.end);
        }
        let (known, partition) = (at.end, at.partition);
        let cached = self.queue.cached_end(&self.inputs[input].topic, partition);
        Ok(cached.unwrap_or(0).max(known))
    }

    fn pause(&mut self, input: usize, paused: bool) {
        if let Some(input) = self.inputs.get_mut(input) {
            input.paused = paused;
        }
    }

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<()> {
        // The waker first: what arrives behind the last drain has to find it.
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        let waiting = |input: &Input| !input.paused && input.has_waiting();
        while !self.inputs.iter().any(waiting) && self.drain() {}
        let ready = self.inputs.iter().any(waiting) || std::mem::take(&mut self.news);
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

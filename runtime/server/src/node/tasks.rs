//! Tasks of a deployment: started, handed over to another version, accompanied.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pelton_core::{BoxFuture, Domain, Error, GuestFactory, Result, TaskId, TenantId, TopicName};
use pelton_engine::{GuestPool, Peers, Replacement};
use pelton_journal::TopicConfig;
use tokio::sync::Semaphore;

use super::Node;
use super::outputs::output_topic;
use super::running::RunningTask;
use crate::control::{Control, SwapEvent};
use crate::data::of;
use crate::deployment::{Deployment, Shared};
use crate::drive::Driver;
use crate::spec::{DeploymentSpec, TaskTopics};
use crate::workers::Timers;

/// The share of CPU time of a function of weight 1, where all shadows of a tenant have 1: those get at
/// most a ninth of a worker that is full.
const WEIGHT_UNIT: u32 = 8;

impl Node {
    /// Starts the tasks of a deployment, one for each partition of its inputs. Output topics that
    /// do not exist are created with as many partitions.
    ///
    /// # Errors
    /// Where a topic is missing, inputs have unequal numbers of partitions, or an output has no
    /// topic.
    pub fn deploy(
        &self,
        spec: &DeploymentSpec,
        factory: Arc<dyn GuestFactory>,
    ) -> Result<Deployment> {
        self.deploy_with(spec, factory, |_| Ok(()))
    }

    /// As [`Self::deploy`]; `before` is done with the deployment before any of its tasks makes a step:
    /// a version that it swaps in is the first that does.
    pub(crate) fn deploy_with(
        &self,
        spec: &DeploymentSpec,
        factory: Arc<dyn GuestFactory>,
        before: impl FnOnce(&Deployment) -> Result<()>,
    ) -> Result<Deployment> {
        let partitions = self.co_partitions(spec)?;
        let first = self.first_worker(spec, partitions);
        let parts = self.task_parts(spec, &factory, partitions, first)?;
        let (shared, peers) = (Arc::new(Shared::default()), Peers::new(partitions as usize));
        shared.begin(partitions as usize);
        let control = |(partition, part)| Arc::new(Control::new(partition, part));
        let tasks: Vec<_> = (0..).zip(parts).map(control).collect();
        self.register_tasks(spec, partitions)?;
        let function = spec.function.clone();
        let deployment = Deployment { function, first_worker: first, shared, tasks };
        before(&deployment)?;
        for (partition, control) in deployment.tasks.iter().enumerate() {
            let worker = first + partition;
            let running = RunningTask {
                journal: Arc::clone(&self.journal),
                telemetry: Arc::clone(&self.telemetry),
                peers: peers.clone(),
                shared: Arc::clone(&deployment.shared),
                taps: Arc::clone(&self.taps),
                driver: Driver {
                    clock: Arc::clone(&self.clock),
                    timers: self.workers.timers(worker),
                    permits: self.workers.call_permits(worker),
                    control: Arc::clone(control),
                    latency: deployment.shared.latency(),
                },
            };
            let tenant = spec.function.tenant().clone();
            let weight = spec.weight.saturating_mul(WEIGHT_UNIT);
            self.workers.spawn(worker, tenant, weight, Box::pin(running.run()));
        }
        Ok(deployment)
    }

    /// Has the functions that read or write one of these topics run together from their next start on: the
    /// first task of each on `worker`, or on the next one in turn.
    pub(crate) fn keep_together(&self, topics: &[TopicName], worker: Option<usize>) {
        let worker = worker.unwrap_or_else(|| self.next_worker.fetch_add(1, Ordering::Relaxed));
        for topic in topics {
            self.together.insert(topic.clone(), worker);
        }
    }

    /// The worker of the first task; the others follow it.
    fn first_worker(&self, spec: &DeploymentSpec, partitions: u32) -> usize {
        let inputs = spec.inputs.iter().map(|input| &input.topic);
        let mut topics = inputs.chain(spec.outputs.values());
        let together = topics.find_map(|topic| self.together.get(topic).map(|worker| *worker));
        let next = || self.next_worker.fetch_add(partitions as usize, Ordering::Relaxed);
        together.unwrap_or_else(next)
    }

    /// Registers all tasks before the first of them writes: who reads what one has written then knows of
    /// the others, and waits for them.
    fn register_tasks(&self, spec: &DeploymentSpec, partitions: u32) -> Result<()> {
        for partition in 0..partitions {
            let id = TaskId { function: spec.function.clone(), partition };
            let registered = self.journal.register_task(&id.to_string(), self.clock.now_ms());
            registered.map_err(of)?;
        }
        Ok(())
    }

    /// Runs something of a tenant's on a worker, beside its functions; `make` is handed the permits
    /// of that worker to be in the middle of a guest call.
    pub(crate) fn spawn(
        &self,
        tenant: TenantId,
        weight: u32,
        make: impl FnOnce(Arc<Semaphore>) -> BoxFuture<'static, ()>,
    ) {
        let worker = self.next_worker.fetch_add(1, Ordering::Relaxed);
        let future = make(self.workers.call_permits(worker));
        self.workers.spawn(worker, tenant, weight, future);
    }

    /// Hands the running tasks of `deployment` to another version, live: each goes over between two
    /// of its calls, state and positions stay, and its first commit is the trial of the new version.
    /// `on_event` is told, on the tasks' threads.
    ///
    /// # Errors
    /// As [`Self::deploy`]; `E-SWAP-INPUTS` where the inputs are others: stop it and deploy anew.
    pub fn swap(
        &self,
        deployment: &Deployment,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        on_event: impl Fn(u32, SwapEvent) + Send + Sync + 'static,
    ) -> Result<()> {
        let partitions = self.co_partitions(spec)?;
        if partitions != deployment.partitions() {
            let text = format!("{}: its inputs have {partitions} partitions now", spec.function);
            return Err(Error::new("E-SWAP-INPUTS", Domain::User, text));
        }
        let parts = self.task_parts(spec, factory, partitions, deployment.first_worker)?;
        let on_event: crate::control::OnSwap = Arc::new(on_event);
        deployment.swap(parts, &on_event);
        Ok(())
    }

    /// Spawns what `make` makes for each running task of `deployment`, to work beside it on another
    /// worker and on its own share of CPU time. Creates nothing.
    ///
    /// # Errors
    /// Where an output has no topic, or the inputs have another number of partitions by now.
    pub(crate) fn beside(
        &self,
        deployment: &Deployment,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        make: impl Fn(Beside) -> BoxFuture<'static, ()>,
    ) -> Result<()> {
        let partitions = self.co_partitions(spec)?;
        if partitions != deployment.partitions() {
            let text = format!("{}: its inputs have {partitions} partitions now", spec.function);
            return Err(Error::new("E-SWAP-INPUTS", Domain::User, text));
        }
        let (declared, tenant) = (factory.declaration(), spec.function.tenant().shadows());
        let output = |topic: TopicName| {
            let known = self.journal.topic(&topic.to_string()).ok();
            let config = known.map_or(TopicConfig::new(partitions), |topic| topic.config());
            output_topic(topic, &config)
        };
        let outputs: Vec<_> = spec.output_topics(declared)?.into_iter().map(output).collect();
        let topics = TaskTopics { outputs, broadcast: self.broadcast(spec)? };
        for (partition, control) in (0..).zip(&deployment.tasks) {
            let worker = deployment.first_worker + partition as usize + 1;
            let config = Arc::new(spec.task(partition, declared, &topics, None));
            let future = make(Beside {
                partition,
                control: Arc::clone(control),
                replacement: Replacement { config, pool: GuestPool::new(Arc::clone(factory)) },
                timers: self.workers.timers(worker),
                permits: self.workers.call_permits(worker),
            });
            self.workers.spawn(worker, tenant.clone(), 1, future);
        }
        Ok(())
    }
}

/// What works beside a running task is made of.
pub(crate) struct Beside {
    pub(crate) partition: u32,
    /// The control of the task.
    pub(crate) control: Arc<Control>,
    /// The other version.
    pub(crate) replacement: Replacement,
    pub(crate) timers: Timers,
    pub(crate) permits: Arc<tokio::sync::Semaphore>,
}

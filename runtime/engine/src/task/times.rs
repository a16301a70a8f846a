//! Asking the function when records happened, before anything else looks at them.

use std::sync::Arc;

use pelton_core::{Fault, FaultKind, Result, SharedEnvironment};

use super::{Step, Task};
use crate::environment::input_seed;
use crate::event_time::Incoming;
use crate::faults::{Decision, decide};
use crate::guest_time::{Asked, TimesEnvironment, Told};
use crate::input::format_error;
use crate::opening::OpenEnvironment;
use crate::telemetry::Counters;

impl Task {
    /// Has the function tell when the records happened that were fetched of inputs which ask it. That
    /// leaves nothing behind but their times: no commit, and where it is done again, the same.
    ///
    /// Answers what to do in place of going on: where it has to be tried again, or a version on trial
    /// has failed at it.
    ///
    /// # Errors
    /// The function cannot be run.
    pub(super) async fn tell_times(&mut self) -> Result<Option<Step>> {
        for index in 0..self.inputs.len() {
            while let Some(fetch) = self.inputs[index].untold() {
                match self.times_of(index, &fetch).await? {
                    Ok(times) => {
                        let told = fetch.told(&times).map_err(format_error)?;
                        self.inputs[index].told(told);
                    }
                    Err(step) => return Ok(Some(step)),
                }
            }
        }
        Ok(None)
    }

    /// What the function tells of each record of a batch: in one call, where none is at fault. One that
    /// it fails at by itself has no time.
    async fn times_of(
        &mut self,
        input: usize,
        fetch: &Arc<Incoming>,
    ) -> Result<Result<Vec<Told>, Step>> {
        let most = self.times_in_a_call(fetch);
        let (mut times, mut take) = (Vec::with_capacity(fetch.rows), most);
        while times.len() < fetch.rows {
            let rows = times.len()..fetch.rows.min(times.len() + take);
            let asked = Asked { input, fetch: Arc::clone(fetch), rows };
            let fault = match self.ask_times(&asked).await {
                Ok(told) => {
                    times.extend(told);
                    self.poison_in_a_row = 0;
                    take = take.saturating_mul(2).min(most);
                    continue;
                }
                Err(fault) => fault,
            };
            let units = asked.rows.len();
            Counters::add(&self.counters.faults, 1);
            self.telemetry.fault(&self.config.id, &fault, units);
            let is_passing = fault.retryable || fault.kind == FaultKind::Host;
            if !is_passing && self.go_back(Some(&fault))? {
                return Ok(Err(Step::Worked));
            }
            self.inputs[input].attempts += 1;
            match decide(&fault, units, self.inputs[input].attempts, &self.config.retry) {
                Decision::Shrink(fewer) => (take, self.inputs[input].attempts) = (fewer, 0),
                Decision::Retry { after_ms } => {
                    Counters::add(&self.counters.retries, 1);
                    let until_ms = self.time.ms().saturating_add(after_ms);
                    self.wait_until = Some(until_ms);
                    return Ok(Err(Step::Wait { until_ms }));
                }
                Decision::Poison if self.go_back(Some(&fault))? => return Ok(Err(Step::Worked)),
                Decision::Poison => {
                    times.push(Err(format!("event_time guest: {fault}")));
                    self.inputs[input].attempts = 0;
                    self.poison_in_a_row += 1;
                    self.breaker(&fault)?;
                }
                Decision::Stop => return self.cannot_run(&fault).map(|_| Err(Step::Worked)),
            }
        }
        Ok(Ok(times))
    }

    /// Records of a batch that a call takes, by the limits of all calls.
    fn times_in_a_call(&self, fetch: &Incoming) -> usize {
        let limits = &self.config.limits;
        let row_bytes = (fetch.batch.len() / fetch.rows.max(1)).max(1);
        let fit = limits.batch_bytes.value as usize / row_bytes;
        fit.min(limits.batch_records.value as usize).max(1)
    }

    async fn ask_times(&mut self, asked: &Asked) -> Result<Vec<Told>, Fault> {
        let broken = |error| Fault::new(FaultKind::Host, format!("an input batch: {error}"));
        let batch = asked.batch(&self.config).map_err(broken)?;
        let open = OpenEnvironment {
            task: self.config.id.clone(),
            settings: self.config.settings.clone(),
            telemetry: Arc::clone(&self.telemetry),
            time_ms: 0,
        };
        let seed = input_seed(&self.config, asked.input);
        let environment: SharedEnvironment =
            Arc::new(TimesEnvironment { asked: asked.clone(), seed, open });
        // Of a function that saves too: what this leaves in memory is no part of what it keeps.
        let mut guest = self.pool.take(Arc::clone(&environment)).await?;
        let before_ns = guest.cpu_ns();
        let answer = guest.call(&batch, environment).await;
        Counters::add(&self.counters.calls, 1);
        Counters::add(&self.counters.cpu_ns, guest.cpu_ns().saturating_sub(before_ns));
        if matches!(&answer, Ok(_) | Err(Fault { kind: FaultKind::Failure, .. })) {
            self.pool.put_back(guest);
        }
        asked.told(&answer?, &self.config)
    }
}

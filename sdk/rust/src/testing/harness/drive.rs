//! What a test does: records come, time goes on, the function crashes or is replaced.

use std::sync::Arc;

use pelton_batch::RecordsBuilder;
use pelton_engine::{Replacement, Step, Verdict};

use super::Harness;
use super::task::input_topic;
use crate::function::Function;
use crate::payload::Payload;

/// Steps after which a function is taken to make no progress.
const STEPS_MAX: usize = 10_000_000;

impl Harness {
    /// Pushes a record to the first input.
    pub fn push(&mut self, key: impl Payload, value: impl Payload, timestamp: i64) {
        let first = self.inputs.first().map_or("in", String::as_str).to_owned();
        self.push_to(&first, key, value, timestamp);
    }

    /// Pushes a record to an input.
    pub fn push_to(&mut self, input: &str, key: impl Payload, value: impl Payload, timestamp: i64) {
        self.push_with_headers(input, key, value, timestamp, &[]);
    }

    /// Pushes a record with headers to an input.
    pub fn push_with_headers(
        &mut self,
        input: &str,
        key: impl Payload,
        value: impl Payload,
        timestamp: i64,
        headers: &[(&str, &str)],
    ) {
        self.start();
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let key = key.bytes(&mut key_bytes).unwrap_or_else(|error| panic!("the key: {error}"));
        let value =
            value.bytes(&mut value_bytes).unwrap_or_else(|error| panic!("the value: {error}"));
        let mut record = RecordsBuilder::new();
        record.push(key, value, timestamp);
        for (name, value) in headers {
            record.header(name, Some(value.as_bytes()));
        }
        let appended = self.log.append(&input_topic(input), 0, &mut record);
        appended.unwrap_or_else(|error| panic!("pushing to input `{input}`: {error}"));
    }

    /// Moves the wall clock forward; processing-time timers fire by it.
    pub fn advance_clock(&mut self, ms: i64) {
        self.run();
        self.clock.advance(ms);
        self.run();
    }

    /// Moves the watermark to `time`, as if records up to there had come for other keys. It never
    /// goes back.
    pub fn advance_watermark(&mut self, time: i64) {
        self.run();
        self.peers.publish(1, Some(time));
        self.run();
    }

    /// Ends the inputs: the watermark goes to infinity, all windows and event-time timers fire.
    /// Nothing can be pushed after it.
    pub fn finish(&mut self) {
        self.run();
        self.restart(true);
        self.run();
    }

    /// Drops the function and what it holds in memory, and starts it again from what it has
    /// committed, as after a crash.
    pub fn crash(&mut self) {
        self.run();
        self.restart(false);
    }

    /// Hands over to another version of the function, as a deployment does: between two calls, with
    /// state, timers, open windows and position as they are. Until the first record of the new
    /// version is committed it is on trial: where it fails before that, the version before goes on,
    /// and [`Harness::swap_failed`] says why. [`Harness::stored`] reads values as they are, of the
    /// old version until then.
    ///
    /// ```
    /// use pelton_sdk::testing::Harness;
    ///
    /// # mod old { pelton_sdk::filter!(|record| record.value_bytes().len() > 3); }
    /// # mod new { pelton_sdk::filter!(|record| record.value_bytes().len() > 2); }
    /// # fn main() {
    /// let mut test = Harness::new(old::function);
    /// test.push("a", "one", 1_000);
    /// test.swap(new::function);
    /// test.push("a", "two", 2_000);
    /// assert_eq!(test.texts("out"), ["two"]);
    /// # }
    /// ```
    pub fn swap(&mut self, make: impl Fn() -> Box<dyn Function> + Send + Sync + 'static) {
        self.run();
        let old = std::mem::replace(&mut self.make, Arc::new(make));
        let (config, pool, declared) = self.deployment(false);
        let Some((task, running)) = &mut self.running else { return };
        let replacement = Replacement { config: Arc::new(config), pool };
        task.replace(replacement).unwrap_or_else(|error| panic!("{error}"));
        self.before = Some((old, std::mem::replace(running, declared)));
        self.swap_failed = None;
    }

    /// Drops the function and starts another version of it from what was committed, as a process
    /// that was stopped and comes back with other code: there is no trial.
    pub fn restart_as(&mut self, make: impl Fn() -> Box<dyn Function> + Send + Sync + 'static) {
        self.run();
        self.make = Arc::new(make);
        self.before = None;
        self.restart(false);
    }

    /// Processes all records that were pushed. Everything that observes does so first.
    ///
    /// # Panics
    /// Where the function is stopped, with the error that says why: see [`Harness::try_run`].
    pub fn run(&mut self) {
        self.try_run().unwrap_or_else(|error| panic!("{error}"));
    }

    /// As [`Harness::run`], for a test that expects that the function is stopped.
    ///
    /// # Errors
    /// The error that stops it, such as `E-STATE-MIGRATE`.
    pub fn try_run(&mut self) -> Result<(), String> {
        self.start();
        let clock = Arc::clone(&self.clock);
        let Some((task, declared)) = &mut self.running else { return Ok(()) };
        for _ in 0..STEPS_MAX {
            let step = pollster::block_on(task.step()).map_err(|error| error.to_string())?;
            match (task.take_verdict(), self.before.take()) {
                (Some(Verdict::Failed(fault)), Some(before)) => {
                    (self.make, *declared) = before;
                    self.swap_failed = Some(fault.to_string());
                }
                (None, before) => self.before = before,
                _ => {}
            }
            match step {
                Step::Worked => {}
                Step::Wait { until_ms } => clock.set(until_ms),
                Step::Idle { .. } | Step::Finished => return Ok(()),
            }
        }
        panic!("the function made no progress in {STEPS_MAX} steps");
    }
}

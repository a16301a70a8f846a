//! The tasks that write to what this one reads: how far they have come, where nothing of theirs is left
//! to read.
//!
//! **Invariant:** what is asked here is a decision: the next commit records it, and a replay or a shadow
//! is told it. Everything else about them comes with the batches themselves.

use pelton_core::{Carried, Told};

use super::Task;
use crate::progress::task_watermark;

/// Shortest and longest time between two questions, ms; it doubles as long as nothing new is answered.
const ASK_EVERY_MS: (i64, i64) = (20, 1_000);

/// When to ask again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    next_ms: i64,
    /// The same where there is something to do.
    busy_ms: i64,
    every_ms: i64,
}

impl Default for Asking {
    fn default() -> Self {
        Self { next_ms: i64::MIN, busy_ms: i64::MIN, every_ms: ASK_EVERY_MS.0 }
    }
}

impl Task {
    /// How far the tasks that write to each input have come; empty where no input has any.
    pub(super) fn carried(&self) -> Vec<Vec<Carried>> {
        if self.clocks.iter().all(|clock| clock.producers.is_empty()) {
            return Vec::new();
        }
        self.clocks.iter().map(|clock| clock.producers.clone()).collect()
    }

    /// Takes over how far the tasks that write to each input had come.
    pub(super) fn carry(&mut self, carried: &[Vec<Carried>]) {
        for (clock, producers) in self.clocks.iter_mut().zip(carried) {
            clock.producers.clone_from(producers);
            clock.follow_producers();
        }
    }

    /// When they are to be asked again, ms; `None` where there are none.
    pub(super) fn asks_at(&self) -> Option<i64> {
        self.clocks.iter().any(|clock| !clock.producers.is_empty()).then_some(self.asking.next_ms)
    }

    /// Whether they are to be asked though there is something to do: who reads what one task writes, and
    /// never comes to the end of it, would wait for ever for another one that writes nothing.
    pub(super) fn asks_while_busy(&self) -> bool {
        self.asking.busy_ms <= self.time.ms()
    }

    /// Asks the tasks that write to its inputs how far they have come, as far as nothing of theirs is left
    /// to read. Answers whether time has moved by it.
    pub(super) fn ask_producers(&mut self) -> bool {
        let now_ms = self.time.ms();
        let is_due = self.asks_at().is_some_and(|at| at <= now_ms);
        if !is_due || self.repeats || self.flushing {
            return false;
        }
        let before: Vec<_> = self.clocks.iter().map(|clock| clock.progress).collect();
        for index in 0..self.inputs.len() {
            self.ask_of(index, now_ms);
        }
        self.watermark = task_watermark(&self.clocks, self.watermark);
        let news = self.clocks.iter().map(|clock| clock.progress).ne(before);
        let every_ms = self.asking.every_ms.saturating_mul(2).min(ASK_EVERY_MS.1);
        let every_ms = if news { ASK_EVERY_MS.0 } else { every_ms };
        let (next_ms, busy_ms) =
            (now_ms.saturating_add(every_ms), now_ms.saturating_add(ASK_EVERY_MS.1));
        self.asking = Asking { next_ms, busy_ms, every_ms };
        news
    }

    fn ask_of(&mut self, index: usize, now_ms: i64) {
        let (input, clock) = (&self.inputs[index], &mut self.clocks[index]);
        if clock.producers.is_empty() || input.ended {
            return;
        }
        let told = clock.producers.iter().map(|known| self.source.told(known.task));
        let told: Vec<Told> = told.collect();
        // What they speak of had been written when they said so: of whom nothing is left to read now, all
        // of it has been read.
        let Some(unread) = self.source.writers_behind(index, input.next) else { return };
        let is_read = self.source.end(index).is_ok_and(|end| end <= input.next);
        let since = input.empty_since.unwrap_or(now_ms);
        let is_over = now_ms.saturating_sub(since) >= self.config.idle_timeout_ms;
        let mut told = told.into_iter();
        clock.producers.retain_mut(|known| {
            let told = told.next().unwrap_or(Told::Unknown);
            if unread.binary_search(&known.task).is_ok() {
                return true;
            }
            match told {
                Told::Gone => return false,
                Told::Unknown | Told::Silent => known.idle = is_over,
                Told::At { watermark, idle } => {
                    known.watermark = known.watermark.max(watermark);
                    known.idle = idle;
                }
            }
            true
        });
        clock.follow_producers();
        clock.progress.idle = is_read && clock.producers.iter().all(|known| known.idle);
    }

    /// Up to which time (ms) everything that this task has to say is committed.
    pub(super) fn settled_to(&self) -> i64 {
        self.watermark.min(self.due_at().saturating_sub(1))
    }

    /// Tells those who read its outputs how far it has come.
    pub(super) fn tell_readers(&mut self, idle: bool) {
        if !self.repeats && !self.config.outputs.is_empty() {
            self.sink.tell(&self.config.id, self.settled_to(), idle);
        }
    }
}

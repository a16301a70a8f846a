//! Looking at windows and at what holds the watermark back. Nothing here changes anything.

use pelton_core::window::Window;
use pelton_core::{Carried, InputProgress};

use super::Task;
use crate::config::InputConfig;

/// A window of a key, as a task keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneSeen {
    /// The window.
    pub window: Window,
    /// Records that went into it.
    pub records: u64,
    /// Bytes of its accumulator or contents.
    pub bytes: usize,
    /// How often it has fired.
    pub fired: u32,
    /// Whether it has something to tell.
    pub pending: bool,
    /// Whether it has fired since its time had come.
    pub on_time: bool,
}

/// An input of a task, and how far its event time has come.
#[derive(Debug, Clone, Copy)]
pub struct InputSeen<'a> {
    /// What it was told.
    pub config: &'a InputConfig,
    /// The offset to be read next.
    pub next: u64,
    /// How far its event time has come.
    pub progress: InputProgress,
    /// The tasks that write to it, where their watermarks count.
    pub producers: &'a [Carried],
}

impl Task {
    /// The windows of a key that are kept, by end and start.
    #[must_use]
    pub fn panes_of(&self, key: Option<&[u8]>) -> Vec<PaneSeen> {
        let seen = |window: Window| {
            let pane = self.state.pane(window, key)?;
            let (records, bytes) = (pane.records, pane.value.len());
            let (fired, pending, on_time) = (pane.fired, pane.pending, pane.on_time);
            Some(PaneSeen { window, records, bytes, fired, pending, on_time })
        };
        self.state.windows().filter_map(seen).collect()
    }

    /// Its inputs, in order.
    pub fn inputs_seen(&self) -> impl Iterator<Item = InputSeen<'_>> {
        self.inputs.iter().zip(&self.clocks).map(|(input, clock)| InputSeen {
            config: &input.config,
            next: input.next,
            progress: clock.progress,
            producers: &clock.producers,
        })
    }
}

//! A thread that moves the epoch on: fast while guests run, slowly while none does, so that a host with
//! nothing to do uses next to no CPU time. A call that comes then is looked at a little later, once.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

use crate::meter;

/// Ticks without a call after which they come slowly.
const QUIET_TICKS: u32 = 200;
/// How many times as slowly.
const SLOWER: u32 = 10;

/// Increments an engine's epoch every tick until it is dropped.
pub(super) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: Engine, tick: Duration) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("pelton-epoch".into()).spawn(move || {
            let mut quiet = 0_u32;
            loop {
                let pause = if quiet < QUIET_TICKS { tick } else { tick * SLOWER };
                if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                engine.increment_epoch();
                quiet = if meter::take_called() { 0 } else { quiet.saturating_add(1) };
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The thread does nothing that can panic; a failed join leaves nothing behind.
            let _ = thread.join();
        }
    }
}

//! Events of a server over its restarts.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Call, Client, Event, Outcome};
use crate::clock;
use crate::error::Result;

/// Pause before a stream that was lost is opened again; doubled up to the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// The kind of the event that a stream ends with.
const END: &str = "end";

impl Client {
    /// Hands `each` the events of a stream until it breaks off. A stream that ends or is lost is opened
    /// again, by a new call, once it was there at all; `lost` is told why, once for each loss.
    ///
    /// # Errors
    /// What will not pass, and those of `each`.
    pub(crate) fn follow<'a>(
        &self,
        mut call: impl FnMut() -> Call<'a>,
        mut each: impl FnMut(Event) -> Result<ControlFlow<()>>,
        mut lost: impl FnMut(&str),
    ) -> Result<()> {
        let [mut pause, longest] = PAUSES;
        let (mut was_there, mut is_lost) = (false, false);
        loop {
            let mut stream = || -> Outcome<Result<ControlFlow<()>>> {
                let mut events = self.events(call())?;
                (was_there, is_lost, pause) = (true, false, PAUSES[0]);
                while let Some(event) = events.next()?.filter(|event| event.kind != END) {
                    match each(event) {
                        Ok(ControlFlow::Continue(())) => {}
                        done => return Ok(done),
                    }
                }
                Ok(Ok(ControlFlow::Continue(())))
            };
            let why = match stream() {
                Ok(Ok(ControlFlow::Continue(()))) => format!("{} has ended the stream", self.base),
                Ok(done) => return done.map(drop),
                Err(failed) if was_there && failed.retryable => failed.error.text,
                Err(failed) => return Err(failed.into()),
            };
            if !std::mem::replace(&mut is_lost, true) {
                lost(&why);
            }
            clock::pause(pause);
            pause = (pause * 2).min(longest);
        }
    }
}

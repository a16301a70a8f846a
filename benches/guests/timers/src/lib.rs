//! Sets a timer of each record's key, at the end of the next so many ms (configuration entry
//! `round-ms`), or none.

use pelton_sdk::prelude::*;

struct Timers {
    timer: Timer,
    round_ms: i64,
}

impl Process for Timers {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { timer: setup.event_timer("timer"), round_ms: setup.config_or("round-ms", 0)? })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        match self.round_ms {
            0 => Ok(()),
            round => {
                let second = record.timestamp() + 1_000;
                self.timer.set(ctx, record.key(), second - second % round)
            }
        }
    }
}

pelton_sdk::process!(Timers);

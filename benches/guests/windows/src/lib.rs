//! The count of each key in windows of the kind that the configuration entry `windows` names.

use std::time::Duration;

use pelton_sdk::prelude::*;

struct Counts;

impl Aggregate for Counts {
    type Accumulator = u64;

    fn open(setup: &mut Setup) -> Result<Self> {
        let minute = Duration::from_mins(1);
        setup.windows(match &*setup.config_or("windows", "tumbling".to_owned())? {
            "hopping" => Windows::hopping(minute, minute / 4),
            "sliding" => Windows::sliding(minute / 6),
            "session" => Windows::session(minute / 12),
            _ => Windows::tumbling(minute),
        });
        Ok(Self)
    }

    fn add(&self, count: &mut u64, _: &Record) -> Result<()> {
        *count += 1;
        Ok(())
    }

    fn merge(&self, count: &mut u64, other: u64) -> Result<()> {
        *count += other;
        Ok(())
    }

    fn finish(&mut self, window: &Fired, count: u64, ctx: &mut Context) -> Result<()> {
        OUT.emit(ctx, window.key(), Json(count))
    }
}

pelton_sdk::aggregate!(Counts);

//! Counts the records of each key in each hour (configuration entry `size-ms`); records that come
//! more than `grace-ms` (none) after their hour go to the output `late`.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What is told of a key's hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Start of the window, inclusive, ms.
    pub start: i64,
    /// End of the window, exclusive, ms.
    pub end: i64,
    /// Number of records.
    pub count: u64,
}

struct WindowedCount {
    out: Output,
}

impl Aggregate for WindowedCount {
    type Accumulator = u64;

    fn open(setup: &mut Setup) -> Result<Self> {
        let out = setup.output("out");
        let size = setup.config_ms_or("size-ms", Duration::from_hours(1))?;
        let grace = setup.config_ms_or("grace-ms", Duration::ZERO)?;
        setup.windows(Windows::tumbling(size).grace(grace).late_to("late"));
        Ok(Self { out })
    }

    fn add(&self, count: &mut u64, _: &Record) -> Result<()> {
        *count += 1;
        Ok(())
    }

    fn finish(&mut self, window: &Fired, count: u64, ctx: &mut Context) -> Result<()> {
        let (start, end) = (window.start(), window.end());
        self.out.emit(ctx, window.key(), Json(Count { start, end, count }))
    }
}

pelton_sdk::aggregate!(WindowedCount);

#[cfg(test)]
mod tests {
    use super::Count;
    use pelton_sdk::testing::Harness;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn records_are_counted_by_key_and_hour() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            for (key, time) in
                [("JFK", 0), ("JFK", HOUR - 1), ("LGA", 5), ("JFK", HOUR), ("LGA", 6)]
            {
                test.push(key, "x", time);
            }
            let counts = |test: &mut Harness| {
                let out = test.outputs("out");
                out.iter().map(|o| (o.key_text(), o.json::<Count>())).collect::<Vec<_>>()
            };
            let count = |start, count| Count { start, end: start + HOUR, count };
            let first = [("JFK".to_owned(), count(0, 2)), ("LGA".to_owned(), count(0, 1))];
            assert_eq!(counts(&mut test), first);
            assert_eq!(test.outputs("late").len(), 1);
            test.finish();
            assert_eq!(counts(&mut test)[2], ("JFK".to_owned(), count(HOUR, 1)));
            assert_eq!(test.outputs("out")[2].timestamp, 2 * HOUR - 1);
        }
    }

    #[test]
    fn late_records_within_the_grace_make_the_window_fire_again() {
        let mut test = Harness::new(crate::function).config("grace-ms", "1000");
        for time in [0, HOUR, 1, HOUR + 1_000, 2] {
            test.push("JFK", "x", time);
        }
        let counts: Vec<_> =
            test.outputs("out").iter().map(|out| out.json::<Count>().count).collect();
        assert_eq!(counts, [1, 2]);
        assert_eq!(test.outputs("late").len(), 1);
    }
}

//! A uniform sample of all values so far, by Vitter's Algorithm R (1985): told after every so many
//! records, and never larger than it is configured. The sample is about the stream as a whole, so
//! it is kept in the function's own memory, which the host saves with each commit.

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

struct Reservoir {
    size: usize,
    every: u64,
}

/// What is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    seen: u64,
    values: Vec<String>,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Records so far.
    pub seen: u64,
    /// The values that were drawn from them.
    pub sample: Vec<String>,
}

impl Stateful for Reservoir {
    type Memory = Sample;

    fn open(setup: &mut Setup) -> Result<Self> {
        let size = setup.config_or("size", 20)?;
        let every = setup.config_or("every", 100)?;
        if size == 0 || every == 0 {
            return Err(Error::fail("`size` and `every` must be at least 1"));
        }
        Ok(Self { size, every })
    }

    fn record(
        &mut self,
        memory: &mut Memory<Sample>,
        record: &Record,
        ctx: &mut Context,
    ) -> Result<()> {
        let value = record.text()?;
        memory.seen += 1;
        if memory.values.len() < self.size {
            memory.values.push(value.to_owned());
        } else {
            // Each record so far is in the sample with the same chance.
            let place = (ctx.random() % memory.seen) as usize;
            if place < self.size {
                memory.values[place] = value.to_owned();
            }
        }
        if memory.seen.is_multiple_of(self.every) {
            let report = Report { seen: memory.seen, sample: memory.values.clone() };
            OUT.emit(ctx, record.key(), Json(report))?;
        }
        Ok(())
    }
}

pelton_sdk::stateful!(Reservoir);

#[cfg(test)]
mod tests {
    use super::Report;
    use pelton_sdk::testing::Harness;

    fn harness() -> Harness {
        Harness::new(crate::function).config("size", "3").config("every", "10")
    }

    fn push(test: &mut Harness, numbers: std::ops::Range<u64>) {
        numbers.for_each(|number| test.push("k", number.to_string(), 0));
    }

    #[test]
    fn the_sample_is_of_all_records_and_no_larger_than_configured() {
        let mut test = harness();
        push(&mut test, 0..1_000);
        let out = test.outputs("out");
        assert_eq!(out.len(), 100);
        let last = out[99].json::<Report>();
        assert_eq!((last.seen, last.sample.len()), (1_000, 3));
        let drawn: Vec<u64> = out
            .iter()
            .flat_map(|report| report.json::<Report>().sample)
            .map(|value| value.parse().unwrap())
            .collect();
        assert!(drawn.iter().any(|number| *number >= 500), "records keep coming in: {drawn:?}");
    }

    #[test]
    fn batches_fresh_instances_and_crashes_make_no_difference() {
        let run = |mut test: Harness, crash: bool| {
            push(&mut test, 0..95);
            if crash {
                test.crash();
            }
            push(&mut test, 95..200);
            test.texts("out")
        };
        let all = run(harness(), false);
        assert_eq!(all.len(), 20);
        assert_eq!(run(harness(), true), all);
        assert_eq!(run(harness().batch(7), true), all);
        assert_eq!(run(harness().batch(1).fresh_instances(), false), all);
    }

    #[test]
    fn a_sample_of_nothing_is_refused() {
        let open = || Harness::new(crate::function).config("size", "0").run();
        assert!(std::panic::catch_unwind(open).is_err());
    }
}

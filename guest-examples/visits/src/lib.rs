//! Visits: the records of a key that are no further apart than half an hour (configuration entry
//! `gap-ms`), told once the visit is over. The host keeps the sessions; compare `session-timer`, which
//! keeps its own.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What is known of a visit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Timestamp of the first record, ms.
    pub first: i64,
    /// Timestamp of the last record, ms.
    pub last: i64,
    /// Number of records.
    pub records: u64,
}

struct Visits {
    out: Output,
}

impl Aggregate for Visits {
    type Accumulator = Visit;

    fn open(setup: &mut Setup) -> Result<Self> {
        let out = setup.output("out");
        let gap = setup.config_ms_or("gap-ms", Duration::from_mins(30))?;
        let grace = setup.config_ms_or("grace-ms", Duration::ZERO)?;
        setup.windows(Windows::session(gap).grace(grace).late_to("late"));
        Ok(Self { out })
    }

    fn add(&self, visit: &mut Visit, record: &Record) -> Result<()> {
        let time = record.timestamp();
        self.merge(visit, Visit { first: time, last: time, records: 1 })
    }

    fn merge(&self, visit: &mut Visit, other: Visit) -> Result<()> {
        *visit = match visit.records {
            0 => other,
            records => Visit {
                first: visit.first.min(other.first),
                last: visit.last.max(other.last),
                records: records + other.records,
            },
        };
        Ok(())
    }

    fn finish(&mut self, window: &Fired, visit: Visit, ctx: &mut Context) -> Result<()> {
        self.out.emit(ctx, window.key(), Json(visit))
    }
}

pelton_sdk::aggregate!(Visits);

#[cfg(test)]
mod tests {
    use super::Visit;
    use pelton_sdk::testing::Harness;

    const MINUTE: i64 = 60_000;

    fn visits(test: &mut Harness) -> Vec<(String, Visit)> {
        let out = test.outputs("out");
        out.iter().map(|out| (out.key_text(), out.json())).collect()
    }

    fn visit(first: i64, last: i64, records: u64) -> Visit {
        Visit { first: first * MINUTE, last: last * MINUTE, records }
    }

    #[test]
    fn a_visit_is_over_half_an_hour_behind_its_last_record() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            for (key, minute) in [("ann", 0), ("bob", 10), ("ann", 30), ("ann", 61), ("bob", 62)] {
                test.push(key, "page", minute * MINUTE);
            }
            let over = [("ann".to_owned(), visit(0, 30, 2)), ("bob".to_owned(), visit(10, 10, 1))];
            let mut sorted = visits(&mut test);
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(sorted, over);
            test.finish();
            assert_eq!(
                visits(&mut test)[2..],
                [("ann".to_owned(), visit(61, 61, 1)), ("bob".to_owned(), visit(62, 62, 1)),]
            );
        }
    }

    #[test]
    fn a_record_that_comes_between_makes_one_of_two_visits() {
        let plain = || Harness::new(crate::function).out_of_orderness_ms(100 * MINUTE);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            for minute in [0, 50, 25, 90] {
                test.push("ann", "page", minute * MINUTE);
            }
            test.finish();
            let told: Vec<Visit> = visits(&mut test).into_iter().map(|(_, visit)| visit).collect();
            assert_eq!(told, [visit(0, 50, 3), visit(90, 90, 1)]);
        }
    }

    #[test]
    fn a_record_later_than_the_grace_goes_to_late() {
        let mut test = Harness::new(crate::function);
        for minute in [0, 90, 10] {
            test.push("ann", "page", minute * MINUTE);
        }
        assert_eq!(test.outputs("late").len(), 1);
    }
}

//! Ordered stores: scans come in the order of keys and see the call's own writes.

use pelton_sdk::prelude::*;
use pelton_sdk::testing::Harness;

struct Visits {
    visits: OrderedStore<(String, i64), u64>,
}

impl Process for Visits {
    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        Ok(Self { visits: setup.ordered_store("visits") })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let (key, time) = (record.key_text()?, record.timestamp());
        match record.text()? {
            "last" => {
                let found = self.visits.range_back(ctx, (key, i64::MIN), (key, i64::MAX), 2)?;
                let times: Vec<i64> = found.iter().map(|((_, time), _)| *time).collect();
                OUT.emit(ctx, key, Json(times))
            }
            "first" => {
                let found = self.visits.range(ctx, (key, i64::MIN), (key, i64::MAX), 2)?;
                let times: Vec<i64> = found.iter().map(|((_, time), _)| *time).collect();
                OUT.emit(ctx, key, Json(times))
            }
            "all" => {
                let all = self.visits.first(ctx, 100)?;
                OUT.emit(ctx, key, Json(all.len()))
            }
            "forget" => {
                self.visits.delete(ctx, (key, time));
                Ok(())
            }
            _ => {
                self.visits.put(ctx, (key, time), 1);
                Ok(())
            }
        }
    }
}

pelton_sdk::process!(Visits);

fn run(mut test: Harness) -> Vec<String> {
    for time in [30, -10, 20, 10] {
        test.push("ann", "visit", time);
        test.push("bob", "visit", time + 1);
    }
    test.push("ann", "first", 40);
    test.push("ann", "last", 40);
    test.push("ann", "forget", 30);
    test.push("ann", "forget", -10);
    test.push("ann", "visit", 15);
    test.push("ann", "first", 40);
    test.push("ann", "last", 40);
    test.push("ann", "all", 40);
    test.texts("out")
}

#[test]
fn scans_are_the_same_whatever_the_batches_are() {
    let expected = ["[-10,10]", "[30,20]", "[10,15]", "[20,15]", "7"];
    assert_eq!(run(Harness::new(function)), expected);
    for records in 1..8 {
        assert_eq!(run(Harness::new(function).batch(records)), expected, "{records} a batch");
    }
    assert_eq!(run(Harness::new(function).batch(2).fresh_instances()), expected);
}

//! Sends flights on by airport: those that departed to `departed`, those that were cancelled to
//! `cancelled`. The key of what it sends is the airport; the value stays as it was.

use pelton_sdk::prelude::*;
use serde::Deserialize;

/// The fields of a flight that decide.
#[derive(Deserialize)]
struct Flight {
    origin: String,
    dep_time: Option<i64>,
}

struct ByAirport {
    departed: Output,
    cancelled: Output,
}

impl Process for ByAirport {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { departed: setup.output("departed"), cancelled: setup.output("cancelled") })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let Flight { origin, dep_time } = record.json()?;
        let output = if dep_time.is_some() { self.departed } else { self.cancelled };
        output.emit(ctx, origin.as_str(), record.value_bytes())
    }
}

pelton_sdk::process!(ByAirport);

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    #[test]
    fn flights_get_their_airport_as_the_key_and_stay_as_they_were() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            let departed =
                r#"{"carrier":"UA","origin":"EWR","dep_delay":2,"dep_time":1357034400000}"#;
            let cancelled = r#"{"carrier":"UA","origin":"LGA","dep_delay":null,"dep_time":null}"#;
            for value in [departed, cancelled, r#"{"dep_time":null}"#] {
                test.push("UA", value, 5);
            }
            let sent = |test: &mut Harness, output| {
                let of = test.outputs(output);
                of.iter().map(|out| (out.key_text(), out.text(), out.timestamp)).collect::<Vec<_>>()
            };
            assert_eq!(sent(&mut test, "departed"), [("EWR".into(), departed.into(), 5)]);
            assert_eq!(sent(&mut test, "cancelled"), [("LGA".into(), cancelled.into(), 5)]);
            assert_eq!(test.rejected().len(), 1, "a flight from nowhere");
        }
    }
}

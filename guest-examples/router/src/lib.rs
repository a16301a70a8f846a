//! Router: sends flights to `departed` or `cancelled`, unchanged.

use pelton_sdk::prelude::*;
use serde::Deserialize;

/// The fields of a flight that decide.
#[derive(Deserialize)]
struct Flight {
    dep_time: Option<i64>,
}

struct Router {
    departed: Output,
    cancelled: Output,
}

impl Process for Router {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { departed: setup.output("departed"), cancelled: setup.output("cancelled") })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        match record.json::<Flight>()?.dep_time {
            Some(_) => self.departed.forward(ctx),
            None => self.cancelled.forward(ctx),
        }
        Ok(())
    }
}

pelton_sdk::process!(Router);

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    #[test]
    fn flights_go_where_they_belong_unchanged() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            let departed = r#"{"carrier":"UA","dep_delay":2,"dep_time":1357034400000}"#;
            let cancelled = r#"{"carrier":"UA","dep_delay":null,"dep_time":null}"#;
            for value in [departed, cancelled, departed, "not a flight"] {
                test.push("UA", value, 5);
            }
            assert_eq!(test.texts("departed"), [departed, departed]);
            assert_eq!(test.texts("cancelled"), [cancelled]);
            assert_eq!(test.rejected()[0].record.text(), "not a flight");
        }
    }
}

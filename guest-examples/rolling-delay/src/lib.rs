//! The mean departure delay of each carrier over the last three hours, every quarter of an hour
//! (`[window]` of the manifest may say otherwise). The key of a record is its carrier.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_hours(1);

/// The field of a flight that counts; a cancelled one has none.
#[derive(Deserialize)]
struct Flight {
    delay: Option<i64>,
}

/// What is told of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delays {
    /// End of the window, exclusive, ms.
    pub end: i64,
    /// Flights that departed.
    pub flights: u64,
    /// Their delays together, minutes.
    pub minutes: i64,
    /// Their mean delay, minutes; 0 where none departed.
    pub mean: f64,
}

pelton_sdk::aggregate!(
    Windows::hopping(3 * HOUR, HOUR / 4),
    |(flights, minutes): &mut (u64, i64), record| {
        if let Some(delay) = record.json::<Flight>()?.delay {
            *flights += 1;
            *minutes += delay;
        }
        Ok(())
    },
    |window, (flights, minutes), ctx| {
        let mean = if flights == 0 { 0.0 } else { minutes as f64 / flights as f64 };
        OUT.emit(ctx, window.key(), Json(Delays { end: window.end(), flights, minutes, mean }))
    }
);

#[cfg(test)]
mod tests {
    use super::Delays;
    use pelton_sdk::testing::Harness;

    #[test]
    fn a_flight_is_in_the_mean_of_the_three_hours_behind_it() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            test.push("UA", r#"{"delay":10}"#, 0);
            test.push("UA", r#"{"delay":null}"#, 1);
            test.push("UA", r#"{"delay":-4}"#, 900_000);
            test.finish();
            let out = test.outputs("out");
            let told: Vec<Delays> = out.iter().map(|out| out.json()).collect();
            assert_eq!(told.len(), 13);
            assert_eq!(told[0], Delays { end: 900_000, flights: 1, minutes: 10, mean: 10.0 });
            assert_eq!(told[1], Delays { end: 1_800_000, flights: 2, minutes: 6, mean: 3.0 });
            assert_eq!(told[12], Delays { end: 11_700_000, flights: 1, minutes: -4, mean: -4.0 });
        }
    }
}

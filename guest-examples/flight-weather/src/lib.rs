//! Flights with the weather of their airport, as it had been observed last when they departed. Both
//! inputs, `flights` and `weather`, have the airport as their key.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The fields of a flight that count.
#[derive(Clone, Serialize, Deserialize)]
struct Flight {
    carrier: String,
    delay: Option<i64>,
}

/// The weather at an airport.
#[derive(Clone, Serialize, Deserialize)]
struct Weather {
    wind_mph: Option<f64>,
    visibility_miles: Option<f64>,
}

/// What is told of a flight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Departure {
    /// The carrier.
    pub carrier: String,
    /// Its delay in minutes; none where it was cancelled.
    pub delay: Option<i64>,
    /// When the weather was observed, ms; none where none had been yet.
    pub observed: Option<i64>,
    /// The wind, miles an hour.
    pub wind_mph: Option<f64>,
    /// How far one could see, miles.
    pub visibility_miles: Option<f64>,
}

pelton_sdk::function!(pelton_sdk::lookup_with(
    Lookup::of("flights", "weather").keep(Duration::from_hours(1)),
    |Flight { carrier, delay }, weather: Option<Weather>, record, ctx| {
        let (wind_mph, visibility_miles) =
            weather.map_or((None, None), |weather| (weather.wind_mph, weather.visibility_miles));
        let observed = record.since();
        let told = Departure { carrier, delay, observed, wind_mph, visibility_miles };
        OUT.emit(ctx, record.key(), Json(told))
    },
));

#[cfg(test)]
mod tests {
    use super::Departure;
    use pelton_sdk::testing::Harness;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_flight_has_the_weather_that_had_been_observed_last() {
        let plain = || Harness::new(crate::function).input("flights").input("weather");
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            let weather = |wind: i64| format!(r#"{{"wind_mph":{wind},"visibility_miles":10}}"#);
            let flight = r#"{"carrier":"UA","delay":2}"#;
            test.push_to("flights", "JFK", flight, HOUR / 2);
            test.push_to("weather", "JFK", weather(5), HOUR);
            test.push_to("flights", "JFK", flight, HOUR);
            test.push_to("flights", "JFK", flight, 2 * HOUR - 1);
            test.push_to("weather", "JFK", weather(7), 2 * HOUR);
            test.push_to("flights", "LGA", flight, 3 * HOUR);
            test.finish();
            let told: Vec<Departure> = test.outputs("out").iter().map(|out| out.json()).collect();
            let winds: Vec<_> = told.iter().map(|told| (told.observed, told.wind_mph)).collect();
            let five = (Some(HOUR), Some(5.0));
            assert_eq!(winds, [(None, None), five, five, (None, None)]);
        }
    }
}

//! Flights, in whatever partition, with the name that their carrier had when they departed. The table
//! `carriers` is small, its key is the carrier, and each task reads all of it: `broadcast = true`.

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The fields of a flight that count.
#[derive(Clone, Serialize, Deserialize)]
struct Flight {
    carrier: String,
}

/// What the table says of a carrier.
#[derive(Clone, Serialize, Deserialize)]
struct Carrier {
    name: String,
}

/// What is told of a flight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// The carrier.
    pub carrier: String,
    /// Its name; none where it had none yet.
    pub name: Option<String>,
}

pelton_sdk::function!(pelton_sdk::lookup_by(
    Lookup::of("flights", "carriers"),
    |flight: &Flight| flight.carrier.clone(),
    |Flight { carrier }, known: Option<Carrier>, record, ctx| {
        let name = known.map(|known| known.name);
        OUT.emit(ctx, record.key(), Json(Named { carrier, name }))
    },
));

#[cfg(test)]
mod tests {
    use super::Named;
    use pelton_sdk::testing::Harness;

    #[test]
    fn a_flight_has_the_name_that_its_carrier_had() {
        let plain = || Harness::new(crate::function).input("flights").input("carriers");
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            test.push_to("carriers", "US", r#"{"name":"US Airways"}"#, 10);
            test.push_to("flights", "JFK", r#"{"carrier":"US"}"#, 9);
            test.push_to("flights", "LGA", r#"{"carrier":"US"}"#, 10);
            test.finish();
            let told: Vec<Named> = test.outputs("out").iter().map(|out| out.json()).collect();
            let named = |name: Option<&str>| Named {
                carrier: "US".to_owned(),
                name: name.map(str::to_owned),
            };
            assert_eq!(told, [named(None), named(Some("US Airways"))]);
        }
    }
}

//! NEXMark query 8: who has come and offered something within the same ten seconds? Its inputs are
//! `person` and `by-seller`, the auctions by their seller.

use std::time::Duration;

use nexmark_events::Person;
use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What is known of somebody in a window.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Seen {
    name: Option<String>,
    sells: bool,
}

struct NewSellers {
    people: Input,
}

impl Aggregate for NewSellers {
    type Accumulator = Seen;

    fn open(setup: &mut Setup) -> Result<Self> {
        setup.windows(Windows::tumbling(Duration::from_secs(10)));
        Ok(Self { people: setup.input("person")? })
    }

    fn add(&self, seen: &mut Seen, record: &Record) -> Result<()> {
        if self.people.is_of(record) {
            seen.name = Some(record.json::<Person>()?.name);
        } else {
            seen.sells = true;
        }
        Ok(())
    }

    fn finish(&mut self, window: &Fired, seen: Seen, ctx: &mut Context) -> Result<()> {
        match seen {
            Seen { name: Some(name), sells: true } => {
                OUT.emit(ctx, window.key(), Json((name, window.start())))
            }
            _ => Ok(()),
        }
    }
}

pelton_sdk::aggregate!(NewSellers);

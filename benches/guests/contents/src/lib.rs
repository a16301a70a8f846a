//! The count of each key and minute, from the whole contents of its windows.

use std::time::Duration;

use pelton_sdk::prelude::*;

struct Counts;

impl Window for Counts {
    fn open(setup: &mut Setup) -> Result<Self> {
        setup.windows(Windows::tumbling(Duration::from_mins(1)));
        Ok(Self)
    }

    fn fire(&mut self, window: &Fired, records: &Contents, ctx: &mut Context) -> Result<()> {
        OUT.emit(ctx, window.key(), Json(records.iter().count()))
    }
}

pelton_sdk::window!(Counts);

//! NEXMark query 11: how often somebody bids until a rest of ten seconds. Its input is `by-bidder`, the
//! bids by who bids.

use std::time::Duration;

use pelton_sdk::prelude::*;

struct Bidding;

impl Aggregate for Bidding {
    type Accumulator = u64;

    fn open(setup: &mut Setup) -> Result<Self> {
        setup.windows(Windows::session(Duration::from_secs(10)));
        Ok(Self)
    }

    fn add(&self, bids: &mut u64, _: &Record) -> Result<()> {
        *bids += 1;
        Ok(())
    }

    fn merge(&self, bids: &mut u64, other: u64) -> Result<()> {
        *bids += other;
        Ok(())
    }

    fn finish(&mut self, window: &Fired, bids: u64, ctx: &mut Context) -> Result<()> {
        OUT.emit(ctx, window.key(), Json((bids, window.start(), window.end())))
    }
}

pelton_sdk::aggregate!(Bidding);

//! NEXMark query 5, its first half: how often each auction was bid for in ten seconds, every two. What is
//! sent has the window as its key, so that `q5` finds all counts of a window in one partition.

use std::time::Duration;

use pelton_sdk::prelude::*;

pelton_sdk::aggregate!(
    Windows::hopping(Duration::from_secs(10), Duration::from_secs(2)),
    |bids: &mut u64, _| {
        *bids += 1;
        Ok(())
    },
    |window, bids, ctx| OUT.emit(ctx, window.end().to_string(), Json((window.key_text()?, bids)))
);

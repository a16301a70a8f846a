//! NEXMark query 5: the auctions that were bid for most often in ten seconds, every two. Its input is what
//! `q5-counts` tells; a key is a window of it.

use std::time::Duration;

use pelton_sdk::prelude::*;

pelton_sdk::aggregate!(
    Windows::tumbling(Duration::from_secs(2)),
    |(most, auctions): &mut (u64, Vec<String>), record| {
        let (auction, bids): (String, u64) = record.json()?;
        if bids > *most {
            (*most, *auctions) = (bids, Vec::new());
        }
        if bids == *most {
            auctions.push(auction);
        }
        Ok(())
    },
    |window, (most, mut auctions), ctx| {
        auctions.sort();
        OUT.emit(ctx, window.key(), Json((auctions, most)))
    }
);

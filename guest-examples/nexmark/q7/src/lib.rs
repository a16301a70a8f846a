//! NEXMark query 7: the highest bids of every ten seconds. It runs twice, one behind the other: first over
//! the bids of each auction, then over the highest of each, which have the window as their key. So what
//! comes together in one place is one bid for each auction, not all of them.

use std::time::Duration;

use nexmark_events::Bid;
use pelton_sdk::prelude::*;

pelton_sdk::aggregate!(
    Windows::tumbling(Duration::from_secs(10)),
    |highest: &mut Vec<Bid>, record| {
        let bid: Bid = record.json()?;
        let most = highest.first().map_or(0, |bid| bid.price);
        if bid.price > most {
            highest.clear();
        }
        if bid.price >= most {
            highest.push(bid);
        }
        Ok(())
    },
    |window, mut highest, ctx| {
        highest.sort_by_key(|bid| (bid.date_time, bid.auction, bid.bidder));
        highest.into_iter().try_for_each(|bid| OUT.emit(ctx, window.end().to_string(), Json(bid)))
    }
);

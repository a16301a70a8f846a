//! NEXMark query 2: the prices that are bid for some auctions.

use nexmark_events::Bid;
use pelton_sdk::prelude::*;

pelton_sdk::map!(|record| {
    let bid: Bid = record.json()?;
    Ok::<_, Error>(bid.auction.is_multiple_of(123).then_some(Json((bid.auction, bid.price))))
});

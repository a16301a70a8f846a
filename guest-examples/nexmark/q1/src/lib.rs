//! NEXMark query 1: bids in euros.

use nexmark_events::Bid;
use pelton_sdk::prelude::*;
use serde::Serialize;

/// A bid in another currency.
#[derive(Serialize)]
struct Converted {
    auction: u64,
    bidder: u64,
    /// In euro cents.
    price: f64,
    date_time: i64,
}

pelton_sdk::map!(|record| {
    let Bid { auction, bidder, price, date_time } = record.json()?;
    Ok::<_, Error>(Json(Converted { auction, bidder, price: 0.908 * price as f64, date_time }))
});

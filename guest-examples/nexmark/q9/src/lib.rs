//! NEXMark query 9: the winning bid of each auction, once it has expired: the highest that came while it
//! was open; of several, the first. Its inputs are `auction` and `bid`, both by auction.

use std::cmp::Reverse;

use nexmark_events::{Auction, Bid};
use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What is known of an auction. Until it comes itself all bids are kept, then the best one.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Lot {
    auction: Option<Auction>,
    bids: Vec<Bid>,
}

/// What is told of an auction that somebody has won.
#[derive(Serialize)]
struct Won {
    auction: u64,
    category: u64,
    bidder: u64,
    price: u64,
    date_time: i64,
}

struct Winners {
    auctions: Input,
    lots: Store<Vec<u8>, Lot>,
    closes: Timer,
}

impl Process for Winners {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self {
            auctions: setup.input("auction")?,
            lots: setup.store("lots"),
            closes: setup.event_timer("closes"),
        })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let key = record.key_bytes();
        let mut lot = self.lots.get(ctx, key)?.unwrap_or_default();
        if self.auctions.is_of(record) {
            lot.auction = Some(record.json()?);
        } else {
            lot.bids.push(record.json()?);
        }
        // Bids on what is not offered (any more) are kept until their auction cannot come.
        let last = lot.bids.iter().map(|bid| bid.date_time).max();
        let until = lot.auction.as_ref().map(|auction| auction.expires).or(last);
        if let Some(Auction { date_time, expires, .. }) = lot.auction {
            let mut bids = lot.bids;
            bids.retain(|bid| (date_time..=expires).contains(&bid.date_time));
            bids.sort_by_key(|bid| (Reverse(bid.price), bid.date_time, bid.bidder));
            bids.truncate(1);
            lot.bids = bids;
        }
        self.closes.set(ctx, key, until.unwrap_or(record.timestamp()))?;
        self.lots.put(ctx, key, lot);
        Ok(())
    }

    fn timer(&mut self, timer: &DueTimer, ctx: &mut Context) -> Result<()> {
        let key = timer.key().unwrap_or_default();
        let Some(Lot { auction, bids }) = self.lots.get(ctx, key)? else { return Ok(()) };
        self.lots.delete(ctx, key);
        match (auction, bids.first()) {
            (Some(Auction { id, category, .. }), Some(&Bid { bidder, price, date_time, .. })) => {
                OUT.emit(ctx, key, Json(Won { auction: id, category, bidder, price, date_time }))
            }
            _ => Ok(()),
        }
    }
}

pelton_sdk::process!(Winners);

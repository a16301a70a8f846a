//! Who won an auction, and what is paid on average.

use std::collections::BTreeMap;

use nexmark::event::{Auction, Bid};
use serde_json::{Value, json};

use super::events::House;
use super::pipeline::{BY_CATEGORY, Stage, stage, told};
use super::single::assert_same;

const WINNERS: Stage = stage("q9", &["auction", "bid"], "won");

/// The highest bid on an auction while it was open; of several the first, and of those the one of the
/// person with the lowest number.
fn winner<'a>(auction: &Auction, bids: &'a [Bid]) -> Option<&'a Bid> {
    let open = |bid: &&Bid| auction.date_time <= bid.date_time && bid.date_time <= auction.expires;
    let bids: Vec<&Bid> =
        bids.iter().filter(|bid| bid.auction == auction.id).filter(open).collect();
    let most = bids.iter().map(|bid| bid.price).max()?;
    let highest = bids.into_iter().filter(|bid| bid.price == most);
    highest.min_by_key(|bid| (bid.date_time, bid.bidder))
}

#[test]
fn q9_tells_the_winning_bid_of_each_auction() {
    let house = House::open();
    let mut expected = Vec::new();
    for auction in &house.auctions {
        if let Some(bid) = winner(auction, &house.bids) {
            let told = json!({ "auction": auction.id, "category": auction.category,
                "bidder": bid.bidder, "price": bid.price, "date_time": bid.date_time });
            expected.push((auction.id.to_string(), told));
        }
    }
    assert!(expected.len() > 500 && expected.len() < house.auctions.len(), "{}", expected.len());
    assert_same(told(&[WINNERS]), expected);
}

#[test]
fn q4_tells_the_mean_price_of_each_category() {
    let house = House::open();
    let mut sales: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for auction in &house.auctions {
        if let Some(bid) = winner(auction, &house.bids) {
            sales.entry(auction.category.to_string()).or_default().push(bid.price);
        }
    }
    let told = told(&[WINNERS, BY_CATEGORY, stage("q4", &["by-category"], "out")]);
    let with_each_sale = sales.values().map(Vec::len).sum::<usize>();
    assert_eq!(told.len(), with_each_sale + sales.len(), "and of each category at the end");
    let micros = |mean: f64| json!(format!("{mean:.6}"));
    let last: BTreeMap<String, Value> = told.into_iter().collect();
    let last = last.into_iter().map(|(category, mean)| (category, micros(mean.as_f64().unwrap())));
    let mean = |prices: &[usize]| prices.iter().sum::<usize>() as f64 / prices.len() as f64;
    let expected = sales.iter().map(|(category, prices)| (category.clone(), micros(mean(prices))));
    assert_same(last.collect(), expected.collect());
}

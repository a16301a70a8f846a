//! Queries over windows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::events::{self, House};
use super::pipeline::{BY_BIDDER, BY_SELLER, stage, told};
use super::single::assert_same;

const SECOND: u64 = 1_000;

/// The start of the ten seconds that a time is in.
fn ten_seconds(time: u64) -> u64 {
    time / (10 * SECOND) * (10 * SECOND)
}

#[test]
fn q5_tells_the_auctions_with_the_most_bids_in_ten_seconds_every_two() {
    let bids = House::open().bids;
    let times = bids.iter().map(|bid| bid.date_time);
    let (first, last) = (times.clone().min().unwrap(), times.max().unwrap());
    let mut expected = Vec::new();
    let mut end = first / (2 * SECOND) * (2 * SECOND) + 2 * SECOND;
    while end <= last + 10 * SECOND {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for bid in &bids {
            if end - 10 * SECOND <= bid.date_time && bid.date_time < end {
                *counts.entry(bid.auction.to_string()).or_default() += 1;
            }
        }
        if let Some(&most) = counts.values().max() {
            counts.retain(|_, count| *count == most);
            let auctions: Vec<String> = counts.into_keys().collect();
            expected.push((end.to_string(), json!([auctions, most])));
        }
        end += 2 * SECOND;
    }
    let stages = [stage("q5_counts", &["bid"], "counts"), stage("q5", &["counts"], "out")];
    assert_same(told(&stages), expected);
}

#[test]
fn q7_tells_the_highest_bids_of_each_ten_seconds() {
    let bids = House::open().bids;
    let mut expected = Vec::new();
    for start in bids.iter().map(|bid| ten_seconds(bid.date_time)).collect::<BTreeSet<_>>() {
        let within: Vec<_> =
            bids.iter().filter(|bid| ten_seconds(bid.date_time) == start).collect();
        let most = within.iter().map(|bid| bid.price).max().unwrap();
        for bid in within.iter().filter(|bid| bid.price == most) {
            expected.push(((start + 10 * SECOND).to_string(), events::bid(bid)));
        }
    }
    let stages = [stage("q7", &["bid"], "of-auctions"), stage("q7", &["of-auctions"], "out")];
    assert_same(told(&stages), expected);
}

#[test]
fn q8_tells_who_has_come_and_offers_something_in_the_same_ten_seconds() {
    let house = House::open();
    let mut expected = Vec::new();
    for person in &house.people {
        let start = ten_seconds(person.date_time);
        let sells = |auction: &nexmark::event::Auction| {
            auction.seller == person.id && ten_seconds(auction.date_time) == start
        };
        if house.auctions.iter().any(sells) {
            expected.push((person.id.to_string(), json!([person.name, start])));
        }
    }
    assert_same(told(&[BY_SELLER, stage("q8", &["person", "by-seller"], "out")]), expected);
}

/// The times at which each bids, in order.
fn bidders(house: &House) -> BTreeMap<String, Vec<u64>> {
    let mut bidders: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for bid in &house.bids {
        bidders.entry(bid.bidder.to_string()).or_default().push(bid.date_time);
    }
    bidders
}

#[test]
fn q11_tells_how_often_somebody_bids_until_a_rest_of_ten_seconds() {
    let mut expected = Vec::new();
    for (bidder, times) in bidders(&House::open()) {
        for session in times.chunk_by(|one, next| next - one <= 10 * SECOND) {
            let (first, last) = (session[0], session[session.len() - 1]);
            expected.push((bidder.clone(), json!([session.len(), first, last + 10 * SECOND])));
        }
    }
    assert!(expected.len() > 1_000, "{}", expected.len());
    assert_same(told(&[BY_BIDDER, stage("q11", &["by-bidder"], "out")]), expected);
}

/// The clock's windows are tested where there is a clock: see the function itself. A bounded run has none.
#[test]
fn q12_counts_everything_once_where_there_is_no_clock() {
    let expected = bidders(&House::open()).into_iter();
    let expected = expected.map(|(bidder, times)| (bidder, json!(times.len()))).collect();
    assert_same(told(&[BY_BIDDER, stage("q12", &["by-bidder"], "out")]), expected);
}

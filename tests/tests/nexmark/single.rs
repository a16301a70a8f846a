//! Queries that look at one record at a time, and the join of people with what they offer.

use serde_json::{Value, json};

use super::events::{self, House};
use super::pipeline::{BY_SELLER, stage, told};

/// In an order of its own, so that two can be compared that come in different ones.
pub(crate) fn sorted(mut told: Vec<(String, Value)>) -> Vec<String> {
    told.sort_by_cached_key(|(key, value)| (key.clone(), value.to_string()));
    told.into_iter().map(|(key, value)| format!("{key} {value}")).collect()
}

#[track_caller]
pub(crate) fn assert_same(told: Vec<(String, Value)>, expected: Vec<(String, Value)>) {
    assert!(!expected.is_empty());
    let (told, expected) = (sorted(told), sorted(expected));
    let other = told.iter().zip(&expected).find(|(told, expected)| told != expected);
    assert_eq!(other, None);
    assert_eq!(told.len(), expected.len());
}

#[test]
fn q0_passes_every_bid_through() {
    let bids = House::open().bids;
    let expected = bids.iter().map(|bid| (bid.auction.to_string(), events::bid(bid)));
    assert_same(told(&[stage("q0", &["bid"], "out")]), expected.collect());
}

#[test]
fn q1_converts_the_price_of_every_bid() {
    let converted = |bid: &nexmark::event::Bid| {
        let (mut value, thousandths) = (events::bid(bid), bid.price * 908);
        value["price"] = json!(format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000));
        (bid.auction.to_string(), value)
    };
    let rounded = |(key, mut value): (String, Value)| {
        value["price"] = json!(format!("{:.3}", value["price"].as_f64().unwrap()));
        (key, value)
    };
    let told = told(&[stage("q1", &["bid"], "out")]).into_iter().map(rounded).collect();
    assert_same(told, House::open().bids.iter().map(converted).collect());
}

#[test]
fn q2_selects_the_bids_of_some_auctions() {
    let mut bids = House::open().bids;
    bids.retain(|bid| bid.auction % 123 == 0);
    let expected =
        bids.iter().map(|bid| (bid.auction.to_string(), json!([bid.auction, bid.price])));
    assert_same(told(&[stage("q2", &["bid"], "out")]), expected.collect());
}

#[test]
fn q3_joins_local_people_with_what_they_offer() {
    let house = House::open();
    let mut expected = Vec::new();
    for auction in house.auctions.iter().filter(|auction| auction.category == 10) {
        for person in house.people.iter().filter(|person| person.id == auction.seller) {
            if ["or", "id", "ca"].contains(&person.state.as_str()) {
                let told = json!([person.name, person.city, person.state, auction.id]);
                expected.push((person.id.to_string(), told));
            }
        }
    }
    assert_same(told(&[BY_SELLER, stage("q3", &["person", "by-seller"], "out")]), expected);
}

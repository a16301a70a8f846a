//! What happens in the auction house: made by the `nexmark` crate, the same for each run.

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Auction, Bid, Event, Person};
use serde_json::{Value, json};

/// How many there are, 100 each second.
const EVENTS: usize = 50_000;
/// So many come in another order than they happened.
const SHUFFLED: usize = 100;
/// What that takes at most.
pub(crate) const OUT_OF_ORDERNESS: &str = "1s";

/// 2015-07-15T00:00Z.
const START: u64 = 1_436_918_400_000;

/// The events, each kind in the order in which it happened.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) people: Vec<Person>,
    pub(crate) auctions: Vec<Auction>,
    pub(crate) bids: Vec<Bid>,
}

/// The events in the order in which they come.
fn arrivals() -> impl Iterator<Item = Event> {
    let config = NexmarkConfig {
        base_time: START,
        first_rate: 100,
        next_rate: 100,
        out_of_order_group_size: SHUFFLED,
        ..NexmarkConfig::default()
    };
    EventGenerator::new(config).take(EVENTS)
}

impl House {
    pub(crate) fn open() -> Self {
        let mut house = Self::default();
        for event in arrivals() {
            match event {
                Event::Person(person) => house.people.push(person),
                Event::Auction(auction) => house.auctions.push(auction),
                Event::Bid(bid) => house.bids.push(bid),
            }
        }
        assert!(!house.bids.is_sorted_by_key(|bid| bid.date_time), "some come out of order");
        house.people.sort_by_key(|person| person.date_time);
        house.auctions.sort_by_key(|auction| auction.date_time);
        house.bids.sort_by_key(|bid| bid.date_time);
        house
    }
}

pub(crate) fn bid(bid: &Bid) -> Value {
    json!({ "auction": bid.auction, "bidder": bid.bidder, "price": bid.price,
        "date_time": bid.date_time })
}

/// As JSON lines, on the topics `person`, `auction` and `bid`.
pub(crate) fn lines() -> String {
    let line = |event: Event| {
        let (topic, key, value) = match event {
            Event::Person(person) => {
                let Person { id, name, city, state, date_time, .. } = person;
                let value = json!({ "id": id, "name": name, "city": city, "state": state,
                    "date_time": date_time });
                ("person", id, value)
            }
            Event::Auction(auction) => {
                let Auction { id, seller, category, date_time, expires, .. } = auction;
                let value = json!({ "id": id, "seller": seller, "category": category,
                    "date_time": date_time, "expires": expires });
                ("auction", id, value)
            }
            Event::Bid(bid) => ("bid", bid.auction, self::bid(&bid)),
        };
        let record = json!({ "topic": topic, "key": key.to_string(), "value": value });
        format!("{record}\n")
    };
    arrivals().map(line).collect()
}

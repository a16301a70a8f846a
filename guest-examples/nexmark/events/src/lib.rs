//! The events of NEXMark, an auction house: people, what they offer, and what others bid. Values are
//! JSON; what is not named here is left aside.

use serde::{Deserialize, Serialize};

/// Somebody who offers or bids. The key of its record is `id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Its number.
    pub id: u64,
    /// First and last name.
    pub name: String,
    /// Where it lives.
    pub city: String,
    /// The state's two letters.
    pub state: String,
}

/// Something that is offered. The key of its record is `id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Auction {
    /// Its number.
    pub id: u64,
    /// The person that offers it.
    pub seller: u64,
    /// What kind of thing it is.
    pub category: u64,
    /// The first time at which one can bid, ms since the Unix epoch.
    pub date_time: i64,
    /// The last one, ms since the Unix epoch.
    pub expires: i64,
}

/// An offer to buy. The key of its record is `auction`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bid {
    /// The auction's number.
    pub auction: u64,
    /// The person's number.
    pub bidder: u64,
    /// In cents.
    pub price: u64,
    /// ms since the Unix epoch.
    pub date_time: i64,
}

//! NEXMark query 3: who in Oregon, Idaho or California offers something of category 10? Its inputs are
//! `person` and `by-seller`, the auctions by their seller. Both are kept for good: an auction may come
//! before its seller does, or years after.

use std::time::Duration;

use nexmark_events::{Auction, Person};
use pelton_sdk::prelude::*;

pelton_sdk::function!(pelton_sdk::join_with(
    Join::inputs("person", "by-seller").within(Duration::MAX),
    |person: Option<Person>, auction: Option<Auction>, pair, ctx| match (person, auction) {
        (Some(Person { name, city, state, .. }), Some(Auction { id, category: 10, .. }))
            if ["or", "id", "ca"].contains(&state.as_str()) =>
        {
            OUT.emit(ctx, pair.key(), Json((name, city, state, id)))
        }
        _ => Ok(()),
    },
));

//! NEXMark query 4: the mean price of what was sold in each category, told anew with each sale. Its input
//! is what query 9 tells, by category.

use pelton_sdk::prelude::*;
use serde::Deserialize;

/// The field of a sale that counts.
#[derive(Deserialize)]
struct Sale {
    price: u64,
}

pelton_sdk::aggregate!(
    Windows::global().early_records(1),
    |(sales, cents): &mut (u64, u64), record| {
        *sales += 1;
        *cents += record.json::<Sale>()?.price;
        Ok(())
    },
    |window, (sales, cents), ctx| OUT.emit(ctx, window.key(), Json(cents as f64 / sales as f64))
);

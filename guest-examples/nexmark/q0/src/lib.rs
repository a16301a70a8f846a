//! NEXMark query 0: all bids, as they come. What it costs to pass records through.

pelton_sdk::filter!(|_| true);

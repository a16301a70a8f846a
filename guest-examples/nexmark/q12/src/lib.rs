//! NEXMark query 12: how often somebody bids in ten seconds by the clock, whatever the times of the bids.
//! The ten seconds begin with the first bid of each. A bounded run has no clock: there each window is the
//! whole input. Its input is `by-bidder`, the bids by who bids.

use std::time::Duration;

use pelton_sdk::prelude::*;

pelton_sdk::aggregate!(
    Windows::global().early_delay(Duration::from_secs(10)).discarding(),
    |bids: &mut u64, _| {
        *bids += 1;
        Ok(())
    },
    |window, bids, ctx| OUT.emit(ctx, window.key(), Json(bids))
);

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    #[test]
    fn bids_are_counted_by_ten_seconds_of_the_clock() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            for (bidder, clock_ms) in [("1", 0), ("1", 6_000), ("2", 3_000), ("1", 9_000)] {
                test.advance_clock(clock_ms);
                test.push(bidder, "{}", 7);
            }
            test.advance_clock(20_000);
            test.run();
            let out = test.outputs("out");
            let told: Vec<_> = out.iter().map(|out| (out.key_text(), out.text())).collect();
            let told: Vec<_> = told.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(told, [("1", "2"), ("2", "1"), ("1", "1")]);
        }
    }
}

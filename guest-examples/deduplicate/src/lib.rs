//! Deduplicate: sends on the first record of each key, and drops those that follow it within an
//! hour (configuration entry `window-ms`).

use std::time::Duration;

use pelton_sdk::prelude::*;

struct Deduplicate {
    seen: Store<Vec<u8>, i64>,
    window: Duration,
}

impl Process for Deduplicate {
    fn open(setup: &mut Setup) -> Result<Self> {
        let window = setup.config_ms_or("window-ms", Duration::from_hours(1))?;
        Ok(Self { seen: setup.store("seen"), window })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let (key, now) = (record.key_bytes(), record.timestamp());
        let window_ms = self.window.as_millis() as i64;
        // The host may drop an entry a little later than its time: here the exact time decides.
        let first = self.seen.get(ctx, key)?;
        if first.is_some_and(|first| now < first.saturating_add(window_ms)) {
            return Ok(());
        }
        self.seen.put_for(ctx, key, now, self.window)?;
        OUT.forward(ctx);
        Ok(())
    }
}

pelton_sdk::process!(Deduplicate);

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    #[test]
    fn the_first_of_a_key_passes_and_those_within_the_window_do_not() {
        let run = |mut test: Harness| {
            let records = [("a", 0), ("a", 1), ("b", 2), ("a", 999), ("a", 1_000), ("a", 1_999)];
            for (at, (key, time)) in records.into_iter().enumerate() {
                test.push(key, at.to_string(), time);
            }
            test.texts("out")
        };
        let harness = || Harness::new(crate::function).config("window-ms", "1000");
        assert_eq!(run(harness()), ["0", "2", "4"]);
        assert_eq!(run(harness().batch(1).fresh_instances()), ["0", "2", "4"]);
    }

    #[test]
    fn what_has_outlived_its_time_is_forgotten() {
        let mut test = Harness::new(crate::function).config("window-ms", "1000");
        test.push("a", "1", 0);
        assert!(test.stored::<Vec<u8>, i64>("seen", &b"a"[..]).is_some());
        test.advance_watermark(2_000);
        assert!(test.stored::<Vec<u8>, i64>("seen", &b"a"[..]).is_none());
    }
}

//! The largest number of each key in each hour (configuration entry `size-ms`), picked from the
//! whole contents of the window: the record itself, with its own timestamp.

use std::time::Duration;

use pelton_sdk::prelude::*;

struct Top;

impl Window for Top {
    fn open(setup: &mut Setup) -> Result<Self> {
        let size = setup.config_ms_or("size-ms", Duration::from_hours(1))?;
        setup.windows(Windows::tumbling(size));
        Ok(Self)
    }

    fn fire(&mut self, window: &Fired, records: &Contents, ctx: &mut Context) -> Result<()> {
        let mut top: Option<(f64, Record)> = None;
        for record in records.iter() {
            let number = record.json::<f64>()?;
            if top.is_none_or(|(most, _)| number > most) {
                top = Some((number, record));
            }
        }
        let Some((_, record)) = top else { return Ok(()) };
        OUT.draft().timestamp(record.timestamp()).emit(ctx, window.key(), record.value())
    }
}

pelton_sdk::window!(Top);

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    #[test]
    fn the_largest_number_of_each_window_is_sent() {
        let run = |mut test: Harness| {
            for (number, time) in [("3", 1), ("8.5", 2), ("8", 3), ("-1", 1_000)] {
                test.push("k", number, time);
            }
            test.finish();
            let out = test.outputs("out");
            out.iter().map(|out| (out.text(), out.timestamp)).collect::<Vec<_>>()
        };
        let harness = || Harness::new(crate::function).config("size-ms", "1000");
        let expected = [("8.5".to_owned(), 2), ("-1".to_owned(), 1_000)];
        assert_eq!(run(harness()), expected);
        assert_eq!(run(harness().batch(1).fresh_instances()), expected);
    }

    #[test]
    fn a_window_with_a_record_that_is_no_number_is_rejected_whole() {
        let mut test = Harness::new(crate::function).config("size-ms", "1000");
        for (value, time) in [("3", 1), ("x", 2), ("4", 1_000)] {
            test.push("k", value, time);
        }
        test.finish();
        assert_eq!(test.texts("out"), ["4"]);
        assert_eq!(test.rejected().len(), 1);
    }
}

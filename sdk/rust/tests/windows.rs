//! Windowed functions: accumulators, contents, late records, rejects.

use std::time::Duration;

use pelton_sdk::Calendar;
use pelton_sdk::prelude::*;
use pelton_sdk::testing::Harness;

mod sums {
    use super::*;

    struct Sums {
        out: Output,
    }

    impl Aggregate for Sums {
        type Accumulator = (u64, i64);

        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            let out = setup.output("out");
            let size = setup.config_ms_or("size-ms", Duration::from_secs(10))?;
            let advance = setup.config_ms_or("advance-ms", size)?;
            let windows = Windows::hopping(size, advance).grace(Duration::from_secs(5));
            setup.windows(windows.late_to("late"));
            Ok(Self { out })
        }

        fn add(&self, sum: &mut (u64, i64), record: &Record<'_>) -> Result<()> {
            // Changes first and refuses then: what is refused must leave nothing behind.
            sum.0 += 1;
            let number: i64 = record.text()?.parse()?;
            sum.1 += number;
            Ok(())
        }

        fn finish(&mut self, w: &Fired<'_>, sum: (u64, i64), ctx: &mut Context<'_>) -> Result<()> {
            let text = format!("{}..{} {} of {}", w.start(), w.end(), sum.1, sum.0);
            self.out.emit(ctx, w.key(), text)
        }
    }

    pelton_sdk::aggregate!(Sums);
}

fn every_way(run: impl Fn(Harness)) {
    run(Harness::new(sums::function));
    run(Harness::new(sums::function).batch(1));
    run(Harness::new(sums::function).batch(2).fresh_instances());
}

#[test]
fn a_window_fires_once_its_time_has_passed() {
    every_way(|mut test| {
        for (value, time) in [("1", 0), ("2", 9_999), ("4", 10_000), ("8", 5_000)] {
            test.push("k", value, time);
        }
        assert_eq!(test.texts("out"), ["0..10000 3 of 2", "0..10000 11 of 3"]);
        test.push("k", "16", 15_000);
        test.push("k", "too late", 1);
        assert_eq!(test.texts("late"), ["too late"]);
        test.finish();
        assert_eq!(test.texts("out").last().unwrap(), "10000..20000 20 of 2");
    });
}

#[test]
fn a_record_that_is_refused_goes_into_no_window() {
    let run = |mut test: Harness| {
        for (value, time) in [("1", 0), ("x", 1), ("2", 2), ("y", 7_000), ("4", 8_000)] {
            test.push("k", value, time);
        }
        test.finish();
        let rejected: Vec<_> = test.rejected().iter().map(|r| r.record.text()).collect();
        assert_eq!(rejected, ["x", "y"]);
        test.texts("out")
    };
    let hopping = |test: Harness| test.config("advance-ms", "5000");
    let all = run(hopping(Harness::new(sums::function)));
    assert_eq!(all, ["-5000..5000 3 of 2", "0..10000 7 of 3", "5000..15000 4 of 1"]);
    assert_eq!(run(hopping(Harness::new(sums::function).batch(1))), all);
}

mod contents {
    use super::*;

    pelton_sdk::window!(Windows::tumbling(Duration::from_secs(10)), |window, records, ctx| {
        let all: Vec<_> = records.iter().map(|r| r.text().unwrap_or("?")).collect();
        let text = format!("{} {}: {}", window.key_text()?, records.len(), all.join(","));
        OUT.emit(ctx, window.key(), text)
    },);
}

#[test]
fn a_window_comes_with_its_records_in_order() {
    for mut test in [Harness::new(contents::function), Harness::new(contents::function).batch(1)] {
        for (key, value, time) in [("a", "1", 5), ("b", "2", 6), ("a", "3", 4), ("a", "4", 10_000)]
        {
            test.push(key, value, time);
        }
        test.finish();
        let mut out = test.texts("out");
        out.sort();
        assert_eq!(out, ["a 1: 4", "a 2: 1,3", "b 1: 2"]);
    }
}

#[test]
fn contents_too_large_for_one_batch_come_whole() {
    let mut test = Harness::new(contents::function).batch(3);
    for at in 0..10 {
        test.push("a", at.to_string(), at);
    }
    test.finish();
    assert_eq!(test.texts("out"), ["a 10: 0,1,2,3,4,5,6,7,8,9"]);
}

mod by_count {
    use super::*;

    pelton_sdk::aggregate!(
        Windows::count(3),
        |texts: &mut Vec<String>, record| {
            texts.push(record.text()?.to_owned());
            Ok(())
        },
        |window, texts, ctx| OUT.emit(ctx, window.key(), texts.join(",")),
    );
}

mod early {
    use super::*;

    pelton_sdk::window!(
        Windows::tumbling(Duration::from_secs(10)).early_records(2).discarding(),
        |window, records, ctx| {
            let when = if window.is_early() { "early" } else { "at its end" };
            OUT.emit(ctx, window.key(), format!("{when}: {}", records.len()))
        },
    );
}

mod unmerged {
    use super::*;

    pelton_sdk::aggregate!(
        Windows::session(Duration::from_secs(10)),
        |count: &mut u64, _record| {
            *count += 1;
            Ok(())
        },
        |window, count, ctx| OUT.emit(ctx, window.key(), Json(count)),
    );
}

#[test]
fn windows_by_count_take_so_many_records_of_a_key() {
    for mut test in [Harness::new(by_count::function), Harness::new(by_count::function).batch(1)] {
        for (at, key) in ["a", "b", "a", "b", "a", "a"].into_iter().enumerate() {
            test.push(key, at.to_string(), 100 - at as i64);
        }
        assert_eq!(test.texts("out"), ["0,2,4"]);
        test.finish();
        assert_eq!(test.texts("out"), ["0,2,4", "5", "1,3"]);
    }
}

#[test]
fn a_window_says_that_it_fires_early() {
    let mut test = Harness::new(early::function);
    for time in [1, 2, 3, 10_000] {
        test.push("a", "x", time);
    }
    assert_eq!(test.texts("out"), ["early: 2", "at its end: 1"]);
}

mod daily {
    use super::*;

    pelton_sdk::window!(
        Windows::calendar(Calendar::Day, "America/New_York").early_delay(Duration::from_secs(5)),
        |window, records, ctx| {
            let texts: Vec<&str> = records.iter().map(|r| r.text()).collect::<Result<_>>()?;
            let when = if window.is_early() { "so far" } else { "of the day" };
            OUT.emit(ctx, window.key(), format!("{when}: {}", texts.join(",")))
        }
    );
}

#[test]
fn days_are_told_of_by_the_clock_while_they_last() {
    let mut test = Harness::new(daily::function).event_time("header:at", "rfc3339");
    for (value, at) in [("1", "2026-07-01T23:00:00-04:00"), ("2", "2026-07-02T00:00:00-04:00")] {
        test.push_with_headers("in", "a", value, 0, &[("at", at)]);
        test.advance_clock(5_000);
    }
    test.finish();
    assert_eq!(test.texts("out"), ["so far: 1", "of the day: 1", "so far: 2", "of the day: 2"]);
}

mod marked {
    use super::*;

    pelton_sdk::aggregate!(
        Windows::global().marker("closes"),
        |count: &mut u64, _record| {
            *count += 1;
            Ok(())
        },
        |window, count, ctx| OUT.emit(ctx, window.key(), count.to_string()),
    );
}

#[test]
fn a_marker_closes_windows_without_an_end() {
    let mut test = Harness::new(marked::function);
    for key in ["a", "b", "a"] {
        test.push(key, "x", 1);
    }
    test.push_with_headers("in", Null, Null, 2, &[("closes", "")]);
    assert_eq!(test.texts("out"), ["2", "1"]);
    test.push("a", "x", 3);
    test.finish();
    assert_eq!(test.texts("out"), ["2", "1", "1"]);
}

mod trips {
    use super::*;

    struct Trips;

    impl Aggregate for Trips {
        type Accumulator = Vec<String>;

        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            setup.windows(Windows::global().discarding());
            Ok(Self)
        }

        fn add(&self, places: &mut Vec<String>, record: &Record<'_>) -> Result<()> {
            places.push(record.text()?.to_owned());
            Ok(())
        }

        fn fires(&self, _: &Vec<String>, record: &Record<'_>) -> bool {
            record.text().is_ok_and(|place| place == "home")
        }

        fn finish(
            &mut self,
            w: &Fired<'_>,
            places: Vec<String>,
            ctx: &mut Context<'_>,
        ) -> Result<()> {
            OUT.emit(ctx, w.key(), places.join(">"))
        }
    }

    pelton_sdk::aggregate!(Trips);
}

#[test]
fn a_function_says_itself_where_a_window_ends() {
    let plain = || Harness::new(trips::function);
    for mut test in [plain(), plain().batch(1), plain().batch(2).fresh_instances()] {
        let places = ["home", "work", "shop", "home", "work"];
        for (time, place) in places.into_iter().enumerate() {
            test.push("ann", place, time as i64);
            test.push("bob", place.to_uppercase(), time as i64);
        }
        let told = |test: &mut Harness| {
            let out = test.outputs("out").into_iter();
            out.filter(|out| out.key_text() == "ann").map(|out| out.text()).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut test), ["home", "work>shop>home"]);
        test.finish();
        assert_eq!(told(&mut test), ["home", "work>shop>home", "work"]);
    }
}

mod sliding {
    use super::*;

    pelton_sdk::window!(Windows::sliding(Duration::from_millis(10)), |window, records, ctx| {
        OUT.emit(ctx, window.key(), records.iter().count().to_string())
    });
}

#[test]
fn there_is_a_sliding_window_for_each_set_of_records() {
    let mut test = Harness::new(sliding::function);
    for time in [0, 5, 12] {
        test.push("a", "x", time);
    }
    test.finish();
    assert_eq!(test.texts("out"), ["1", "2", "1", "2", "1"]);
}

#[test]
#[should_panic(expected = "whose `merge` says how two become one")]
fn sessions_need_a_function_that_merges() {
    Harness::new(unmerged::function).push("a", "x", 1);
}

//! What a function over records may rely on: typed state, undo of one record, timers, retries.

use std::time::Duration;

use pelton_sdk::prelude::*;
use pelton_sdk::testing::Harness;

/// Does what values say: `add N`, `set N`, `keep N MS`, `drop`, `drop-prefix P`, `fail` (after a
/// write and an output), `tell`.
mod commands {
    use super::*;

    struct Commands {
        sums: Store<String, i64>,
        out: Output,
        log: Output,
    }

    impl Process for Commands {
        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            Ok(Self {
                sums: setup.store("sums"),
                out: setup.output("out"),
                log: setup.output("log"),
            })
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
            let key = record.key_text()?;
            let text = record.text()?;
            self.log.forward(ctx);
            let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
            match command {
                "add" => {
                    let more: i64 = rest.parse()?;
                    self.sums.update(ctx, key, |sum| *sum += more)?;
                }
                "set" => self.sums.put(ctx, key, rest.parse()?),
                "keep" => {
                    self.sums.put_for(ctx, key, rest.parse()?, Duration::from_millis(1_000))?
                }
                "drop" => self.sums.delete(ctx, key),
                "drop-prefix" => self.sums.delete_prefix(ctx, rest)?,
                "spoil" => {
                    self.sums.put(ctx, key, -1);
                    self.sums.delete_prefix(ctx, rest)?;
                    self.out.emit(ctx, key, "never seen")?;
                    return ctx.reject("spoiled on purpose");
                }
                _ => {
                    let sum = self.sums.get(ctx, key)?;
                    self.out.emit(ctx, key, sum.map_or("none".into(), |sum| sum.to_string()))?;
                }
            }
            Ok(())
        }
    }

    pelton_sdk::process!(Commands);
}

/// The same records at once, one at a time, and with a fresh instance for each call.
fn every_way(run: impl Fn(Harness)) {
    run(Harness::new(commands::function));
    run(Harness::new(commands::function).batch(1));
    run(Harness::new(commands::function).batch(3));
    run(Harness::new(commands::function).batch(1).fresh_instances());
}

#[test]
fn a_record_reads_what_the_records_before_it_wrote() {
    every_way(|mut test| {
        let lines = ["add 2", "add 3", "tell", "drop", "tell", "set 9", "tell", "add 1", "tell"];
        for (at, line) in lines.iter().enumerate() {
            test.push("k", *line, at as i64);
        }
        assert_eq!(test.texts("out"), ["5", "none", "9", "10"]);
        assert_eq!(test.stored::<String, i64>("sums", "k"), Some(10));
        assert_eq!(test.stored::<String, i64>("sums", "other"), None);
    });
}

#[test]
fn a_rejected_record_takes_back_its_own_doings_and_no_others() {
    every_way(|mut test| {
        test.push("a", "add 5", 1);
        test.push("ab", "add 7", 2);
        test.push("a", "spoil a", 3);
        test.push("a", "tell", 4);
        test.push("ab", "tell", 5);
        test.push("b", "add x", 6);
        test.push("b", "tell", 7);
        assert_eq!(test.texts("out"), ["5", "7", "none"]);
        let logged = test.texts("log");
        assert_eq!(logged, ["add 5", "add 7", "tell", "tell", "tell"]);
        let rejected = test.rejected();
        assert_eq!(rejected.len(), 2);
        assert_eq!(rejected[0].reason, "spoiled on purpose");
        assert!(rejected[1].reason.contains("invalid digit"), "{}", rejected[1].reason);
        assert_eq!(rejected[1].record.text(), "add x");
    });
}

#[test]
fn a_deleted_prefix_takes_what_was_before_it_and_leaves_what_comes_after() {
    every_way(|mut test| {
        test.push("a/1", "set 1", 1);
        test.push("a/2", "keep 2", 2);
        test.push("b/1", "set 3", 3);
        test.push("x", "drop-prefix a/", 4);
        test.push("a/2", "tell", 5);
        test.push("a/3", "keep 4", 6);
        test.push("a/1", "add 5", 7);
        for key in ["a/1", "a/2", "a/3", "b/1"] {
            test.push(key, "tell", 8);
        }
        assert_eq!(test.texts("out"), ["none", "5", "none", "4", "3"]);
        assert_eq!(test.stored::<String, i64>("sums", "a/3"), Some(4));
        assert_eq!(test.stored::<String, i64>("sums", "a/2"), None);
    });
}

#[test]
fn a_value_expires_between_two_records_of_the_same_batch() {
    every_way(|mut test| {
        test.push("k", "keep 7", 10_000);
        test.push("k", "tell", 10_999);
        // The watermark before this record is the timestamp of the one before it.
        test.push("k", "tell", 11_100);
        test.push("k", "tell", 11_100);
        test.push("k", "set 8", 11_101);
        test.push("k", "tell", 90_000);
        assert_eq!(test.texts("out"), ["7", "7", "none", "8"]);
    });
}

#[test]
fn state_survives_a_crash() {
    let mut test = Harness::new(commands::function);
    test.push("k", "add 2", 1);
    test.crash();
    test.push("k", "add 3", 2);
    test.push("k", "tell", 3);
    assert_eq!(test.texts("out"), ["5"]);
}

mod retrying {
    use super::*;

    pelton_sdk::process!(|record, ctx| {
        OUT.forward(ctx);
        if record.value_bytes() == b"early" && config_says_no() {
            return Err(Error::retry("not yet").after(Duration::from_millis(50)));
        }
        Ok(())
    });

    fn config_says_no() -> bool {
        use std::sync::atomic::{AtomicU32, Ordering};
        static TRIES: AtomicU32 = AtomicU32::new(0);
        TRIES.fetch_add(1, Ordering::SeqCst) < 3
    }
}

#[test]
fn a_retried_record_is_sent_once_and_keeps_its_place() {
    let mut test = Harness::new(retrying::function);
    for value in ["first", "early", "last"] {
        test.push("k", value, 1);
    }
    assert_eq!(test.texts("out"), ["first", "early", "last"]);
    assert!(test.rejected().is_empty());
}

mod panicking {
    pelton_sdk::process!(|record, ctx| {
        pelton_sdk::info!("saw {}", record.text()?);
        assert_ne!(record.value_bytes(), b"bad", "a bad record");
        pelton_sdk::OUT.forward(ctx);
        Ok(())
    });
}

#[test]
fn a_panic_costs_the_one_record_that_caused_it() {
    let mut test = Harness::new(panicking::function);
    for value in ["a", "b", "bad", "c"] {
        test.push("k", value, 1);
    }
    assert_eq!(test.texts("out"), ["a", "b", "c"]);
    let rejected = test.rejected();
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].reason.contains("a bad record"), "{}", rejected[0].reason);
    assert!(test.log_lines().iter().any(|line| line.message == "saw c"));
}

mod alarms {
    use super::*;

    struct Alarms {
        event: Timer,
        wall: Timer,
    }

    impl Process for Alarms {
        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            Ok(Self { event: setup.event_timer("event"), wall: setup.processing_timer("wall") })
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
            let at = record.json()?;
            match record.header("timer") {
                Some(b"wall") => self.wall.set_with(ctx, record.key(), at, "payload"),
                Some(b"cancel") => self.event.cancel(ctx, record.key()),
                _ => self.event.set(ctx, record.key(), at),
            }
        }

        fn timer(&mut self, timer: &DueTimer<'_>, ctx: &mut Context<'_>) -> Result<()> {
            let kind = if timer.is(self.wall) { "wall" } else { "event" };
            assert_eq!(timer.value(), timer.is(self.wall).then_some(&b"payload"[..]));
            OUT.emit(ctx, timer.key(), format!("{kind} {} {}", timer.at(), ctx.now()))
        }
    }

    pelton_sdk::process!(Alarms);
}

#[test]
fn timers_fire_by_watermark_or_clock_and_not_before() {
    let mut test = Harness::new(alarms::function);
    test.push("k", Json(100), 0);
    test.push("gone", Json(100), 0);
    test.push_with_headers("in", "gone", Json(0), 0, &[("timer", "cancel")]);
    test.push_with_headers("in", "w", Json(500), 0, &[("timer", "wall")]);
    assert_eq!(test.timers().len(), 2);
    test.advance_watermark(100);
    assert!(test.texts("out").is_empty());
    test.advance_watermark(101);
    assert_eq!(test.texts("out"), ["event 100 100"]);
    test.advance_clock(501);
    assert_eq!(test.texts("out"), ["event 100 100", "wall 500 500"]);
    assert!(test.timers().is_empty());
}

mod settings {
    use super::*;

    struct Greeter {
        greeting: String,
        times: usize,
        second: Input,
    }

    impl Process for Greeter {
        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            setup.with_offsets();
            Ok(Self {
                greeting: setup.config_or("greeting", "hello".to_owned())?,
                times: setup.config_or("times", 1)?,
                second: setup.input("second")?,
            })
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
            let from = if self.second.is_of(record) { "second" } else { "first" };
            let greeting = self.greeting.repeat(self.times);
            let text = format!("{greeting} {from} {}", record.offset().unwrap_or(-1));
            let draft = OUT.draft().timestamp(record.timestamp() + 1).header("a", b"b");
            draft.headers_of(record).emit(ctx, record.key(), text)
        }
    }

    pelton_sdk::process!(Greeter);
}

#[test]
fn configuration_inputs_offsets_and_headers_reach_the_function() {
    let mut test =
        Harness::new(settings::function).input("first").input("second").config("times", "2");
    test.push_to("first", Null, "x", 1);
    test.push_with_headers("second", Null, "y", 2, &[("c", "d")]);
    assert_eq!(test.texts("out"), ["hellohello first 0", "hellohello second 0"]);
    let last = test.outputs("out").remove(1);
    assert_eq!(
        (last.timestamp, last.header("a"), last.header("c")),
        (3, Some("b".into()), Some("d".into()))
    );
}

#[test]
#[should_panic(expected = "the configuration entry `times` cannot be \"many\"")]
fn a_setting_of_the_wrong_type_is_named_when_the_function_is_opened() {
    Harness::new(settings::function).input("second").config("times", "many").run();
}

#[test]
#[should_panic(expected = "an input called `second`; its subscriptions are first")]
fn an_input_that_is_not_subscribed_is_named_when_the_function_is_opened() {
    Harness::new(settings::function).input("first").run();
}

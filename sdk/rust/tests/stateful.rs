//! What a function with memory of its own may rely on: it outlives instances, and an error takes back
//! the changes of its own record.

use pelton_sdk::prelude::*;
use pelton_sdk::testing::Harness;
use serde::{Deserialize, Serialize};

/// `add N`, `spoil N` (adds, then fails), `panic`, `later N`
/// (a timer that adds 1,000), `tell`.
mod sums {
    use super::*;

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(crate) struct Sum {
        sum: i64,
    }

    struct Sums {
        later: Timer,
    }

    impl Stateful for Sums {
        type Memory = Sum;

        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            Ok(Self { later: setup.event_timer("later") })
        }

        fn record(
            &mut self,
            memory: &mut Memory<Sum>,
            record: &Record<'_>,
            ctx: &mut Context<'_>,
        ) -> Result<()> {
            let text = record.text()?;
            let (command, rest) = text.split_once(' ').unwrap_or((text, "0"));
            let number: i64 = rest.parse()?;
            match command {
                "later" => {
                    let at = record.timestamp() + number;
                    self.later.set(ctx, "k", at)?;
                }
                "tell" => OUT.emit(ctx, record.key(), memory.sum.to_string())?,
                _ => memory.sum += number,
            }
            match command {
                "spoil" => ctx.reject("spoiled on purpose"),
                "panic" => panic!("on purpose"),
                _ => Ok(()),
            }
        }

        fn timer(
            &mut self,
            memory: &mut Memory<Sum>,
            timer: &DueTimer<'_>,
            ctx: &mut Context<'_>,
        ) -> Result<()> {
            memory.sum += 1_000;
            OUT.emit(ctx, timer.key(), memory.sum.to_string())
        }
    }

    pelton_sdk::stateful!(Sums);
}

fn every_way(run: impl Fn(Harness)) {
    run(Harness::new(sums::function));
    run(Harness::new(sums::function).batch(1));
    run(Harness::new(sums::function).batch(3));
    run(Harness::new(sums::function).batch(2).fresh_instances());
}

fn push(test: &mut Harness, lines: &[&str]) {
    lines.iter().enumerate().for_each(|(at, line)| test.push("k", *line, at as i64));
}

#[test]
fn memory_goes_on_over_calls_and_crashes() {
    every_way(|mut test| {
        push(&mut test, &["add 2", "add 3", "tell"]);
        test.crash();
        push(&mut test, &["tell", "add 4"]);
        test.crash();
        test.crash();
        push(&mut test, &["tell"]);
        assert_eq!(test.texts("out"), ["5", "5", "9"]);
    });
}

#[test]
fn a_record_that_fails_takes_its_change_back_and_no_other() {
    every_way(|mut test| {
        push(&mut test, &["spoil 7", "tell", "add 1", "spoil 50", "tell", "add 2", "tell"]);
        test.crash();
        push(&mut test, &["tell"]);
        assert_eq!(test.texts("out"), ["0", "1", "3", "3"]);
        assert_eq!(test.rejected().len(), 2);
    });
}

#[test]
fn a_panic_takes_the_instance_and_leaves_the_memory() {
    every_way(|mut test| {
        push(&mut test, &["add 1", "add 2", "panic 9", "add 4", "tell"]);
        assert_eq!(test.texts("out"), ["7"]);
        assert_eq!(test.rejected()[0].reason, "on purpose");
    });
}

#[test]
fn timers_see_and_change_the_memory() {
    every_way(|mut test| {
        push(&mut test, &["add 1", "later 10"]);
        test.push("k", "add 2", 100);
        test.push("k", "tell", 100);
        test.finish();
        assert_eq!(test.texts("out"), ["1003", "1003"]);
    });
}

/// Memory that cannot be read again.
mod unreadable {
    use super::*;

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(crate) struct Broken {
        #[serde(deserialize_with = "never")]
        count: u64,
    }

    fn never<'de, D: serde::Deserializer<'de>>(_: D) -> Result<u64, D::Error> {
        Err(serde::de::Error::custom("no longer a number"))
    }

    struct Unreadable;

    impl Stateful for Unreadable {
        type Memory = Broken;

        fn open(_: &mut Setup<'_>) -> Result<Self> {
            Ok(Self)
        }

        fn record(
            &mut self,
            memory: &mut Memory<Broken>,
            _: &Record<'_>,
            _: &mut Context<'_>,
        ) -> Result<()> {
            memory.count += 1;
            Ok(())
        }
    }

    pelton_sdk::stateful!(Unreadable);
}

#[test]
#[should_panic(expected = "the memory that this function saved cannot be read: no longer a number")]
fn memory_that_cannot_be_read_stops_the_function_and_blames_no_record() {
    let mut test = Harness::new(unreadable::function);
    test.push("k", "1", 0);
    test.crash();
    test.push("k", "2", 1);
    test.run();
}

/// The sums again, in a version whose memory cannot be written.
mod unwritable {
    use super::*;

    #[derive(Clone, Default, Deserialize)]
    pub(crate) struct Broken {
        sum: i64,
    }

    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("a sum that cannot be written"))
        }
    }

    struct Unwritable;

    impl Stateful for Unwritable {
        type Memory = Broken;

        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            setup.event_timer("later");
            Ok(Self)
        }

        fn record(
            &mut self,
            memory: &mut Memory<Broken>,
            record: &Record<'_>,
            ctx: &mut Context<'_>,
        ) -> Result<()> {
            memory.sum += 100;
            OUT.emit(ctx, record.key(), format!("new {}", memory.sum))
        }
    }

    pelton_sdk::stateful!(Unwritable);
}

#[test]
fn a_version_whose_memory_cannot_be_saved_leaves_no_trace_and_the_one_before_goes_on() {
    every_way(|mut test| {
        push(&mut test, &["add 2", "tell"]);
        test.run();
        test.swap(unwritable::function);
        push(&mut test, &["add 3", "tell"]);
        assert_eq!(test.texts("out"), ["2", "5"]);
        let why = test.swap_failed().unwrap();
        assert!(why.contains("a sum that cannot be written"), "{why}");
        test.crash();
        push(&mut test, &["tell"]);
        assert_eq!(test.texts("out"), ["2", "5", "5"]);
    });
}

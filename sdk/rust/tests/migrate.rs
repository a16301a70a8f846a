//! What a function may rely on whose state changes its form: values of earlier versions are migrated
//! when they are read and in the background, a rollback needs a way back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pelton_sdk::testing::Harness;

/// Sums by key, kept as a bare number. `tell` tells all sums from a key on.
mod v1 {
    use pelton_sdk::prelude::*;

    pub(crate) struct Sums {
        pub(crate) sums: OrderedStore<String, u64>,
    }

    impl Process for Sums {
        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            Ok(Self { sums: setup.ordered_store("sums") })
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
            let key = record.key_text()?;
            if record.text()? == "tell" {
                let sums = self.sums.range_from(ctx, key, 10)?;
                return OUT.emit(ctx, key, Json(sums));
            }
            let number: u64 = record.text()?.parse()?;
            let sum = self.sums.update(ctx, key, |sum| {
                *sum += number;
                *sum
            })?;
            OUT.emit(ctx, key, Json(sum))
        }
    }

    pelton_sdk::process!(Sums);
}

/// The same with a count, at version 1, and at version 2 with the largest.
mod v2 {
    use pelton_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(crate) struct Counted {
        pub(crate) total: u64,
        pub(crate) count: Option<u64>,
    }

    #[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
    pub(crate) struct Stats {
        pub(crate) total: u64,
        pub(crate) count: Option<u64>,
        pub(crate) largest: u64,
    }

    impl From<u64> for Counted {
        fn from(total: u64) -> Self {
            Self { total, count: None }
        }
    }

    impl From<Counted> for Stats {
        fn from(Counted { total, count }: Counted) -> Self {
            Self { total, count, largest: 0 }
        }
    }

    pub(crate) struct Summary {
        stats: OrderedStore<String, Stats>,
    }

    impl Process for Summary {
        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            let schema = Schema::version(2)
                .migrate(0, |old: u64| Counted::from(old).into())
                .migrate(1, |old: Counted| old.into());
            Ok(Self { stats: setup.ordered_store_with("sums", schema) })
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
            let key = record.key_text()?;
            if record.text()? == "tell" {
                let all = self.stats.range_from(ctx, key, 10)?;
                let totals: Vec<_> = all.into_iter().map(|(key, s)| (key, s.total)).collect();
                return OUT.emit(ctx, key, Json(totals));
            }
            let number: u64 = record.text()?.parse()?;
            let sum = self.stats.update(ctx, key, |stats| {
                stats.total += number;
                stats.largest = stats.largest.max(number);
                stats.total
            })?;
            OUT.emit(ctx, key, Json(sum))
        }
    }

    pelton_sdk::process!(Summary);
}

/// The first version once more, with a way back from the last.
mod v1_again {
    use pelton_sdk::prelude::*;

    struct Back(super::v1::Sums);

    impl Process for Back {
        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            let schema = Schema::version(0).try_migrate(2, |newer: super::v2::Stats| {
                if newer.total == 666 { Err("no way back".into()) } else { Ok(newer.total) }
            });
            Ok(Self(super::v1::Sums { sums: setup.ordered_store_with("sums", schema) }))
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
            self.0.record(record, ctx)
        }
    }

    pelton_sdk::process!(Back);
}

use v2::Stats;

fn stats(total: u64, largest: u64) -> Stats {
    Stats { total, count: None, largest }
}

/// A harness whose state the first version has written.
fn started(records: &[(&str, &str)]) -> Harness {
    let mut test = Harness::new(v1::function);
    records.iter().for_each(|(key, value)| test.push(*key, *value, 1));
    test
}

#[test]
fn old_values_are_migrated_where_they_are_read_and_all_others_in_the_background() {
    let mut test = started(&[("a", "1"), ("b", "2"), ("c", "3")]);
    test.swap(v2::function);
    assert_eq!(test.unmigrated(), 3, "on trial nothing changes");
    assert_eq!(test.stored::<String, u64>("sums", "a"), Some(1));
    test.push("a", "10", 2);
    assert_eq!(test.texts("out"), ["1", "2", "3", "11"]);
    assert_eq!(test.swap_failed(), None);
    assert_eq!(test.unmigrated(), 0);
    assert_eq!(test.stored::<String, Stats>("sums", "a"), Some(stats(11, 10)));
    assert_eq!(test.stored::<String, Stats>("sums", "c"), Some(stats(3, 0)));
    test.crash();
    assert_eq!(test.stored::<String, Stats>("sums", "b"), Some(stats(2, 0)));
}

#[test]
fn a_scan_reads_old_and_new_values_alike() {
    let mut test = started(&[("a", "1"), ("b", "2"), ("c", "3")]);
    test.swap(v2::function);
    // All in one call, before the sweep has touched anything.
    test.push("b", "10", 2);
    test.push("a", "tell", 2);
    assert_eq!(test.texts("out")[4], r#"[["a",1],["b",12],["c",3]]"#);
}

#[test]
fn what_is_migrated_on_reading_is_the_same_whatever_the_batches_and_instances() {
    let run = |mut test: Harness| {
        for number in 0..20_u64 {
            test.push(["a", "b", "c"][number as usize % 3], number.to_string(), 1);
        }
        test.swap(v2::function);
        for number in 0..20_u64 {
            let value = if number % 7 == 0 { "tell".to_owned() } else { number.to_string() };
            test.push(["c", "d", "a"][number as usize % 3], value, 2);
        }
        test.crash();
        test.texts("out")
    };
    let all = run(Harness::new(v1::function));
    assert_eq!(run(Harness::new(v1::function).batch(1).fresh_instances()), all);
    assert_eq!(run(Harness::new(v1::function).batch(7)), all);
}

#[test]
fn a_rollback_without_a_way_back_is_taken_back_on_trial_with_the_reason() {
    let mut test = started(&[("a", "1"), ("b", "2")]);
    test.swap(v2::function);
    test.push("a", "10", 2);
    test.swap(v1::function);
    let reason = test.swap_failed().unwrap();
    for part in ["\"a\"", "`sums`", "version 2", "version 0", "later deployment"] {
        assert!(reason.contains(part), "{reason}");
    }
    test.push("a", "100", 3);
    assert_eq!(test.texts("out"), ["1", "2", "11", "111"]);
    assert!(test.rejected().is_empty());
}

#[test]
fn a_rollback_with_a_way_back_goes_on_from_the_newer_state() {
    let mut test = started(&[("a", "1"), ("b", "2")]);
    test.swap(v2::function);
    test.push("a", "10", 2);
    test.swap(v1_again::function);
    test.push("a", "100", 3);
    assert_eq!(test.texts("out"), ["1", "2", "11", "111"]);
    assert_eq!(test.swap_failed(), None);
    assert_eq!((test.unmigrated(), test.stored::<String, u64>("sums", "b")), (0, Some(2)));
}

#[test]
fn a_migration_that_fails_says_so_and_the_version_before_goes_on() {
    let mut test = started(&[("a", "1")]);
    test.swap(v2::function);
    test.push("a", "665", 2);
    test.swap(v1_again::function);
    let reason = test.swap_failed().unwrap();
    assert!(reason.contains("no way back") && reason.contains("version 2"), "{reason}");
    assert_eq!(test.stored::<String, Stats>("sums", "a"), Some(stats(666, 665)));
}

#[test]
fn values_that_no_step_leads_from_stop_the_function_and_reject_no_record() {
    let mut test = started(&[("a", "1")]);
    test.push("a", "2", 1);
    test.run();
    // Started with other code, without a deployment that would be on trial.
    test.restart_as(unmigrating::function);
    test.push("a", "3", 2);
    let error = test.try_run().unwrap_err();
    for part in ["E-STATE-MIGRATE", "\"a\"", "`sums`", "version 0", "version 5"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Saved memory: a sum, then with a new field, then in another form.
mod memory {
    use pelton_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(crate) struct Sum {
        sum: u64,
    }

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(crate) struct Counted {
        sum: u64,
        #[serde(default)]
        count: u64,
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[serde(untagged)]
    pub(crate) enum Text {
        Now { text: String },
        Counted(Counted),
    }

    impl Default for Text {
        fn default() -> Self {
            Self::Now { text: "0".to_owned() }
        }
    }

    pub(crate) trait Add:
        Clone + Default + Serialize + for<'de> Deserialize<'de> + Send + 'static
    {
        fn add(&mut self, number: u64) -> String;
    }

    impl Add for Sum {
        fn add(&mut self, number: u64) -> String {
            self.sum += number;
            self.sum.to_string()
        }
    }

    impl Add for Counted {
        fn add(&mut self, number: u64) -> String {
            self.sum += number;
            self.count += 1;
            format!("{} of {}", self.sum, self.count)
        }
    }

    impl Add for Text {
        fn add(&mut self, number: u64) -> String {
            let text = match self {
                Self::Now { text } => format!("{text}+{number}"),
                Self::Counted(old) => format!("{}+{number}", old.sum),
            };
            *self = Self::Now { text: text.clone() };
            text
        }
    }

    pub(crate) struct Adds<M>(core::marker::PhantomData<fn() -> M>);

    impl<M: Add> Stateful for Adds<M> {
        type Memory = M;

        fn open(_: &mut Setup<'_>) -> Result<Self> {
            Ok(Self(core::marker::PhantomData))
        }

        fn record(
            &mut self,
            memory: &mut Memory<M>,
            record: &Record<'_>,
            ctx: &mut Context<'_>,
        ) -> Result<()> {
            let text = memory.add(record.text()?.parse()?);
            OUT.emit(ctx, record.key(), text)
        }
    }
}

#[test]
fn saved_memory_goes_on_with_a_new_field_and_as_an_enum_of_its_forms() {
    use memory::{Adds, Counted, Sum, Text};
    let mut test = Harness::new(|| Box::new(pelton_sdk::stateful::<Adds<Sum>>()));
    test.push("k", "1", 1);
    test.swap(|| Box::new(pelton_sdk::stateful::<Adds<Counted>>()));
    test.push("k", "2", 2);
    test.swap(|| Box::new(pelton_sdk::stateful::<Adds<Text>>()));
    test.push("k", "3", 3);
    test.crash();
    test.push("k", "4", 4);
    assert_eq!(test.texts("out"), ["1", "3 of 1", "3+3", "3+3+4"]);
    assert_eq!(test.swap_failed(), None);
}

/// At version 5, from nowhere.
mod unmigrating {
    use pelton_sdk::prelude::*;

    struct Reads(Store<String, u64>);

    impl Process for Reads {
        fn open(setup: &mut Setup<'_>) -> Result<Self> {
            Ok(Self(setup.store_with("sums", Schema::version(5))))
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
            let sum = self.0.get(ctx, record.key_text()?)?;
            OUT.emit(ctx, record.key(), Json(sum))
        }
    }

    pelton_sdk::process!(Reads);
}

mod mistaken {
    use pelton_sdk::prelude::*;

    pub(crate) fn open(schema: Schema<u64>) -> Box<dyn pelton_sdk::Function> {
        struct Twice(Option<Schema<u64>>);
        impl pelton_sdk::Function for Twice {
            fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
                let _: Store<String, u64> = setup.store_with("sums", self.0.take().unwrap());
                Ok(())
            }
            fn call(
                &mut self,
                _: pelton_sdk::batch::Batch<'_>,
                _: &mut pelton_sdk::Runtime,
            ) -> Result<Vec<u8>> {
                Err("never called".into())
            }
        }
        Box::new(Twice(Some(schema)))
    }
}

#[test]
fn a_schema_that_contradicts_itself_is_refused_when_the_function_is_opened() {
    use pelton_sdk::{Instance, Schema, SetupInfo};
    let info = SetupInfo { contract_min: 1, contract_max: 1, ..SetupInfo::default() };
    let opened = |schema| match Instance::open(mistaken::open(schema), &info) {
        Ok(_) => String::new(),
        Err(failure) => failure.message,
    };
    let own = opened(Schema::version(2).migrate(2, |old: u64| old));
    assert!(own.contains("`sums`") && own.contains("version 2"), "{own}");
    let step = |old: u32| u64::from(old);
    let twice = opened(Schema::version(2).migrate(1, step).migrate(1, step));
    assert!(twice.contains("two migrations from schema version 1"), "{twice}");
    assert_eq!(opened(Schema::version(2).migrate(1, step).migrate(3, step)), "");
}

use super::{Anomaly, DAY_MS};
use pelton_sdk::testing::Harness;

const HOUR_MS: i64 = 3_600_000;

/// Sends totals of `key`: 100 flights a day, of which so many are cancelled each day.
fn days(test: &mut Harness, key: &str, cancelled: &[u64]) {
    let (mut flights, mut total) = (0, 0);
    for (day, cancelled) in (0i64..).zip(cancelled) {
        for hour in 0..20 {
            flights += 5;
            total += if hour == 0 { *cancelled } else { 0 };
            let totals = format!(r#"{{"flights":{flights},"cancelled":{total},"mean_delay":1.5}}"#);
            test.push(key, totals, day * DAY_MS + hour * HOUR_MS);
        }
    }
}

fn harness() -> Harness {
    Harness::new(crate::function)
}

#[test]
fn a_day_of_many_cancelled_flights_is_told_when_it_is_over() {
    let mut test = harness();
    days(&mut test, "UA", &[1, 3, 2, 4, 0, 2, 3, 60]);
    assert!(test.outputs("out").is_empty(), "the day is still under way");
    test.push("UA", r#"{"flights":801,"cancelled":75}"#, 8 * DAY_MS);
    let out = test.outputs("out");
    assert_eq!((out.len(), out[0].key_text().as_str()), (1, "UA"));
    let anomaly = out[0].json::<Anomaly>();
    let Anomaly { day, flights, cancelled, share_cancelled, usual_share, score } = anomaly;
    assert_eq!((day, flights, cancelled), (7 * DAY_MS, 100, 60));
    assert_eq!((share_cancelled, usual_share), (0.6, 0.02));
    // The deviation of the days before is 0.01; less than 0.02 is not taken for real.
    assert!((score - 0.6745 * 0.58 / 0.02).abs() < 1e-9, "{score}");
}

#[test]
fn usual_days_first_days_and_days_with_few_flights_are_no_anomalies() {
    let mut test = harness();
    days(&mut test, "quiet", &[1, 3, 2, 4, 0, 2, 3, 5, 1, 2]);
    // Six days are not enough to know what is usual, seven are.
    days(&mut test, "six", &[0, 0, 0, 0, 0, 0, 90, 0]);
    days(&mut test, "seven", &[0, 0, 0, 0, 0, 0, 0, 90, 0]);
    let keys: Vec<_> = test.outputs("out").iter().map(|out| out.key_text()).collect();
    assert_eq!(keys, ["seven"]);
    let mut test = harness().config("flights-min", "101");
    days(&mut test, "seven", &[0, 0, 0, 0, 0, 0, 0, 90, 0]);
    assert!(test.outputs("out").is_empty());
}

#[test]
fn carriers_do_not_mix_and_a_crash_or_other_batches_change_nothing() {
    let of = |mut test: Harness, crash| {
        days(&mut test, "a", &[2, 1, 2, 3, 2, 1, 2, 40, 2]);
        if crash {
            test.crash();
        }
        days(&mut test, "b", &[50, 51, 49, 50, 50, 52, 50, 52, 50]);
        test.texts("out")
    };
    let expected = of(harness(), false);
    assert_eq!(expected.len(), 1);
    assert_eq!(of(harness(), true), expected);
    assert_eq!(of(harness().batch(1).fresh_instances(), false), expected);
}

#[test]
fn days_are_those_of_local_time() {
    let mut test = harness().config("utc-offset-minutes", "-300");
    days(&mut test, "a", &[0, 0, 0, 0, 0, 0, 0, 0]);
    let totals = r#"{"flights":900,"cancelled":90}"#;
    test.push("a", totals, 8 * DAY_MS + 4 * HOUR_MS);
    test.push("a", totals, 8 * DAY_MS + 5 * HOUR_MS);
    let anomaly = test.outputs("out")[0].json::<Anomaly>();
    assert_eq!(anomaly.day, 7 * DAY_MS + 5 * HOUR_MS);
}

#[test]
fn what_is_no_statistics_is_rejected() {
    let mut test = harness();
    test.push("a", r#"{"dep_delay":1}"#, 1);
    assert_eq!(test.rejected().len(), 1);
}

use super::*;
use crate::deployment::Progress;
use crate::latency::Latency;

fn id(name: &str) -> FunctionId {
    FunctionId::parse(name).unwrap()
}

fn figures(records_in: u64, lag: u64) -> Figures {
    let progress = Progress { records_in, calls: records_in, ..Progress::default() };
    Figures { progress, lag, ..Figures::default() }
}

#[test]
fn samples_tell_what_was_done_since_the_one_before() {
    let (history, f) = (History::default(), id("f"));
    assert_eq!(history.recent(&f), None);
    let latency = Latency::default();
    for (round, records) in [10, 10, 35].into_iter().enumerate() {
        let node = NodeTotals { produced: records * 2, ..NodeTotals::default() };
        let mut figures = figures(records, 3);
        figures.durations = latency.seen();
        history.sample(round as i64, node, &[(f.clone(), figures)]);
        latency.add(Duration::from_micros(150));
    }
    let of = history.of_function(&f);
    assert_eq!((of.times_ms, of.records_in, of.lag), (vec![0, 1, 2], vec![10, 0, 25], vec![3; 3]));
    assert_eq!(of.p99_us, [None, Some(200), Some(200)]);
    let recent = history.recent(&f).unwrap();
    assert_eq!((recent.records_in_rate, recent.p99_us), (5.0, Some(200)));
    let node = history.of_node();
    assert_eq!((node.produced, node.records_in), (vec![0, 0, 50], vec![10, 0, 25]));
}

#[test]
fn a_function_that_is_started_anew_counts_from_nothing() {
    let (history, f) = (History::default(), id("f"));
    for records in [100, 7] {
        history.sample(0, NodeTotals::default(), &[(f.clone(), figures(records, 0))]);
    }
    assert_eq!(history.of_function(&f).records_in, [100, 7]);
}

#[test]
fn as_many_samples_are_kept_as_it_says_and_one_more_drops_the_oldest() {
    let (history, f) = (History::default(), id("f"));
    for round in 1..=SAMPLES_MAX as u64 {
        history.sample(round as i64, NodeTotals::default(), &[(f.clone(), figures(round, 1))]);
    }
    let of = history.of_function(&f);
    assert_eq!((of.times_ms.len(), of.times_ms[0], of.records_in[0]), (SAMPLES_MAX, 1, 1));
    let next = SAMPLES_MAX as u64 + 1;
    history.sample(next as i64, NodeTotals::default(), &[(f.clone(), figures(next, 1))]);
    let of = history.of_function(&f);
    assert_eq!((of.times_ms.len(), of.times_ms[0], of.records_in[0]), (SAMPLES_MAX, 2, 1));
    assert_eq!(history.kept().functions[&f].held(), SAMPLES_MAX);
}

#[test]
fn functions_that_do_nothing_hold_no_samples_and_those_that_are_gone_are_forgotten() {
    let (history, f, idle) = (History::default(), id("f"), id("idle"));
    let all = [(f.clone(), figures(0, 9)), (idle.clone(), figures(0, 0))];
    history.sample(0, NodeTotals::default(), &all);
    assert_eq!(history.kept().functions[&idle].held(), 0);
    for _ in 1..SAMPLES_MAX {
        history.sample(0, NodeTotals::default(), &[]);
        assert!(history.kept().functions.contains_key(&f));
    }
    assert_eq!(history.of_function(&f).lag[..2], [9, 0]);
    history.sample(0, NodeTotals::default(), &[]);
    assert!(history.kept().functions.is_empty());
    assert_eq!(history.of_function(&f).lag, [0; SAMPLES_MAX]);
}

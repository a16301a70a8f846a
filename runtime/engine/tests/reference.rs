//! Windows against a plain model: one record at a time, lists that are searched from end to end, and
//! no batches, snapshots or indexes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_core::window::{Assigner, Window};
use proptest::prelude::*;
use support::functions::{window_contents, window_sums};
use support::{Row, World};

struct Pane {
    window: Window,
    key: String,
    records: usize,
    sum: i64,
    pending: bool,
}

struct Model {
    assigner: Assigner,
    grace_ms: i64,
    bound_ms: i64,
    panes: Vec<Pane>,
    highest: i64,
    watermark: i64,
    out: Vec<Row>,
    late: Vec<Row>,
}

impl Model {
    fn new(assigner: Assigner, grace_ms: i64, bound_ms: i64) -> Self {
        Self {
            assigner,
            grace_ms,
            bound_ms,
            panes: Vec::new(),
            highest: i64::MIN,
            watermark: i64::MIN,
            out: Vec::new(),
            late: Vec::new(),
        }
    }

    fn is_over(&self, window: Window) -> bool {
        window.end.saturating_add(self.grace_ms) <= self.watermark
    }

    fn add(&mut self, row: &Row) {
        let (key, value) =
            (row.0.clone().unwrap(), row.1.as_ref().unwrap().parse::<i64>().unwrap());
        let mut added = false;
        for window in self.assigner.windows(row.2).collect::<Vec<_>>() {
            let window = if self.assigner.merges() { self.joined(window, &key) } else { window };
            if self.is_over(window) {
                continue;
            }
            added = true;
            self.merge(window, &key);
            let of_key = |pane: &&mut Pane| pane.window == window && pane.key == key;
            let pane = self.panes.iter_mut().find(of_key).unwrap();
            (pane.records, pane.sum, pane.pending) = (pane.records + 1, pane.sum + value, true);
        }
        if !added {
            self.late.push(row.clone());
        }
        self.highest = self.highest.max(row.2);
        self.watermark = self.watermark.max(self.highest.saturating_sub(self.bound_ms));
        self.fire();
        let over: Vec<bool> = self.panes.iter().map(|pane| self.is_over(pane.window)).collect();
        let mut over = over.iter();
        self.panes.retain(|_| !over.next().unwrap());
    }

    /// The window that a record's own becomes with all sessions of the key that it touches.
    fn joined(&self, own: Window, key: &str) -> Window {
        let near = self.panes.iter().filter(|pane| pane.key == key && pane.window.touches(&own));
        near.fold(own, |window, pane| window.span(&pane.window))
    }

    /// Makes one pane of those of the key within `window`: itself, or the sessions that it joins.
    fn merge(&mut self, window: Window, key: &str) {
        let mut one = Pane { window, key: key.to_owned(), records: 0, sum: 0, pending: false };
        let merges = self.assigner.merges();
        self.panes.retain(|pane| {
            let within = window.start <= pane.window.start && pane.window.end <= window.end;
            let same = pane.key == key && if merges { within } else { pane.window == window };
            if same {
                one.records += pane.records;
                one.sum += pane.sum;
                one.pending |= pane.pending;
            }
            !same
        });
        self.panes.push(one);
    }

    fn fire(&mut self) {
        self.panes.sort_by(|a, b| (a.window, &a.key).cmp(&(b.window, &b.key)));
        for pane in self.panes.iter_mut().filter(|pane| pane.pending) {
            if pane.window.end <= self.watermark {
                pane.pending = false;
                let text = format!("{}: {} {}", pane.window.start, pane.records, pane.sum);
                self.out.push((Some(pane.key.clone()), Some(text), pane.window.end - 1));
            }
        }
    }

    fn run(mut self, rows: &[Row]) -> [Vec<Row>; 2] {
        rows.iter().for_each(|row| self.add(row));
        self.watermark = i64::MAX;
        self.fire();
        [self.out, self.late]
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let step = (0..4_usize, 0..9_i64, 0..12_i64, 0..60_i64);
    proptest::collection::vec(step, 1..150).prop_map(|steps| {
        let mut now = 0;
        let row = |(key, value, forward, back): (usize, i64, i64, i64)| {
            now += forward;
            (Some(format!("k{key}")), Some(value.to_string()), now - back)
        };
        steps.into_iter().map(row).collect()
    })
}

fn assigner() -> impl Strategy<Value = Assigner> {
    prop_oneof![
        (1..60_i64).prop_map(|size_ms| Assigner::Tumbling { size_ms }),
        (1..60_i64, 1..60_i64).prop_map(|(size_ms, advance)| {
            Assigner::Hopping { size_ms, advance_ms: advance.min(size_ms) }
        }),
        (1..60_i64).prop_map(|gap_ms| Assigner::Session { gap_ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn windows_are_those_of_a_plain_model(
        rows in rows(),
        assigner in assigner(),
        grace in 0..80_i64,
        bound in 0..60_i64,
        sizes in proptest::collection::vec(1..20_usize, 1..5),
    ) {
        let expected = Model::new(assigner, grace, bound).run(&rows);
        for function in [window_sums(assigner, grace), window_contents(assigner, grace)] {
            let world = World::new();
            world.append("in", &rows, &sizes);
            world.run(&function, &[("in", bound)]);
            prop_assert_eq!(&["out", "late"].map(|name| world.rows(name)), &expected);
        }
    }
}

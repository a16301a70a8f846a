//! Random operations, accepted or taken back, frozen, folded, restored and replayed at random,
//! against plain maps.

#![allow(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod common;

use common::model::{DOMAINS, Key, Model, ModelEntry, ModelPane};
use common::*;
use pelton_batch::OpKind;
use pelton_core::window::Window;
use pelton_state::{FrozenState, TaskState};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Change {
    Put { store: u16, key: Vec<u8>, value: Vec<u8>, schema: u32, expires: Option<i64> },
    Append { store: u16, key: Vec<u8>, value: Vec<u8>, expires: Option<i64> },
    Delete { store: u16, key: Vec<u8> },
    DeletePrefix { store: u16, key: Vec<u8> },
    SetTimer { target: u16, key: Key, due: i64, value: Option<Vec<u8>> },
    CancelTimer { target: u16, key: Key },
    FireTimers { time: i64 },
    Expire { time: i64 },
    PutPane { window: Window, key: Key, value: Vec<u8> },
    AppendPane { window: Window, key: Key, value: Vec<u8> },
    FirePanes { watermark: i64, max: usize },
    RemovePane { window: Window, key: Key },
    DropWindow { window: Window },
    EmptyPane { window: Window, key: Key },
    MovePane { from: Window, to: Window, key: Key },
    MergePanes { to: Window, key: Key, value: Option<Vec<u8>> },
}

#[derive(Debug, Clone)]
enum Step {
    Call { changes: Vec<Change>, accept: bool },
    Freeze,
    LetGo,
    Fold(usize),
    Restart,
    Relayout,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    let keys: [&[u8]; 8] = [b"", b"\0", b"a", b"a\0", b"ab", b"ab\xff", b"b", b"\xff\xff"];
    prop::sample::select(keys.to_vec()).prop_map(<[u8]>::to_vec)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    // Often of the same length, so that buffers are used again.
    prop_oneof![vec(any::<u8>(), 8), vec(any::<u8>(), 0..40)]
}

fn expires() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(prop::sample::select(vec![i64::MIN, -1, 0, 5, 9]))
}

fn window_of() -> impl Strategy<Value = Window> {
    let pairs = [(0, 10), (0, 20), (5, 10), (-20, -10), (i64::MIN, i64::MAX)];
    prop::sample::select(pairs.to_vec()).prop_map(|(start, end)| Window { start, end })
}

fn change() -> impl Strategy<Value = Change> {
    let maybe = || prop::option::of(key());
    let times = || -3..8i64;
    prop_oneof![
        8 => (0..2u16, key(), value(), 0..3u32, expires()).prop_map(
            |(store, key, value, schema, expires)| Change::Put { store, key, value, schema, expires }
        ),
        4 => (0..2u16, key(), value(), expires()).prop_map(
            |(store, key, value, expires)| Change::Append { store, key, value, expires }
        ),
        3 => (0..2u16, key()).prop_map(|(store, key)| Change::Delete { store, key }),
        1 => (0..2u16, key()).prop_map(|(store, key)| Change::DeletePrefix { store, key }),
        4 => (0..3u16, maybe(), times(), prop::option::of(value())).prop_map(
            |(target, key, due, value)| Change::SetTimer { target, key, due, value }
        ),
        2 => (0..3u16, maybe()).prop_map(|(target, key)| Change::CancelTimer { target, key }),
        1 => times().prop_map(|time| Change::FireTimers { time }),
        1 => times().prop_map(|time| Change::Expire { time }),
        5 => (window_of(), maybe(), value()).prop_map(
            |(window, key, value)| Change::PutPane { window, key, value }
        ),
        4 => (window_of(), maybe(), value()).prop_map(
            |(window, key, value)| Change::AppendPane { window, key, value }
        ),
        3 => (-30..30i64, 1..4usize).prop_map(
            |(watermark, max)| Change::FirePanes { watermark, max }
        ),
        1 => (window_of(), maybe()).prop_map(|(window, key)| Change::RemovePane { window, key }),
        1 => window_of().prop_map(|window| Change::DropWindow { window }),
        1 => (window_of(), maybe()).prop_map(|(window, key)| Change::EmptyPane { window, key }),
        3 => (window_of(), window_of(), maybe()).prop_map(
            |(from, to, key)| Change::MovePane { from, to, key }
        ),
        1 => (window_of(), maybe(), prop::option::of(value())).prop_map(
            |(to, key, value)| Change::MergePanes { to, key, value }
        ),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (vec(change(), 0..12), prop::bool::weighted(0.7))
            .prop_map(|(changes, accept)| Step::Call { changes, accept }),
        2 => Just(Step::Freeze),
        2 => Just(Step::LetGo),
        3 => (0..6usize).prop_map(Step::Fold),
        1 => Just(Step::Restart),
        1 => Just(Step::Relayout),
    ]
}

fn apply_store(state: &mut TaskState, model: &mut Model, change: &Change) -> bool {
    match change {
        Change::Put { store, key, value, schema, expires } => {
            let op = pelton_batch::Operation { schema: *schema, ..put(*store, key, value) };
            state.apply(&op, *expires).unwrap();
            let entry = ModelEntry { value: value.clone(), schema: *schema, expires: *expires };
            model.stores[*store as usize].insert(key.clone(), entry);
        }
        Change::Append { store, key, value, expires } => {
            state.apply(&append(*store, key, value), *expires).unwrap();
            let new = ModelEntry { value: Vec::new(), schema: 0, expires: *expires };
            model.append(*store, key, value, new);
        }
        Change::Delete { store, key } => {
            state.apply(&delete(*store, key), None).unwrap();
            model.stores[*store as usize].remove(key);
        }
        Change::DeletePrefix { store, key } => {
            state.apply(&delete_prefix(*store, key), None).unwrap();
            model.stores[*store as usize].retain(|known, _| !known.starts_with(key));
        }
        Change::Expire { time } => {
            state.expire(*time);
            model.expire(*time);
        }
        _ => return false,
    }
    true
}

fn apply_timer(state: &mut TaskState, model: &mut Model, change: &Change) -> bool {
    match change {
        Change::SetTimer { target, key, due, value } => {
            let op = set_timer(*target, key.as_deref(), *due);
            let op = pelton_batch::Operation { value: value.as_deref(), ..op };
            state.apply(&op, None).unwrap();
            model.timers.insert((*target, key.clone()), (*due, value.clone()));
        }
        Change::CancelTimer { target, key } => {
            let op = op(OpKind::CancelTimer, *target, key.as_deref(), None);
            state.apply(&op, None).unwrap();
            model.timers.remove(&(*target, key.clone()));
        }
        Change::FireTimers { time } => {
            let domain = DOMAINS[0];
            for timer in state.due_timers(domain, *time, 3) {
                state.remove_timer(domain, &timer);
                model.timers.remove(&(timer.target, timer.key.map(Vec::from)));
            }
        }
        _ => return false,
    }
    true
}

fn apply_pane(state: &mut TaskState, model: &mut Model, change: &Change) {
    match change {
        Change::PutPane { window, key, value } => {
            state.put_pane(*window, key.as_deref(), value, 1).unwrap();
            let pane = model.panes.entry((*window, key.clone())).or_default();
            pane.value = value.clone();
            (pane.records, pane.pending, pane.fresh) = (pane.records + 1, true, true);
        }
        Change::AppendPane { window, key, value } => {
            state.append_pane(*window, key.as_deref(), value, 3).unwrap();
            let pane = model.panes.entry((*window, key.clone())).or_default();
            pane.value.extend_from_slice(value);
            (pane.records, pane.pending, pane.fresh) = (pane.records + 3, true, true);
        }
        Change::FirePanes { watermark, max } => {
            for (window, key) in state.due_panes(*watermark, *max) {
                state.mark_fired(window, key.as_deref(), true);
                let pane = model.panes.get_mut(&(window, key.map(Vec::from))).unwrap();
                pane.fired += 1;
                (pane.pending, pane.fresh, pane.on_time) = (false, false, true);
            }
        }
        Change::RemovePane { window, key } => {
            state.remove_pane(*window, key.as_deref());
            model.panes.remove(&(*window, key.clone()));
        }
        Change::DropWindow { window } => {
            state.drop_window(*window);
            model.panes.retain(|(known, _), _| known != window);
        }
        Change::EmptyPane { window, key } => {
            state.empty_pane(*window, key.as_deref()).unwrap();
            if let Some(pane) = model.panes.get_mut(&(*window, key.clone())) {
                *pane =
                    ModelPane { fired: pane.fired, on_time: pane.on_time, ..ModelPane::default() };
            }
        }
        Change::MovePane { from, to, key } => {
            if model.panes.contains_key(&(*to, key.clone())) {
                return;
            }
            state.move_pane(*from, *to, key.as_deref()).unwrap();
            if let Some(pane) = model.panes.remove(&(*from, key.clone())) {
                model.panes.insert((*to, key.clone()), pane);
            }
        }
        Change::MergePanes { to, key, value } => {
            let of_key = || model.panes.iter().filter(|((_, known), _)| known == key);
            let sources: Vec<Window> = of_key().map(|((window, _), _)| *window).collect();
            if sources.is_empty() || sources.contains(to) {
                return;
            }
            let mut merged = of_key().fold(ModelPane::default(), |mut all, (_, pane)| {
                all.value.extend_from_slice(&pane.value);
                (all.records, all.pending, all.fresh) = (
                    all.records + pane.records,
                    all.pending | pane.pending,
                    all.fresh | pane.fresh,
                );
                all.fired = all.fired.max(pane.fired);
                all.on_time |= pane.on_time;
                all
            });
            merged.value = value.clone().unwrap_or(merged.value);
            state.merge_panes(&sources, *to, key.as_deref(), value.as_deref()).unwrap();
            model.panes.retain(|(_, known), _| known != key);
            model.panes.insert((*to, key.clone()), merged);
        }
        _ => unreachable!("{change:?}"),
    }
}

/// The state under test, what it should be, and a copy that only replays.
struct Run {
    state: TaskState,
    model: Model,
    copy: TaskState,
    frozen: Option<(FrozenState, Model)>,
}

impl Run {
    fn call(&mut self, changes: &[Change], accept: bool) {
        let before = (self.state.digest(), self.model.clone());
        self.state.begin();
        for change in changes {
            let (state, model) = (&mut self.state, &mut self.model);
            if !apply_store(state, model, change) && !apply_timer(state, model, change) {
                apply_pane(state, model, change);
            }
        }
        self.model.assert_is(&mut self.state);
        if accept {
            self.state.accept();
        } else {
            self.state.rollback();
            self.model = before.1;
            assert_eq!(self.state.digest(), before.0);
        }
    }

    fn let_go(&mut self) {
        if let Some((frozen, model)) = self.frozen.take() {
            model.assert_is(&mut restored(layout(), &written(&frozen)).unwrap());
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Call { changes, accept } => self.call(changes, *accept),
            Step::Freeze => {
                let frozen = self.state.freeze();
                self.let_go();
                self.frozen = Some((frozen, self.model.clone()));
            }
            Step::LetGo => self.let_go(),
            Step::Fold(max) => {
                let done = self.state.fold(*max);
                assert!(!done || self.frozen.is_none(), "folded while a snapshot is written");
            }
            Step::Restart => {
                let bytes = written(&self.state.freeze());
                self.state = restored(layout(), &bytes).unwrap();
                self.let_go();
            }
            Step::Relayout => self.state.relayout(layout()),
        }
        let changes = self.state.take_changes();
        self.copy.replay(&changes).unwrap();
        self.model.assert_is(&mut self.state);
        self.model.assert_is(&mut self.copy);
        assert_eq!(self.copy.digest(), self.state.digest());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_sequence_of_steps_gives_what_plain_maps_give(steps in vec(step(), 1..40)) {
        let mut run = Run {
            state: TaskState::new(layout()),
            model: Model::default(),
            copy: TaskState::new(layout()),
            frozen: None,
        };
        for step in &steps {
            run.step(step);
        }
        run.let_go();
        run.model.assert_is(&mut through_snapshot(&mut run.state));
    }
}

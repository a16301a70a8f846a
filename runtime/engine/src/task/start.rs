//! Starting: a task finds itself where its last commit left it.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use pelton_core::window::WindowSpec;
use pelton_core::{
    Coded, Domain, Error, InputLeft, Layout, Result, SnapshotReader, Source, Start, SteadyTime,
    TaskRecord,
};
use pelton_state::{StateLayout, TaskState};

use super::{Decisions, Parts, Task};
use crate::config::TaskConfig;
use crate::faults::UnitLimit;
use crate::input::Input;
use crate::migrate::MIGRATE_VALUES_MAX;
use crate::outputs::Outputs;
use crate::progress::EventClock;
use crate::scratch::Scratch;
use crate::telemetry::Counters;

/// What was found of an earlier life.
struct Found {
    state: TaskState,
    layout: Layout,
    last: Option<TaskRecord>,
    saved: Option<Vec<u8>>,
}

fn state_error(error: pelton_state::StateError) -> Error {
    Error::new(error.code(), error.domain(), format!("restoring a task's state: {error}"))
}

pub(crate) fn layout_of(config: &TaskConfig) -> Layout {
    let declared = &config.declaration;
    Layout { stores: declared.stores.clone(), timers: declared.timers.clone() }
}

pub(super) fn state_layout(layout: &Layout, config: &TaskConfig) -> StateLayout {
    let window = config.declaration.window.as_ref();
    StateLayout {
        stores: layout.stores.clone(),
        timers: layout.timers.clone(),
        limits: config.limits.clone(),
        key_windows: window.is_some_and(|spec| spec.assigner.looks_by_key()),
        fresh: window.is_some_and(WindowSpec::fires_by_time),
    }
}

/// The same state under another layout: stores and timers keep their names.
fn relaid(state: &mut TaskState, layout: StateLayout) -> Result<TaskState> {
    let mut bytes = Vec::new();
    let frozen = state.freeze();
    frozen.write_to(&mut bytes).map_err(|error| {
        Error::new("E-STATE-LAYOUT", Domain::Internal, "moving state to a new layout")
            .caused_by(error)
    })?;
    TaskState::restore(layout, &mut &bytes[..]).map_err(state_error)
}

pub(super) fn read_snapshot(
    mut reader: SnapshotReader,
    config: &TaskConfig,
) -> Result<(TaskRecord, TaskState)> {
    let unreadable = |error: std::io::Error| {
        Error::new("E-SNAPSHOT-READ", Domain::External, "reading a task's snapshot")
            .caused_by(error)
    };
    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(unreadable)?;
    let mut record = vec![0; u32::from_le_bytes(length) as usize];
    reader.read_exact(&mut record).map_err(unreadable)?;
    let record = TaskRecord::decode(&Bytes::from(record))?;
    let layout = record.meta.layout.clone().unwrap_or_default();
    let state = TaskState::restore(state_layout(&layout, config), &mut reader);
    Ok((record, state.map_err(state_error)?))
}

fn replay(
    snapshot: Option<SnapshotReader>,
    tail: Vec<TaskRecord>,
    config: &TaskConfig,
) -> Result<Found> {
    let mut found = Found {
        state: TaskState::new(state_layout(&layout_of(config), config)),
        layout: layout_of(config),
        last: None,
        saved: None,
    };
    if let Some(reader) = snapshot {
        let (record, state) = read_snapshot(reader, config)?;
        found.state = state;
        found.layout = record.meta.layout.clone().unwrap_or_default();
        found.saved.clone_from(&record.meta.saved);
        found.last = Some(record);
    }
    for record in tail {
        if let Some(layout) = record.meta.layout.clone()
            && layout != found.layout
        {
            found.state = relaid(&mut found.state, state_layout(&layout, config))?;
            found.layout = layout;
        }
        if !record.changes.is_empty() {
            found.state.replay(&record.changes).map_err(state_error)?;
        }
        if record.meta.saved.is_some() {
            found.saved.clone_from(&record.meta.saved);
        }
        found.last = Some(record);
    }
    if found.layout != layout_of(config) {
        found.state = relaid(&mut found.state, state_layout(&layout_of(config), config))?;
    }
    Ok(found)
}

/// Where a task has read, now or before, by its last commit.
fn read_before(record: Option<&TaskRecord>) -> Vec<InputLeft> {
    let Some(TaskRecord { meta, .. }) = record else { return Vec::new() };
    let topic_ids = meta.topic_ids.iter().copied().chain(std::iter::repeat(0));
    let carried = meta.carried.iter().cloned().chain(std::iter::repeat_with(Vec::new));
    let now = meta.positions.iter().zip(&meta.progress).zip(topic_ids).zip(carried);
    let now = now.map(|(((position, progress), topic_id), carried)| InputLeft {
        position: position.clone(),
        progress: *progress,
        topic_id,
        carried,
    });
    now.chain(meta.left.iter().cloned()).collect()
}

/// Where each input goes on and how far its event time had come, and which topics they are; an input that is new has none, and
/// so has one whose topic is another by now. What is not read any more stays in `before`.
fn positions(
    before: &mut Vec<InputLeft>,
    config: &TaskConfig,
    source: &mut dyn Source,
) -> Result<(Vec<Option<InputLeft>>, Vec<u64>)> {
    let (mut known, mut topic_ids) = (Vec::new(), Vec::new());
    for input in &config.inputs {
        let at = before.iter().position(|left| left.position.input == input.partition);
        let left = at.map(|at| before.remove(at));
        let topic_id = source.topic_id(&input.partition.topic)?;
        let same =
            |left: &InputLeft| [left.topic_id, topic_id].contains(&0) || left.topic_id == topic_id;
        known.push(left.filter(same));
        topic_ids.push(topic_id);
    }
    Ok((known, topic_ids))
}

impl Task {
    /// Takes the task over from whoever ran it, restores its state and goes to its positions.
    ///
    /// # Errors
    /// A storage error, or state that cannot be read.
    pub async fn start(mut parts: Parts) -> Result<Self> {
        let recovered = parts.sink.load(&parts.config.id).await?;
        let config = parts.config;
        let found = replay(recovered.snapshot, recovered.tail, &config)?;
        let mut left = read_before(found.last.as_ref());
        let (known, topic_ids) = positions(&mut left, &config, &mut *parts.source)?;
        let assigned: Vec<_> = config
            .inputs
            .iter()
            .zip(&known)
            .map(|(input, known)| {
                let start = known.as_ref().map(|known| Start::Offset(known.position.next));
                let start = start.unwrap_or(input.start);
                (input.partition.clone(), start)
            })
            .collect();
        parts.source.assign(&assigned)?;
        let mut inputs = Vec::new();
        let mut clocks = Vec::new();
        for (index, (input, known)) in config.inputs.iter().zip(&known).enumerate() {
            inputs.push(Input::new(input.clone(), parts.source.position(index)?));
            let clock = EventClock::new(input.out_of_orderness_ms, config.watermark_step_ms);
            clocks.push(match known {
                Some(known) => clock.resume(known.progress).told(input.carried, &known.carried),
                None => clock,
            });
        }
        let meta = found.last.map(|record| record.meta);
        let limit = config.limits.batch_records.value as usize;
        let watermark = meta.as_ref().map_or(i64::MIN, |meta| meta.watermark);
        let triggers = meta.as_ref().map(|meta| meta.triggers).unwrap_or_default();
        let last = Decisions { watermark, idle: Vec::new(), carried: Vec::new() };
        let mut task = Self {
            outputs: Outputs::new(&config),
            source: parts.source,
            sink: parts.sink,
            pool: parts.pool,
            clock: parts.clock,
            telemetry: parts.telemetry,
            peers: parts.peers,
            counters: Arc::new(Counters::default()),
            state: Arc::new(found.state),
            inputs,
            clocks,
            topic_ids,
            left,
            watermark,
            reached: i64::MIN,
            triggers,
            closed_to: i64::MIN,
            flushing: false,
            last_timers: 0,
            time: SteadyTime::from(meta.map_or(i64::MIN, |meta| meta.time_ms)),
            pending: None,
            layout_written: false,
            own_guest: None,
            saved: found.saved,
            rows_limit: UnitLimit::new(limit),
            groups_limit: UnitLimit::new(limit),
            timers_limit: UnitLimit::new(limit),
            migrate_limit: UnitLimit::new(limit.min(MIGRATE_VALUES_MAX)),
            sweep: Default::default(),
            old_reads: Arc::default(),
            call_cpu_ns: 0,
            attempt: 0,
            wait_until: None,
            poison_in_a_row: 0,
            sequence: recovered.sequence,
            changed_bytes: 0,
            snapshot: None,
            held: Arc::default(),
            last,
            asking: Default::default(),
            committed_ms: i64::MIN,
            began: None,
            repeats: false,
            repeating: (false, 0),
            trial: None,
            is_over: false,
            verdict: None,
            mark: None,
            spoiled: Vec::new(),
            reads: None,
            tap: None,
            scratch: Scratch::default(),
            config: Arc::new(config),
        };
        task.last = task.decisions();
        task.publish();
        Ok(task)
    }
}

//! Where a replay begins, what it repeats, and where it ends.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use pelton_core::{
    Domain, Error, Position, Recovered, Result, Start, TaskMeta, TaskRecord, TopicPartition,
};
use pelton_engine::{GuestPool, Repeat, TaskConfig};
use pelton_journal::{Journal, TaskId, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ReplayRequest;
use crate::data::of;
use crate::functions::Loaded;
use crate::functions::travel::savepoint;
use crate::node::Node;

/// What a replay begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// The state of the live task at one of its commits: from there on its decisions are repeated.
    Commit,
    /// A savepoint; what lies before the task's last snapshot is cut anew.
    Savepoint,
    /// Nothing: empty state, and calls cut anew up to the task's last snapshot.
    Empty,
}

/// Where a task of a replay begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayStart {
    /// The partition.
    pub partition: u32,
    /// With what.
    pub with: StartKind,
    /// The first offset that is read again of each input, `topic partition:offset`.
    pub at: Vec<String>,
}

/// A part of the run that is repeated.
pub(super) enum Stage {
    Commit(Box<TaskMeta>),
    Until { positions: Vec<Position>, time_ms: i64 },
}

impl Stage {
    pub(super) fn repeat(&self) -> Repeat<'_> {
        match self {
            Self::Commit(meta) => Repeat::Commit(meta),
            Self::Until { positions, .. } => Repeat::Until(positions),
        }
    }

    pub(super) fn time_ms(&self) -> i64 {
        match self {
            Self::Commit(meta) => meta.time_ms,
            Self::Until { time_ms, .. } => *time_ms,
        }
    }
}

/// What one task of a replay does.
pub(super) struct TaskPlan {
    pub(super) config: TaskConfig,
    pub(super) pool: GuestPool,
    pub(super) recovered: Recovered,
    pub(super) stages: Vec<Stage>,
    pub(super) began: ReplayStart,
    /// Records to be read.
    pub(super) records: u64,
    /// The live task, and the first and the last of its commits that are repeated: (after, up to].
    /// Nothing where it is not known which they were.
    pub(super) emitted: Option<(TaskId, u64, u64)>,
}

/// What the journal holds of a live task.
pub(in crate::functions) struct Live {
    id: TaskId,
    pub(in crate::functions) snapshot: Option<(u64, Bytes, TaskMeta)>,
    pub(in crate::functions) tail: Vec<(u64, TaskRecord)>,
}

/// Plans the tasks of a replay that have something to do. `rewound_ms`: when the function was last
/// rewound.
pub(super) fn plan(
    node: &Node,
    loaded: &Loaded,
    request: &ReplayRequest,
    rewound_ms: i64,
) -> Result<Vec<TaskPlan>> {
    let mut plans = Vec::new();
    for (partition, part) in (0..).zip(node.replacements(&loaded.spec, &loaded.factory)?) {
        let config = Arc::unwrap_or_clone(part.config);
        let Some(live) = read(node.journal(), &config.id.to_string())? else { continue };
        let mut plan = TaskPlan {
            pool: part.pool,
            recovered: Recovered { snapshot: None, tail: Vec::new(), sequence: 0 },
            stages: Vec::new(),
            began: ReplayStart { partition, with: StartKind::Commit, at: Vec::new() },
            records: 0,
            emitted: None,
            config,
        };
        plan.fill(node, loaded, live, request, rewound_ms)?;
        if !plan.stages.is_empty() {
            plans.push(plan);
        }
    }
    if plans.is_empty() {
        let text = format!(
            "{} has read nothing between begin and end: choose an earlier --from",
            loaded.spec.function
        );
        return Err(Error::new("E-REPLAY-EMPTY", Domain::User, text));
    }
    Ok(plans)
}

/// Reads a task, which may go on meanwhile and take a snapshot.
pub(in crate::functions) fn read(journal: &Journal, key: &str) -> Result<Option<Live>> {
    const TRIES: u32 = 10;
    let Some(task) = journal.task(key) else { return Ok(None) };
    let mut tries = 0;
    loop {
        tries += 1;
        let before = task.snapshot_seq();
        let found = journal.snapshot(&task);
        let commits = task.commits().collect::<Result<Vec<_>, _>>();
        if task.snapshot_seq() != before && tries < TRIES {
            continue;
        }
        let snapshot = match found.map_err(of)? {
            None => None,
            Some(snapshot) => {
                let meta = pelton_engine::savepoint_meta(&snapshot.bytes)?;
                Some((snapshot.seq, snapshot.bytes, meta))
            }
        };
        let decode = |commit: pelton_journal::TaskCommit| {
            Ok((commit.seq, TaskRecord::decode(&commit.bytes)?))
        };
        let tail = commits.map_err(of)?.into_iter().map(decode).collect::<Result<Vec<_>>>()?;
        let newest = tail.last().map(|(seq, _)| *seq);
        journal.wait_durable(newest.or(before).unwrap_or(0)).map_err(of)?;
        return Ok(Some(Live { id: task.id(), snapshot, tail }));
    }
}

/// The offset that `start` means in a partition.
fn resolve(journal: &Journal, input: &TopicPartition, start: Start) -> Result<u64> {
    let topic = journal.topic(&input.topic.to_string()).map_err(of)?;
    let partition = topic.partition(input.partition).map_err(of)?;
    let held = partition.offsets();
    Ok(match start {
        Start::Earliest => held.start,
        Start::Latest => held.end,
        Start::Offset(offset) => offset.clamp(held.start, held.end),
        Start::Time(time) => {
            let found = partition.offset_for_time(time, Visibility::Durable).map_err(of)?;
            found.unwrap_or(held.end)
        }
    })
}

/// Whether a task that stands at `positions` has read nothing at or behind `from`.
fn is_before(positions: &[Position], from: &[Position]) -> bool {
    from.iter().all(|from| {
        positions.iter().find(|at| at.input == from.input).is_none_or(|at| at.next <= from.next)
    })
}

/// Something older than a task's last snapshot to begin with.
struct Older {
    with: StartKind,
    bytes: Option<Bytes>,
    positions: Vec<Position>,
    /// The last commit before it, where that is known.
    since: Option<u64>,
    created_ms: i64,
}

/// The newest savepoint before `from` whose inputs are still there, or nothing.
fn older(journal: &Journal, loaded: &Loaded, partition: u32, from: &[Position]) -> Result<Older> {
    let function = &loaded.spec.function;
    for savepoint in savepoint::all(journal, function)?.iter().rev() {
        let Some(task) = savepoint.tasks.iter().find(|task| task.partition == partition) else {
            continue;
        };
        let place = |from: &Position| {
            let name = from.input.topic.to_string();
            let topic = journal.topic(&name).ok()?;
            let at = task.positions.iter().find(|at| at.topic == name)?;
            let held = topic.partition(at.partition).ok()?.offsets();
            let fits = at.topic_id == topic.id().0 && held.contains(&at.next);
            fits.then(|| Position { input: from.input.clone(), next: at.next })
        };
        let Some(positions) = from.iter().map(place).collect::<Option<Vec<_>>>() else { continue };
        if is_before(&positions, from) {
            let bytes = Some(savepoint::bytes_of(journal, task)?);
            let (with, since) = (StartKind::Savepoint, Some(task.sequence));
            let created_ms = savepoint.created_ms;
            return Ok(Older { with, bytes, positions, since, created_ms });
        }
    }
    let (with, positions) = (StartKind::Empty, from.to_vec());
    Ok(Older { with, bytes: None, positions, since: None, created_ms: i64::MIN })
}

impl TaskPlan {
    fn fill(
        &mut self,
        node: &Node,
        loaded: &Loaded,
        live: Live,
        request: &ReplayRequest,
        rewound_ms: i64,
    ) -> Result<()> {
        let journal = node.journal();
        let places = |start: Start| -> Result<Vec<Position>> {
            let inputs = self.config.inputs.iter();
            let place = inputs.map(|input| {
                let input = input.partition.clone();
                Ok(Position { next: resolve(journal, &input, start)?, input })
            });
            place.collect()
        };
        let from = places(request.from)?;
        let until = request.until.map(places).transpose()?;
        let is_within =
            |positions: &[Position]| until.as_ref().is_none_or(|until| is_before(positions, until));
        let end = live.tail.partition_point(|(_, record)| is_within(&record.meta.positions));
        match &live.snapshot {
            Some((_, _, base)) if !is_before(&base.positions, &from) => {
                let mut begin = older(journal, loaded, self.began.partition, &from)?;
                // What was emitted before a rewind was emitted again behind it.
                begin.since = begin.since.filter(|_| begin.created_ms > rewound_ms);
                let goes_on = is_within(&base.positions);
                if request.to.is_none() && (begin.since.is_none() || !goes_on) {
                    return Err(undecided(&self.config, base));
                }
                let free = until.filter(|_| !goes_on).unwrap_or_else(|| base.positions.clone());
                let time_ms = base.time_ms;
                self.stages.push(Stage::Until { positions: free, time_ms });
                self.begin_older(live, begin, if goes_on { end } else { 0 });
            }
            _ => self.begin_at_commit(live, &from, &places(Start::Earliest)?, end),
        }
        Ok(())
    }

    /// Begins at a savepoint, or with nothing, and goes on with `end` commits of the live task.
    fn begin_older(&mut self, live: Live, begin: Older, end: usize) {
        for input in &mut self.config.inputs {
            if let Some(at) = begin.positions.iter().find(|at| at.input == input.partition) {
                input.start = Start::Offset(at.next);
            }
        }
        let mut upto = live.snapshot.as_ref().map_or(0, |(seq, ..)| *seq);
        for (seq, record) in live.tail.into_iter().take(end) {
            upto = seq;
            self.stages.push(Stage::Commit(Box::new(record.meta)));
        }
        self.recovered.snapshot = begin.bytes.map(|bytes| Box::new(Cursor::new(bytes)) as _);
        self.began.with = begin.with;
        self.emitted = begin.since.map(|since| (live.id, since, upto));
        self.count(&begin.positions);
    }

    /// Whether a task that has never committed would start where the live one did, and finds every
    /// record from there on.
    fn starts_behind(&self, kept: &[Position]) -> bool {
        self.config.inputs.iter().zip(kept).all(|(input, kept)| match input.start {
            Start::Earliest => kept.next == 0,
            Start::Offset(offset) => kept.next <= offset,
            Start::Latest | Start::Time(_) => false,
        })
    }

    /// Takes down where it begins, and how many records it will read.
    fn count(&mut self, begin: &[Position]) {
        let place =
            |at: &Position| format!("{}:{}:{}", at.input.topic.name(), at.input.partition, at.next);
        self.began.at = begin.iter().map(place).collect();
        let end = match self.stages.last() {
            Some(Stage::Commit(meta)) => &meta.positions[..],
            Some(Stage::Until { positions, .. }) => positions,
            None => &[],
        };
        let read = end.iter().map(|end| {
            let begin = begin.iter().find(|begin| begin.input == end.input);
            end.next.saturating_sub(begin.map_or(0, |begin| begin.next))
        });
        self.records = read.sum();
    }

    /// Begins at the last commit before `from`, whose state can be told exactly.
    fn begin_at_commit(&mut self, live: Live, from: &[Position], kept: &[Position], end: usize) {
        let Live { id, snapshot, mut tail } = live;
        let begin = tail.partition_point(|(_, record)| is_before(&record.meta.positions, from));
        // What the first commit behind it has read must still be there.
        let stood = |begin: usize| match (begin.checked_sub(1), &snapshot) {
            (Some(last), _) => Some(&tail[last].1.meta.positions),
            (None, Some((_, _, meta))) => Some(&meta.positions),
            (None, None) => None,
        };
        let is_kept = |begin: usize| match stood(begin) {
            Some(stood) => is_before(kept, stood),
            None => self.starts_behind(kept),
        };
        let begin = (begin..end).find(|begin| is_kept(*begin)).unwrap_or(end);
        let repeated = tail.drain(begin..).take(end - begin).collect::<Vec<_>>();
        let base = snapshot.as_ref().map_or(0, |(seq, ..)| *seq);
        let since = tail.last().map_or(base, |(seq, _)| *seq);
        let upto = repeated.last().map_or(since, |(seq, _)| *seq);
        let begun = match (tail.last(), &snapshot) {
            (Some((_, record)), _) => record.meta.positions.clone(),
            (None, Some((_, _, meta))) => meta.positions.clone(),
            (None, None) => Vec::new(),
        };
        self.recovered = Recovered {
            snapshot: snapshot.map(|(_, bytes, _)| Box::new(Cursor::new(bytes)) as _),
            tail: tail.into_iter().map(|(_, record)| record).collect(),
            sequence: since,
        };
        self.stages
            .extend(repeated.into_iter().map(|(_, record)| Stage::Commit(Box::new(record.meta))));
        self.count(&begun);
        self.emitted = Some((id, since, upto));
    }
}

fn undecided(config: &TaskConfig, base: &TaskMeta) -> Error {
    let at = base
        .positions
        .iter()
        .map(|at| format!("{}:{}:{}", at.input.topic, at.input.partition, at.next));
    let text = format!(
        "what {} emitted before its last snapshot cannot be told apart by record: compare from {} \
         on, or send the results --to a topic",
        config.id,
        at.collect::<Vec<_>>().join(", ")
    );
    Error::new("E-REPLAY-DECISIONS", Domain::User, text)
}

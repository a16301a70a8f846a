//! Capsules: one call of a function with all that it needs, in a file that runs anywhere.
//!
//! The state before the call is that of the task's last snapshot with the changes of every commit up
//! to the call. The call is made once with all of it, taking down what it reads; then only that is
//! kept, if with it the call does the same.

mod execute;
mod find;
mod format;
mod invoke;
mod outcome;
mod run;

pub(in crate::functions) use execute::stored_task;
pub use find::{CapsuleOf, RecordPlace};
pub use format::{CAPSULE_BYTES_MAX, CAPSULE_FORMAT, Capsule, CapsuleHead, StateKept};
pub use invoke::{Invocation, Invoked};
pub use outcome::{CAPSULE_OUTPUTS_SHOWN, CapsuleFault, CapsuleOutput, Outcome};
pub use run::{CapsuleLine, CapsuleReport, Change, Verdict as CapsuleVerdict, run_capsule};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::manifest::OnPoison as PoisonPolicy;
use pelton_core::{
    Domain, Error, Fetch, FunctionId, Offsets, Position, Result, Source, Start, TaskMeta,
    TaskRecord, TopicPartition,
};
use pelton_engine::{OnPoison, Replacement, TaskConfig};
use pelton_journal::adapter::JournalSource;
use pelton_journal::{Journal, Visibility};

use crate::functions::loaded::no_version;
use crate::functions::{FunctionRecord, Functions, Loaded, blocking};
use execute::{Base, Executed, execute, state_of};
use find::{FoundCall, Search};

/// A call that is to be put into a capsule, with everything that it needs.
struct Cut {
    part: Replacement,
    base: Base,
    decisions: TaskMeta,
    seq: Option<u64>,
}

impl Functions {
    /// The capsule of a call, as the bytes of its file.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-VERSION-UNKNOWN`; `E-CAPSULE-NONE` where nothing was given up yet;
    /// `E-DEAD-LETTER-NOT-FOUND`, `E-CAPSULE-DEAD-LETTER` for one of another function;
    /// `E-CAPSULE-RECORD` for a record that is not there; `E-CAPSULE-GONE` where the state before the
    /// call, and `E-CAPSULE-INPUT` where a record of it is not kept any more; `E-CAPSULE-SIZE`.
    pub async fn capsule(&self, function: &FunctionId, of: CapsuleOf) -> Result<Vec<u8>> {
        let record = self.registry.get(function)?;
        // One copy of a state is enough at a time.
        let _turn = self.copies.lock().await;
        let (node, asked) = (Arc::clone(&self.node), record.clone());
        let found = blocking(move || find_call(node.journal(), &asked, &of)).await?;
        let version = found.decisions.as_ref().map_or(record.active, |meta| meta.deployment);
        let loaded = self.load(&record, version).await?;
        let (node, version) = (Arc::clone(&self.node), loaded.clone());
        let cut = blocking(move || cut(&node, &version, found)).await?;
        self.fill(&loaded, cut).await
    }

    async fn fill(&self, loaded: &Loaded, cut: Cut) -> Result<Vec<u8>> {
        let Cut { part, base, decisions, seq } = cut;
        let node = &self.node;
        let is_recorded = seq.is_some();
        let run = |base: Base| execute(node, part.clone(), base, decisions.clone(), is_recorded);
        let whole = run(base.clone()).await?;
        let small = state_of(part.clone(), base.clone(), Some(&whole.touched)).await?;
        let fetches = base.fetches.clone();
        let tried = Base { snapshot: Some(small.clone()), tail: Vec::new(), fetches };
        let tried = run(tried).await?;
        let (state, kept) = match is_alike(&whole, &tried) {
            true => (small, StateKept::Touched),
            false => (state_of(part.clone(), base.clone(), None).await?, StateKept::Whole),
        };
        let recorded = match (seq, &part.config.on_poison) {
            (Some(seq), OnPoison::DeadLetter(_)) => recorded(node.journal(), &part.config, seq)?,
            // The journal does not tell what was skipped.
            _ => whole.outcome.clone(),
        };
        let record = self.registry.get(&loaded.spec.function)?;
        let version = record.version(loaded.number);
        let version = version.ok_or_else(|| no_version(&record, loaded.number))?;
        let wasm = self.module(&version.digest).await?;
        let head = CapsuleHead {
            function: loaded.spec.function.clone(),
            version: loaded.number,
            digest: version.digest.clone(),
            manifest: version.manifest.clone(),
            secrets: loaded.manifest.secrets.clone(),
            partition: part.config.id.partition,
            topics: topics(&part.config, node.journal()),
            state: kept,
            is_recorded,
            recorded,
            created_ms: self.now_ms(),
            read: whole
                .touched
                .entries
                .iter()
                .map(|(store, key)| (*store, BASE64_STANDARD.encode(key)))
                .collect(),
            fetches: Vec::new(),
        };
        let decisions = TaskRecord { meta: decisions, changes: Bytes::new() }.encode()?.into();
        Capsule { head, wasm, state, decisions, fetches: base.fetches }.encode()
    }
}

/// Whether a call did the same with less state.
fn is_alike(whole: &Executed, small: &Executed) -> bool {
    let code = |executed: &Executed| executed.stopped.as_ref().map(ToString::to_string);
    let faults = |executed: &Executed| -> Vec<_> {
        executed.faults.iter().map(|fault| (fault.kind, fault.message.clone())).collect()
    };
    whole.outcome == small.outcome && code(whole) == code(small) && faults(whole) == faults(small)
}

fn find_call(journal: &Journal, record: &FunctionRecord, of: &CapsuleOf) -> Result<FoundCall> {
    let version = record.version(record.active);
    let version = version.ok_or_else(|| no_version(record, record.active))?;
    let manifest = version.manifest(&record.function)?;
    let shared = manifest.inputs.iter().filter(|input| !input.broadcast);
    let topics = shared.filter_map(|input| journal.topic(&input.topic.to_string()).ok());
    let tasks = topics.map(|topic| topic.config().partitions).max().unwrap_or_default();
    let search = Search { journal, function: &record.function, tasks };
    match of {
        CapsuleOf::DeadLetter(place) => search.dead_letter(place),
        CapsuleOf::Record(place) => search.record(place, task_of(&manifest, place)),
        CapsuleOf::NewestFault => search.newest(&manifest.dead_letter_topic())?.ok_or_else(|| {
            let how = match manifest.delivery.on_poison {
                PoisonPolicy::DeadLetter => "it has given nothing up yet",
                _ => "it keeps no dead letters",
            };
            let text = format!(
                "{} has no newest fault: {how}; name a record with --record",
                record.function
            );
            Error::new("E-CAPSULE-NONE", Domain::User, text)
        }),
    }
}

/// The task that a record is of: of a topic that all read, the first.
fn task_of(manifest: &pelton_core::Manifest, place: &RecordPlace) -> u32 {
    let is_broadcast =
        manifest.inputs.iter().any(|input| input.broadcast && input.topic == place.topic);
    if is_broadcast { 0 } else { place.partition }
}

/// When a task read a record: its decisions before the call and those of it. `None` where it has not
/// read it yet.
///
/// # Errors
/// `E-CAPSULE-GONE` where that is not kept any more, `E-CAPSULE-RECORD` where there is no such record.
pub(in crate::functions) fn reading(
    journal: &Journal,
    function: &FunctionId,
    place: &RecordPlace,
    task: u32,
) -> Result<Option<(Option<TaskMeta>, TaskMeta)>> {
    let search = Search { journal, function, tasks: task + 1 };
    let found = search.record(place, task)?;
    let Some(decisions) = found.decisions else { return Ok(None) };
    let before = match found.before.checked_sub(1) {
        Some(last) => found.live.tail.get(last).map(|(_, record)| record.meta.clone()),
        None => found.live.snapshot.map(|(_, _, meta)| meta),
    };
    Ok(Some((before, decisions)))
}

/// What the call began with: state, records and decisions.
fn cut(node: &crate::node::Node, loaded: &Loaded, found: FoundCall) -> Result<Cut> {
    let FoundCall { partition, live, before, seq, decisions, until } = found;
    let parts = node.replacements(&loaded.spec, &loaded.factory)?;
    let part = parts.into_iter().nth(partition as usize).ok_or_else(|| {
        let text = format!("{} has no partition {partition} any more", loaded.spec.function);
        Error::new("E-CAPSULE-RECORD", Domain::User, text)
    })?;
    let mut tail: Vec<_> = live.tail.into_iter().map(|(_, record)| record).collect();
    tail.truncate(before);
    let begun = tail.last().map(|record| &record.meta);
    let begun = begun.or(live.snapshot.as_ref().map(|(_, _, meta)| meta));
    let starts = starts(&part.config, begun)?;
    let decisions = decisions.unwrap_or_else(|| {
        let mut meta = begun.cloned().unwrap_or_default();
        meta.time_ms = meta.time_ms.max(node.clock().now_ms());
        meta.positions = starts
            .iter()
            .map(|(input, start)| {
                let is_it = |place: &&RecordPlace| place.topic == input.topic;
                let end = until.as_ref().filter(is_it).map(|place| place.offset + 1);
                Position { input: input.clone(), next: end.unwrap_or(*start) }
            })
            .collect();
        meta
    });
    let fetches = fetches(node.journal(), &starts, &decisions.positions)?;
    let snapshot = live.snapshot.map(|(_, bytes, _)| bytes);
    Ok(Cut { part, base: Base { snapshot, tail, fetches }, decisions, seq })
}

/// Where each input stood before the call.
fn starts(config: &TaskConfig, begun: Option<&TaskMeta>) -> Result<Vec<(TopicPartition, u64)>> {
    let start = |input: &pelton_engine::InputConfig| {
        let known = begun.and_then(|meta| {
            meta.positions.iter().find(|at| at.input == input.partition).map(|at| at.next)
        });
        let next = match (known, input.start) {
            (Some(next), _) | (None, Start::Offset(next)) => next,
            (None, Start::Earliest) => 0,
            (None, Start::Latest | Start::Time(_)) => {
                let text = format!(
                    "{}: where it began to read {} is not recorded; take a later call",
                    config.id, input.partition
                );
                return Err(Error::new("E-CAPSULE-GONE", Domain::User, text));
            }
        };
        Ok((input.partition.clone(), next))
    };
    config.inputs.iter().map(start).collect()
}

/// The records from `starts` up to `ends`, no others.
fn fetches(
    journal: &Arc<Journal>,
    starts: &[(TopicPartition, u64)],
    ends: &[Position],
) -> Result<Vec<VecDeque<Fetch>>> {
    let mut source = JournalSource::new(Arc::clone(journal), Visibility::Durable);
    let assigned = starts.iter().map(|(input, start)| (input.clone(), Start::Offset(*start)));
    source.assign(&assigned.collect::<Vec<_>>())?;
    let mut all = Vec::new();
    for (index, (input, start)) in starts.iter().enumerate() {
        let end = ends.iter().find(|end| end.input == *input).map_or(*start, |end| end.next);
        let mut fetches = VecDeque::new();
        if end > *start && source.position(index)? > *start {
            let text = format!(
                "{input}: retention has removed records of the call, from offset {start} on"
            );
            return Err(Error::new("E-CAPSULE-INPUT", Domain::User, text));
        }
        let mut bytes = 0;
        while source.position(index)? < end {
            let Some(fetch) = source.fetch(index)? else { break };
            let fetch = before(fetch, end)?;
            bytes += fetch.batch.len();
            format::check_size(bytes)?;
            fetches.push_back(fetch);
        }
        all.push(fetches);
    }
    Ok(all)
}

/// The records of a batch before the offset `end`.
fn before(fetch: Fetch, end: u64) -> Result<Fetch> {
    let rows = (0..fetch.rows).take_while(|row| fetch.offsets.get(*row) < end).count();
    let offsets: Vec<_> = (0..rows).map(|row| fetch.offsets.get(row)).collect();
    if rows == fetch.rows {
        return Ok(fetch);
    }
    let records = Batch::parse(&fetch.batch).and_then(|batch| batch.records());
    let records = records.map_err(|error| {
        Error::new("E-BATCH-STORED", Domain::Internal, format!("an input batch: {error}"))
    })?;
    let mut builder = RecordsBuilder::new();
    builder.extend_from(&records, 0..rows);
    let batch = builder.finish().into();
    Ok(Fetch { batch, rows, offsets: Offsets::Each(offsets), next: end, ..fetch })
}

/// The topics of a task and their partitions.
fn topics(config: &TaskConfig, journal: &Journal) -> BTreeMap<String, u32> {
    let outputs = config.outputs.iter().map(|output| &output.topic);
    let dead = match &config.on_poison {
        OnPoison::DeadLetter(to) => Some(&to.topic),
        OnPoison::Skip | OnPoison::Halt => None,
    };
    let inputs = config.inputs.iter().map(|input| &input.partition.topic);
    let names = inputs.chain(outputs).chain(dead).map(ToString::to_string);
    names
        .filter_map(|name| journal.topic(&name).ok().map(|t| (name, t.config().partitions)))
        .collect()
}

/// What the task's commit `seq` sent.
fn recorded(journal: &Journal, config: &TaskConfig, seq: u64) -> Result<Outcome> {
    let task = journal.task(&config.id.to_string()).map(|task| task.id());
    let dead = match &config.on_poison {
        OnPoison::DeadLetter(to) => Some(to.topic.to_string()),
        OnPoison::Skip | OnPoison::Halt => None,
    };
    let mut names: Vec<_> = config.outputs.iter().map(|out| out.topic.to_string()).collect();
    names.extend(dead.clone());
    names.sort();
    names.dedup();
    let mut batches = Vec::new();
    for name in &names {
        let Ok(topic) = journal.topic(name) else { continue };
        for partition in topic.partitions() {
            let next = partition.first_behind(seq - 1);
            let batch = partition.read(next, Visibility::Durable).map_err(Error::from_coded)?;
            let own = batch.filter(|b| b.seq == seq && b.producer.map(|by| by.task) == task);
            batches.extend(own.map(|batch| (name.as_str(), partition.number(), batch.bytes)));
        }
    }
    let batches = batches.iter().map(|(name, partition, bytes)| (*name, *partition, &bytes[..]));
    Outcome::of(batches, dead.as_deref())
}

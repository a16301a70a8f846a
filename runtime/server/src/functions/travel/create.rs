//! Making, listing and removing savepoints.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, FunctionId, Result};
use pelton_engine::Savepoint as Frozen;
use pelton_journal::Journal;

use super::savepoint::{
    self, AUTOMATIC, AUTOMATIC_SAVEPOINTS_MAX, SAVEPOINTS_MAX, SavedPosition, SavedTask, Savepoint,
};
use crate::functions::record::FunctionRecord;
use crate::functions::{Functions, Loaded, Running, blocking, lock};

/// How often a task that is busy is asked again, and how long after.
const TRIES: u32 = 200;
const TRY_AGAIN: Duration = Duration::from_millis(50);

impl Functions {
    /// Makes a savepoint of a function while it goes on: each task is frozen for an instant behind
    /// one of its commits. Without a name it is called `sp-1`, `sp-2` and so on.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-BUSY`, `E-SAVEPOINT-NAME`, `E-SAVEPOINT-EXISTS`,
    /// `E-SAVEPOINT-LIMIT`, `E-SAVEPOINT-BUSY`, what the journal answers.
    pub async fn savepoint(&self, function: &FunctionId, name: Option<&str>) -> Result<Savepoint> {
        let _turn = self.turn_soon(function).await?;
        let record = self.registry.get(function)?;
        let known = savepoint::all(self.node.journal(), function)?;
        let by_hand = known.iter().filter(|savepoint| !savepoint.automatic).count();
        if by_hand >= SAVEPOINTS_MAX {
            let text = format!(
                "{function} has {by_hand} savepoints, the limit; `pelton savepoint rm` removes one"
            );
            return Err(Error::new("E-SAVEPOINT-LIMIT", Domain::User, text));
        }
        let name = match name {
            Some(name) => name.to_owned(),
            None => free_name(&known),
        };
        savepoint::check_name(function, &name)?;
        if known.iter().any(|savepoint| savepoint.name == name) {
            let text = format!("{function} has a savepoint `{name}` already: choose another name");
            return Err(Error::new("E-SAVEPOINT-EXISTS", Domain::User, text));
        }
        self.make_savepoint(&record, name, false).await
    }

    /// The savepoints of a function, oldest first.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`.
    pub fn savepoints(&self, function: &FunctionId) -> Result<Vec<Savepoint>> {
        self.registry.get(function)?;
        savepoint::all(self.node.journal(), function)
    }

    /// Removes a savepoint.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-BUSY`, `E-SAVEPOINT-UNKNOWN`.
    pub async fn remove_savepoint(&self, function: &FunctionId, name: &str) -> Result<()> {
        let _turn = self.turn_soon(function).await?;
        self.registry.get(function)?;
        savepoint::get(self.node.journal(), function, name)?;
        self.forget_savepoints(function, vec![name.to_owned()]).await
    }

    async fn forget_savepoints(&self, function: &FunctionId, names: Vec<String>) -> Result<()> {
        let (journal, now) = (Arc::clone(self.node.journal()), self.now_ms());
        let function = function.clone();
        blocking(move || savepoint::put(&journal, &function, None, &names, now)).await?;
        self.sweep().await
    }

    /// Makes the savepoint to come back to from `version`, which is about to take over; the oldest
    /// automatic ones beyond [`AUTOMATIC_SAVEPOINTS_MAX`] go.
    pub(in crate::functions) async fn savepoint_before(
        &self,
        record: &FunctionRecord,
        version: u64,
    ) -> Result<()> {
        let name = format!("{AUTOMATIC}{version}");
        self.make_savepoint(record, name, true).await.map(drop)
    }

    /// Forgets the savepoint of a swap that has failed: it would push out one that is of use.
    pub(in crate::functions) async fn swap_failed(&self, function: &FunctionId, version: u64) {
        let name = format!("{AUTOMATIC}{version}");
        if let Err(error) = self.forget_savepoints(function, vec![name]).await {
            tracing::warn!(%function, %error, "an automatic savepoint could not be removed");
        }
    }

    async fn make_savepoint(
        &self,
        record: &FunctionRecord,
        name: String,
        automatic: bool,
    ) -> Result<Savepoint> {
        let function = record.function.clone();
        let _unswept = self.sweeping.read().await;
        let tasks = match self.running(&function).filter(|r| r.deployment.is_running()) {
            Some(running) => self.save_running(&running).await?,
            None => self.save_stopped(record).await?,
        };
        let created_ms = self.now_ms();
        let version = match tasks.iter().all(|(_, version)| *version == record.active) {
            true => record.active,
            false => record.before.unwrap_or(record.active),
        };
        let tasks = tasks.into_iter().map(|(task, _)| task).collect();
        let made = Savepoint { name, version, automatic, created_ms, tasks };
        let journal = Arc::clone(self.node.journal());
        let mut gone = Vec::new();
        if automatic {
            let known = savepoint::all(&journal, &function)?.into_iter();
            let old: Vec<_> = known.filter(|s| s.automatic && s.name != made.name).collect();
            let excess = (old.len() + 1).saturating_sub(AUTOMATIC_SAVEPOINTS_MAX);
            gone.extend(old.into_iter().take(excess).map(|savepoint| savepoint.name));
        }
        let kept = made.clone();
        let put = move || savepoint::put(&journal, &function, Some(&kept), &gone, created_ms);
        blocking(put).await?;
        Ok(made)
    }

    /// Freezes and writes one task after the other, while all go on. A task that has stopped is
    /// read from the journal.
    async fn save_running(&self, running: &Running) -> Result<Vec<(SavedTask, u64)>> {
        let mut tasks = Vec::new();
        for partition in 0..running.deployment.partitions() {
            let saved = match freeze(running, partition).await? {
                Some(frozen) => {
                    let journal = Arc::clone(self.node.journal());
                    blocking(move || keep(&journal, partition, &frozen)).await?
                }
                None => {
                    let versions = lock(&running.versions).clone();
                    let loaded = versions.before.unwrap_or(versions.active);
                    self.save_stopped_task(loaded, partition).await?
                }
            };
            tasks.push(saved);
        }
        Ok(tasks)
    }

    /// Reads the tasks of a function that does not run, and writes them.
    async fn save_stopped(&self, record: &FunctionRecord) -> Result<Vec<(SavedTask, u64)>> {
        let loaded = self.load(record, record.before.unwrap_or(record.active)).await?;
        let mut tasks = Vec::new();
        for partition in 0..self.node.co_partitions(&loaded.spec)? {
            tasks.push(self.save_stopped_task(loaded.clone(), partition).await?);
        }
        Ok(tasks)
    }

    async fn save_stopped_task(&self, loaded: Loaded, partition: u32) -> Result<(SavedTask, u64)> {
        let node = Arc::clone(&self.node);
        blocking(move || {
            let mut task = node.open_task(&loaded.spec, &loaded.factory, partition)?;
            let (saved, _) = keep(node.journal(), partition, &task.savepoint()?)?;
            Ok((saved, loaded.number))
        })
        .await
    }
}

/// The first free name of those that are given where none is.
fn free_name(known: &[Savepoint]) -> String {
    let is_free = |name: &String| !known.iter().any(|savepoint| savepoint.name == *name);
    let mut names = (1_u64..).map(|number| format!("sp-{number}"));
    names.find(is_free).unwrap_or_default()
}

/// Freezes a running task, and waits while it is busy; nothing where it has stopped.
async fn freeze(running: &Running, partition: u32) -> Result<Option<Frozen>> {
    let mut tries = 0;
    loop {
        match running.deployment.visit(partition, |task| task.savepoint()).await.transpose() {
            Err(error) if error.retryable && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(TRY_AGAIN).await;
            }
            other => return other,
        }
    }
}

/// Writes a frozen task. Answers it with the version that had committed last.
fn keep(journal: &Journal, partition: u32, frozen: &Frozen) -> Result<(SavedTask, u64)> {
    let mut bytes = Vec::new();
    frozen.write_to(&mut bytes).map_err(|error| {
        Error::new("E-SAVEPOINT-WRITE", Domain::External, "writing a task's state").caused_by(error)
    })?;
    let digest = journal.put_artefact(&bytes).map_err(Error::from_coded)?;
    let meta = &frozen.meta;
    let mut positions = Vec::new();
    for position in &meta.positions {
        let topic = position.input.topic.to_string();
        let found = journal.topic(&topic).map_err(Error::from_coded)?;
        let (partition, next) = (position.input.partition, position.next);
        positions.push(SavedPosition { topic, topic_id: found.id().0, partition, next });
    }
    let watermark_ms = (meta.watermark != i64::MIN).then_some(meta.watermark);
    let (size, sequence) = (bytes.len() as u64, frozen.sequence);
    let saved = SavedTask { partition, digest, size, sequence, watermark_ms, positions };
    Ok((saved, meta.deployment))
}

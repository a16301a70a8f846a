//! Looking into a function's state. What is answered is durable: a power cut does not take it back.
//! Where tasks run, they are asked; where they do not (the function is paused or has stopped, or this is
//! a replica), their state is put together from what the journal has of it.

use std::sync::Arc;

use pelton_core::{Declaration, Domain, Error, FunctionId, GuestFactory, Result};
use pelton_engine::Task;
use pelton_journal::Role;

use super::registry::unknown;
use super::travel::stored_task;
use super::{FunctionRecord, Functions, blocking};
use crate::node::Node;
use crate::spec::DeploymentSpec;

/// An entry of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The partition whose task keeps it.
    pub partition: u32,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The schema version that it was written with.
    pub schema: u32,
    /// When it expires, ms; absent for never.
    pub expires_ms: Option<i64>,
}

impl Functions {
    /// The entries of a store under `key`: one for each partition that has it.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-STORE-UNKNOWN`.
    pub async fn state_get(
        &self,
        function: &FunctionId,
        store: &str,
        key: &[u8],
    ) -> Result<Vec<StateEntry>> {
        let (name, key) = (store.to_owned(), key.to_vec());
        self.look(function, move |task| {
            let store = store_index(task, &name)?;
            let entry = task.state().get(store, &key).map(|entry| (key.as_slice(), entry));
            Ok(entries(task, entry))
        })
        .await
    }

    /// The first `limit` entries of a store whose keys start with `prefix`, by key.
    ///
    /// # Errors
    /// As [`Self::state_get`].
    pub async fn state_list(
        &self,
        function: &FunctionId,
        store: &str,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<StateEntry>> {
        let (name, prefix) = (store.to_owned(), prefix.to_vec());
        let mut found = self
            .look(function, move |task| {
                let store = store_index(task, &name)?;
                let listed = task.state().list(store, &prefix, limit);
                Ok(entries(task, listed.map_err(Error::from_coded)?))
            })
            .await?;
        found.sort_by(|a, b| (&a.key, a.partition).cmp(&(&b.key, b.partition)));
        found.truncate(limit);
        Ok(found)
    }

    /// Lets `look` look at each task, and waits until what it saw is durable.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        function: &FunctionId,
        look: impl Fn(&mut Task) -> Result<Vec<T>> + Clone + Send + 'static,
    ) -> Result<Vec<T>> {
        let record = self.registry.find(function)?.ok_or_else(|| unknown(function))?;
        if self.node.journal().role() != Role::Leader {
            return self.look_at_copy(&record, look).await;
        }
        let Some((found, newest)) = self.look_at_running(function, look.clone()).await? else {
            let found = self.look_at_copy(&record, look).await?;
            let newest = self.node.journal().appended();
            return self.durable(found, newest).await;
        };
        self.durable(found, newest).await
    }

    /// What was found, once the commit is durable.
    async fn durable<T>(&self, found: Vec<T>, commit: u64) -> Result<Vec<T>> {
        let journal = Arc::clone(self.node.journal());
        blocking(move || journal.wait_durable(commit).map_err(Error::from_coded)).await?;
        Ok(found)
    }

    /// Asks the tasks, and answers the newest commit that is in it; nothing where one does not run.
    async fn look_at_running<T: Send + 'static>(
        &self,
        function: &FunctionId,
        look: impl Fn(&mut Task) -> Result<Vec<T>> + Clone + Send + 'static,
    ) -> Result<Option<(Vec<T>, u64)>> {
        let Some(running) = self.running(function) else { return Ok(None) };
        let (mut all, mut newest) = (Vec::new(), 0);
        for partition in 0..running.deployment.partitions() {
            let look = look.clone();
            let visit = move |task: &mut Task| (look(task), task.sequence());
            let Some((found, sequence)) = running.deployment.visit(partition, visit).await else {
                return Ok(None);
            };
            all.extend(found?);
            newest = newest.max(sequence);
        }
        Ok(Some((all, newest)))
    }

    /// As [`Self::look`], where no task runs: each is put together from what the journal has of it.
    async fn look_at_copy<T: Send + 'static>(
        &self,
        record: &FunctionRecord,
        look: impl Fn(&mut Task) -> Result<Vec<T>> + Send + 'static,
    ) -> Result<Vec<T>> {
        // One copy of a state is enough at a time.
        let _turn = self.copies.lock().await;
        let loaded = self.load(record, record.before.unwrap_or(record.active)).await?;
        let node = Arc::clone(&self.node);
        blocking(move || {
            let mut all = Vec::new();
            for part in node.replacements(&loaded.spec, &loaded.factory)? {
                let task = stored_task(node.journal(), part)?;
                all.extend(task.map_or(Ok(Vec::new()), |mut task| look(&mut task))?);
            }
            Ok(all)
        })
        .await
    }
}

impl Node {
    /// The entries of a store under `key`, of a function that is deployed on the node without a registry:
    /// one for each partition that has it, as of the last commits.
    ///
    /// # Errors
    /// `E-STORE-UNKNOWN`; a storage error.
    pub fn state_get(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        store: &str,
        key: &[u8],
    ) -> Result<Vec<StateEntry>> {
        let declared = factory.declaration();
        let store = index_of(store, declared, &spec.function)?;
        let mut all = Vec::new();
        for part in self.replacements(spec, factory)? {
            let Some(task) = stored_task(self.journal(), part)? else { continue };
            all.extend(entries(&task, task.state().get(store, key).map(|entry| (key, entry))));
        }
        Ok(all)
    }
}

fn store_index(task: &Task, name: &str) -> Result<u16> {
    index_of(name, &task.config().declaration, &task.config().id.function)
}

fn index_of(name: &str, declared: &Declaration, function: &FunctionId) -> Result<u16> {
    let stores = &declared.stores;
    let found = stores.iter().position(|store| store.name == name);
    found.map(|index| index as u16).ok_or_else(|| {
        let known: Vec<_> = stores.iter().map(|store| store.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let text = format!("{function} has no store `{name}`; it declares: {known}");
        Error::new("E-STORE-UNKNOWN", Domain::User, text)
    })
}

fn entries<'a>(
    task: &Task,
    found: impl IntoIterator<Item = (&'a [u8], pelton_state::Entry<'a>)>,
) -> Vec<StateEntry> {
    let partition = task.config().id.partition;
    let entry = |(key, entry): (&[u8], pelton_state::Entry<'_>)| StateEntry {
        partition,
        key: key.to_vec(),
        value: entry.value.to_vec(),
        schema: entry.schema,
        expires_ms: entry.expires_ms,
    };
    found.into_iter().map(entry).collect()
}

//! Committing: the only way that anything a guest did becomes real.

use bytes::Bytes;
use pelton_core::{Commit, Domain, Error, Fault, Position, Result, TaskMeta, TaskRecord};

use super::{Pending, Step, Task, owned, start};
use crate::environment::Units;
use crate::slice::Slice;
use crate::telemetry::Counters;

impl Task {
    /// Commits a decision that no call made: something expired.
    pub(super) async fn commit_decisions(&mut self) -> Result<Step> {
        self.began = None;
        self.make_up(0);
        self.commit().await
    }

    /// Commits what is pending. A commit that cannot be taken now stays pending and is tried again.
    pub(super) async fn commit(&mut self) -> Result<Step> {
        self.complete_record().await?;
        let Some(Pending { record: Some(record), outputs, .. }) = &self.pending else {
            return Ok(Step::Worked);
        };
        let commit = Commit { task: &self.config.id, record, outputs };
        match self.sink.commit(&commit).await {
            Ok(committed) => {
                self.sequence = committed.sequence;
                self.committed();
                Ok(Step::Worked)
            }
            Err(error) if error.retryable => {
                let until_ms = self.time.ms().saturating_add(self.config.retry.backoff_ms);
                self.wait_until = Some(until_ms);
                Ok(Step::Wait { until_ms })
            }
            Err(error) => Err(error),
        }
    }

    /// Fills the pending commit in, where that has not been done by an earlier try.
    async fn complete_record(&mut self) -> Result<()> {
        if self.pending.as_ref().is_none_or(|pending| pending.record.is_some()) {
            return Ok(());
        }
        let saved = match self.save().await {
            Ok(saved) => saved,
            Err(fault) if self.go_back(Some(&fault))? => return Ok(()),
            Err(fault) => {
                let text = format!("{} could not save: {fault}", self.config.id);
                return Err(Error::new("E-FUNCTION-SAVE", Domain::Guest, text));
            }
        };
        if self.mark.take().is_some() {
            owned(&mut self.state)?.accept();
        }
        let changes = Bytes::from(owned(&mut self.state)?.take_changes());
        let mut meta = self.meta();
        meta.layout = (!self.layout_written).then(|| start::layout_of(&self.config));
        meta.saved = saved;
        meta.began = self.began.take();
        let settled_to = self.settled_to();
        if let Some(pending) = &mut self.pending {
            let in_time =
                pending.outputs.iter_mut().filter(|out| self.config.is_in_time(&out.topic));
            in_time.for_each(|output| output.watermark = settled_to);
            pending.record = Some(TaskRecord { meta, changes });
        }
        Ok(())
    }

    /// Positions, progress and time as they stand.
    pub(super) fn meta(&self) -> TaskMeta {
        let position = |input: &crate::input::Input| Position {
            input: input.config.partition.clone(),
            next: input.next,
        };
        TaskMeta {
            deployment: self.config.deployment,
            time_ms: self.time.ms(),
            positions: self.inputs.iter().map(position).collect(),
            progress: self.clocks.iter().map(|clock| clock.progress).collect(),
            topic_ids: self.topic_ids.clone(),
            left: self.left.clone(),
            carried: self.carried(),
            watermark: self.watermark,
            triggers: self.triggers,
            began: None,
            layout: None,
            saved: None,
        }
    }

    /// What the instance wants kept, where the function saves and something has changed.
    async fn save(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Some(mut guest) = self.own_guest.take() else { return Ok(None) };
        let environment = self.environment_of(Slice::default(), self.watermark(), Units::None);
        let saved = guest.save(environment).await?;
        if self.pool.reuses() {
            self.own_guest = Some(guest);
        }
        if saved.is_some() {
            self.saved.clone_from(&saved);
        }
        Ok(saved)
    }

    fn committed(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        self.spoiled.clear();
        self.layout_written = true;
        self.committed_ms = self.time.ms();
        self.last = self.decisions();
        self.tell_readers(false);
        self.committed_on_trial(pending.called);
        self.tap_committed();
        let out: u64 = pending.outputs.iter().map(|batch| u64::from(batch.rows)).sum();
        let records_in = pending.records_in;
        self.changed_bytes += pending.record.map_or(0, |record| record.changes.len() as u64);
        Counters::add(&self.counters.records_in, records_in);
        Counters::add(&self.counters.records_out, out);
        Counters::add(&self.counters.commits, 1);
        self.publish();
        if let Some((peers, own)) = &self.peers {
            peers.publish(*own, Some(self.watermark));
        }
        self.snapshot_if_due();
    }
}

//! Where a shadow reads from and commits to: nowhere.

use std::task::{Context, Poll};

use pelton_core::{
    BoxFuture, Commit, Committed, Fetch, Recovered, Result, Sink, SnapshotWriter, Source, Start,
    TaskId, TopicName, TopicPartition,
};

/// A source that has nothing: a shadow is handed its records.
pub(crate) struct NoSource;

impl Source for NoSource {
    fn assign(&mut self, _: &[(TopicPartition, Start)]) -> Result<()> {
        Ok(())
    }

    fn fetch(&mut self, _: usize) -> Result<Option<Fetch>> {
        Ok(None)
    }

    fn seek(&mut self, _: usize, _: u64) -> Result<()> {
        Ok(())
    }

    fn position(&mut self, _: usize) -> Result<u64> {
        Ok(0)
    }

    fn end(&mut self, _: usize) -> Result<u64> {
        Ok(0)
    }

    fn pause(&mut self, _: usize, _: bool) {}

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// A sink that takes every commit and keeps none.
pub(crate) struct ShadowSink {
    /// As much as the task's own sink takes.
    pub(crate) commit_bytes_max: u64,
}

impl Sink for ShadowSink {
    fn load<'a>(&'a mut self, _: &'a TaskId) -> BoxFuture<'a, Result<Recovered>> {
        let nothing = Recovered { snapshot: None, tail: Vec::new(), sequence: 0 };
        Box::pin(std::future::ready(Ok(nothing)))
    }

    fn partitions(&mut self, _: &TopicName) -> Result<Option<u32>> {
        Ok(None)
    }

    fn commit_bytes_max(&self) -> u64 {
        self.commit_bytes_max
    }

    fn commit<'a>(&'a mut self, _: &'a Commit<'a>) -> BoxFuture<'a, Result<Committed>> {
        Box::pin(std::future::ready(Ok(Committed { sequence: 0 })))
    }

    fn durable(&self) -> u64 {
        0
    }

    fn snapshot(
        &mut self,
        _: &TaskId,
        _: u64,
        _: SnapshotWriter,
    ) -> BoxFuture<'static, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

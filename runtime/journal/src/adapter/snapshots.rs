//! Writing a snapshot on a thread of its own, without an executor.

use std::future::poll_fn;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use pelton_core::{Domain, Error, Result, SnapshotWriter};

use super::of;
use crate::config::SyncDriver;
use crate::journal::Journal;
use crate::locks::lock;
use crate::task::Task;

pub(super) struct Work {
    pub(super) journal: Arc<Journal>,
    pub(super) task: Task,
    pub(super) sequence: u64,
    pub(super) time_ms: i64,
    pub(super) writer: SnapshotWriter,
}

impl Work {
    fn write(self) -> Result<()> {
        let mut file = self.journal.write_snapshot(&self.task, self.sequence).map_err(of)?;
        let written = (self.writer)(&mut file).and_then(|()| file.flush());
        written.map_err(|error| {
            let text = format!("cannot write a snapshot of task {}", self.task.key());
            let is_shortage = crate::error::is_shortage(&error);
            let error = Error::new("E-JOURNAL-SNAPSHOT", Domain::External, text).caused_by(error);
            if is_shortage { error.retry() } else { error }
        })?;
        file.publish(self.time_ms).map(drop).map_err(of)
    }
}

#[derive(Default)]
struct Answer {
    result: Option<Result<()>>,
    waker: Option<Waker>,
}

/// Answers when dropped without having answered: the thread has panicked.
struct Sender(Arc<Mutex<Answer>>);

impl Sender {
    fn send(&self, result: Result<()>) {
        let waker = {
            let mut answer = lock(&self.0);
            answer.result.get_or_insert(result);
            answer.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let text = "the thread that wrote a snapshot panicked";
        self.send(Err(Error::new("E-INTERNAL", Domain::Internal, text)));
    }
}

/// Writes and publishes; with a journal that is driven by hand, at once and on this thread.
pub(super) async fn run(work: Work) -> Result<()> {
    if work.journal.shared.config.sync_driver == SyncDriver::Manual {
        return work.write();
    }
    let answer = Arc::new(Mutex::new(Answer::default()));
    let sender = Sender(Arc::clone(&answer));
    let spawned =
        std::thread::Builder::new().name("journal-snapshot".to_owned()).spawn(move || {
            sender.send(work.write());
        });
    spawned.map_err(|error| {
        let text = "cannot start a thread for a snapshot: raise the limit on threads";
        Error::new("E-JOURNAL-SNAPSHOT", Domain::External, text).caused_by(error).retry()
    })?;
    poll_fn(|context| {
        let mut answer = lock(&answer);
        match answer.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                answer.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

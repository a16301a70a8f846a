//! A node for the length of a command: what `run` stands on.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::data_dir;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::interrupt::TemporaryFolder;
use indicatif::ProgressBar;
use pelton_batch::{Batch, Record};
use pelton_core::TopicName;
use pelton_host::CompileCommand;
use pelton_journal::Visibility;
use pelton_server::{Deployment, LoadOptions, Node, NodeConfig, Progress};

/// How often a progress bar moves.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// A node and its folder.
pub(crate) struct Session {
    /// The node.
    pub node: Node,
    /// Removes the folder at the end, where it is a temporary one. Behind the node, so that it is
    /// dropped last.
    _temporary: Option<TemporaryFolder>,
}

impl Session {
    /// A node in `folder`, or in a temporary one.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self> {
        let temporary = match folder {
            Some(_) => None,
            None => Some(TemporaryFolder::new()?),
        };
        let folder = match (&temporary, folder) {
            (Some(temporary), _) => temporary.path(),
            (None, Some(folder)) => folder,
            (None, None) => Path::new("."),
        };
        data_dir::check(folder)?;
        let node = Node::open(NodeConfig::new(folder, load_options()?))?;
        Ok(Self { node, _temporary: temporary })
    }

    /// The ends of all partitions of a topic; none where there is no such topic yet.
    pub(crate) fn ends(&self, topic: &TopicName) -> Vec<u64> {
        let Ok(topic) = self.node.journal().topic(&topic.to_string()) else { return Vec::new() };
        topic.partitions().iter().map(|partition| partition.end(Visibility::Appended)).collect()
    }

    /// As [`read_topic`], of this node.
    pub(crate) fn read(
        &self,
        topic: &TopicName,
        from: &mut Vec<u64>,
        each: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<u64> {
        read_topic(&self.node, topic, from, each)
    }
}

/// Hands `each` the durable records of a topic behind `from`, and moves `from` behind them; what
/// retention has removed is left out. Answers how many there were.
pub(crate) fn read_topic(
    node: &Node,
    topic: &TopicName,
    from: &mut Vec<u64>,
    mut each: impl FnMut(&Record<'_>) -> Result<()>,
) -> Result<u64> {
    let topic = node.journal().topic(&topic.to_string()).map_err(|e| CliError::coded(&e))?;
    from.resize(topic.partitions().len(), 0);
    let mut count = 0;
    for (partition, next) in topic.partitions().iter().zip(from) {
        let known = partition.offsets();
        if *next >= known.end {
            continue;
        }
        *next = (*next).max(known.start);
        while let Some(batch) =
            partition.read(*next, Visibility::Durable).map_err(|error| CliError::coded(&error))?
        {
            let skip = batch.row_at(*next);
            *next = batch.next_offset();
            let records = Batch::parse(&batch.bytes).and_then(|batch| batch.records());
            let records = records.map_err(|error| damaged(&error))?;
            for record in records.iter().skip(skip) {
                each(&record)?;
                count += 1;
            }
        }
    }
    Ok(count)
}

fn damaged(error: &dyn std::fmt::Display) -> CliError {
    let text = format!("a batch of the journal cannot be read: {error}");
    CliError::new("E-JOURNAL-CORRUPT", Exit::Failure, text)
}

/// Compiles functions in a child of this very program.
pub(crate) fn load_options() -> Result<LoadOptions> {
    let program = std::env::current_exe().map_err(|error| {
        let text = format!("cannot find this program's own file: {error}");
        CliError::new("E-INTERNAL", Exit::Failure, text)
    })?;
    Ok(LoadOptions::child(CompileCommand {
        program,
        arguments: vec![crate::COMPILE_CHILD.to_owned()],
    }))
}

/// Waits until a bounded deployment has ended, and moves a bar while it does.
pub(crate) fn wait(deployment: &Deployment, bar: &ProgressBar) -> Result<Progress> {
    let (done, is_done) = mpsc::channel::<()>();
    let ended = std::thread::scope(|scope| {
        scope.spawn(move || {
            while is_done.recv_timeout(PROGRESS_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                bar.set_position(deployment.progress().records_in);
            }
        });
        let ended = deployment.wait();
        drop(done);
        ended
    });
    bar.finish_and_clear();
    ended?;
    Ok(deployment.progress())
}

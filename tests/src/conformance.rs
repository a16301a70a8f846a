//! What every place for records and commits has to do: one suite over memory, the journal, Kafka,
//! and from one to another.
//!
//! A [`World`] makes sources and sinks; [`run`] holds them to the contract of
//! [`Source`] and [`Sink`] in `pelton-core`. Each case uses topics and a function of its own.

mod cases;
mod guest;
mod restart;
mod tools;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use pelton_batch::RecordsBuilder;
use pelton_core::{FunctionId, Sink, Source, TopicName};

/// Where a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where a function reads.
    Input,
    /// Where it commits to.
    Output,
}

/// Makes sources and sinks of one kind, on the same data each time.
pub trait World {
    /// Its name in failures.
    fn name(&self) -> &str;

    /// A topic or function name that was not used before.
    fn unique(&mut self, name: &str) -> String;

    /// The name of the cluster on which the inputs are, as it stands in positions.
    fn input_cluster(&self) -> Arc<str> {
        "".into()
    }

    /// The name of the cluster on which the outputs are.
    fn output_cluster(&self) -> Arc<str> {
        "".into()
    }

    /// Makes a topic.
    fn create(&mut self, side: Side, topic: &TopicName, partitions: u32);

    /// Writes records to an input, as one batch, and empties the builder.
    fn write(&mut self, topic: &TopicName, partition: u32, records: &mut RecordsBuilder);

    /// A source of that side.
    fn source(&mut self, side: Side) -> Box<dyn Source>;

    /// A new owner of a function with so many tasks.
    fn sink(&mut self, function: &FunctionId, tasks: u32) -> Box<dyn Sink>;
}

type Case = (&'static str, fn(&mut dyn World));

const CASES: &[Case] = &[
    ("records come back as they were committed", cases::records_come_back),
    ("a reader starts where it is told", cases::starts),
    ("a reader seeks both ways, and not beyond the end", cases::seeks),
    ("an unknown partition is an error that names it", cases::unknown_partitions),
    ("a paused input fetches nothing", cases::pauses),
    ("a reader wakes when records come", cases::wakes),
    ("several outputs become visible together", cases::several_outputs),
    ("a commit that is refused leaves nothing behind", cases::refused),
    ("an earlier owner commits nothing more", restart::fenced),
    ("a new owner finds state, positions and what was saved", restart::restores),
    ("a snapshot and the commits behind it make the same state", restart::snapshots),
    ("stores keep their contents when they are numbered otherwise", restart::relaid),
    ("whatever fails between, each record is processed once", restart::exactly_once),
    ("a function in WebAssembly goes on in a second life", guest::goes_on),
];

/// Runs every case.
///
/// # Panics
/// Where a case fails, with the names of the case and the world on standard error.
pub fn run(world: &mut dyn World) {
    for (name, case) in CASES {
        let started = std::time::Instant::now();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(world))) {
            say(&format!("{}: {name}: FAILED", world.name()));
            resume_unwind(panic);
        }
        say(&format!("{}: {name}: {:.1} s", world.name(), started.elapsed().as_secs_f64()));
    }
}

#[allow(clippy::print_stderr, reason = "a test says which case it was")]
fn say(text: &str) {
    eprintln!("{text}");
}

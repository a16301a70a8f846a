//! A function that misbehaves on purpose, for tests of the host. What a record's value says, or for
//! every record the configuration entry `mode`, it does; any other record it sends on.
//!
//! | value | what happens |
//! |---|---|
//! | `trap` | unreachable code |
//! | `panic` | a Rust panic, with a message in the log |
//! | `divide` | an integer division by zero |
//! | `overflow` | endless recursion |
//! | `loop` | loops for ever |
//! | `memory` | allocates without end |
//! | `timer` | a panic 10 ms of event time later, when its timer fires |
//! | `slow` | much honest work (`slow-rounds`, 20 million), then sends the record on |
//! | `reject`, `retry`, `fail` | a reject, a retry, a failure of the call |
//! | `retry-once` | a retry the first time that this instance sees it |
//! | `flood` | a million operations |
//! | `large` | one record of 64 MiB |
//! | `log` | a million log lines |
//! | `bad-output`, `bad-store`, `bad-timer` | an operation on an index that is not declared |
//! | `bad-cause` | an operation whose cause is not a row of the batch |
//! | `unknown-operation` | an operation of a kind that there is not |
//! | `malformed`, `truncated`, `empty` | an answer that is not a batch |
//!
//! With `open` = `trap`, `loop`, `memory` or `fail` it does so when it is opened.

use pelton_sdk::batch::layout::{self, Column, tag};
use pelton_sdk::batch::{Batch, Kind, OpKind, Operation, OperationsBuilder};
use pelton_sdk::prelude::*;
use pelton_sdk::{Function, Runtime, config};

pelton_sdk::function!(Faulty::default());

/// The function: a [`Misbehave`] for what a `Process` can do, raw bytes for what it cannot.
#[derive(Default)]
struct Faulty {
    mode: Option<String>,
    inner: Option<Box<dyn Function>>,
}

impl Function for Faulty {
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        if let Some(mode) = config::get("open") {
            fault(&mode)?;
        }
        self.mode = config::get("mode");
        let mut inner: Box<dyn Function> = Box::new(pelton_sdk::process::<Misbehave>());
        inner.open(setup)?;
        self.inner = Some(inner);
        Ok(())
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        if batch.kind() == Kind::Records {
            for record in batch.records()?.iter() {
                let asked = self.mode.as_deref().map(str::as_bytes).or(record.value());
                if let Some(answer) = asked.and_then(|mode| raw_answer(mode, record.row())) {
                    return Ok(answer);
                }
            }
        }
        match &mut self.inner {
            Some(inner) => inner.call(batch, runtime),
            None => Err(Error::fail("not open")),
        }
    }
}

/// Answers that the SDK itself would never give.
fn raw_answer(mode: &[u8], row: usize) -> Option<Vec<u8>> {
    let cause = row as u32;
    let one = |kind, cause, target| {
        let mut operations = OperationsBuilder::new();
        let key = Some(&b"key"[..]);
        let timestamp = Some(0);
        let (partition, ttl, schema) = (None, 0, 0);
        let value = key;
        operations.push(&Operation {
            row: 0,
            kind,
            cause,
            target,
            key,
            value,
            timestamp,
            partition,
            ttl,
            schema,
        });
        operations.finish()
    };
    Some(match mode {
        b"bad-output" => one(OpKind::Forward, cause, 999),
        b"bad-store" => one(OpKind::Put, cause, 999),
        b"bad-timer" => one(OpKind::SetTimer, cause, 999),
        b"bad-cause" => one(OpKind::Emit, 1_000_000, 0),
        b"malformed" => vec![0xab; 1_000],
        b"empty" => Vec::new(),
        b"truncated" => {
            let mut bytes = one(OpKind::Emit, cause, 0);
            bytes.truncate(bytes.len() - 9);
            bytes
        }
        b"unknown-operation" => {
            let kinds = Column { tag: tag::OP_KIND, width: 1, bytes: &[200] };
            let causes = Column { tag: tag::CAUSE, width: 4, bytes: &cause.to_le_bytes() };
            let mut bytes = Vec::new();
            layout::write(Kind::Operations, 1, &[kinds, causes], &mut bytes);
            bytes
        }
        _ => return None,
    })
}

struct Misbehave {
    mode: Option<String>,
    slow_rounds: u64,
    retried: bool,
    trap: Timer,
}

impl Process for Misbehave {
    fn open(setup: &mut Setup) -> Result<Self> {
        let slow_rounds = setup.config_or("slow-rounds", 20_000_000)?;
        let trap = setup.event_timer("trap");
        Ok(Self { mode: config::get("mode"), slow_rounds, retried: false, trap })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let value = String::from_utf8_lossy(record.value_bytes());
        let mode = self.mode.as_deref().unwrap_or(&value);
        match mode {
            "retry-once" if !self.retried => {
                self.retried = true;
                return Err(Error::retry("not yet"));
            }
            "timer" => {
                let key = record.key_text().unwrap_or_default();
                self.trap.set(ctx, key, record.timestamp() + 10)?;
            }
            "slow" => work(self.slow_rounds),
            "flood" => {
                for _ in 0..1_000_000 {
                    OUT.forward(ctx);
                }
            }
            "large" => OUT.emit(ctx, record.key(), vec![b'x'; 64 << 20])?,
            "log" => {
                for line in 0..1_000_000 {
                    pelton_sdk::info!("line {line} \u{1b}[31m \r {}", "x".repeat(200));
                }
            }
            mode => fault(mode)?,
        }
        OUT.forward(ctx);
        Ok(())
    }

    fn timer(&mut self, timer: &DueTimer, _: &mut Context) -> Result<()> {
        panic!("the timer of {:?} panics on purpose", timer.key_text());
    }
}

/// Does what `mode` says, where that does not come back, or comes back with an error.
fn fault(mode: &str) -> Result<()> {
    match mode {
        "trap" => trap(),
        "panic" => panic!("this function panics on purpose"),
        "divide" => {
            let zero = std::hint::black_box(0_i64);
            std::hint::black_box(7_i64.wrapping_div(zero));
        }
        "overflow" => {
            std::hint::black_box(recurse(std::hint::black_box(u64::MAX)));
        }
        "loop" => loop {
            std::hint::black_box(());
        },
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        "reject" => return Err(Error::reject("rejected on purpose")),
        "retry" => return Err(Error::retry("retried on purpose")),
        "fail" => return Err(Error::fail("failed on purpose")),
        _ => {}
    }
    Ok(())
}

#[cfg(target_arch = "wasm32")]
fn trap() {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() {
    panic!("a trap")
}

fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 32]);
    if depth == 0 { 0 } else { recurse(depth - 1) + frame[depth as usize % 32] }
}

fn work(rounds: u64) {
    let mut sum = 0_u64;
    for round in 0..rounds {
        sum = std::hint::black_box(sum.rotate_left(7) ^ round);
    }
}

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    /// What a native test survives; the others are for the host's own tests.
    #[test]
    fn each_fault_costs_the_record_that_asks_for_it() {
        let faults = [
            "trap",
            "panic",
            "divide",
            "reject",
            "fail",
            "bad-output",
            "bad-store",
            "bad-timer",
            "bad-cause",
            "unknown-operation",
            "malformed",
            "truncated",
            "empty",
            "flood",
            "large",
        ];
        for fault in faults {
            let mut test = Harness::new(crate::function).config("slow-rounds", "10");
            for value in ["before", fault, "slow", "after"] {
                test.push("k", value, 1);
            }
            assert_eq!(test.texts("out"), ["before", "slow", "after"], "{fault}");
            let rejected = test.rejected();
            assert_eq!(rejected.len(), 1, "{fault}");
            assert_eq!(rejected[0].record.text(), fault);
        }
    }

    #[test]
    fn a_retry_that_passes_leaves_no_trace() {
        let mut test = Harness::new(crate::function);
        for value in ["before", "retry-once", "after"] {
            test.push("k", value, 1);
        }
        assert_eq!(test.texts("out"), ["before", "retry-once", "after"]);
        assert!(test.rejected().is_empty());
    }
}

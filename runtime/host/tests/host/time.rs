//! CPU time: deadlines, turns, accounting.

use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use pelton_core::{FaultKind, Guest};

use crate::support::*;

const LOOP: &str = "(loop $for_ever (br $for_ever)) (i32.const 0)";
const EMPTY: &str = "(call $answer (i32.const 0) (i32.const 0))";

#[test]
fn h27_infinite_loop_is_stopped_near_its_deadline_while_a_neighbour_goes_on() {
    let mut hostile = guest(&function(LOOP), &[("call_cpu_ms", 30)]);
    let factory = factory(&function(EMPTY), &[]).unwrap();
    let stats = hostile.stats();
    let mut neighbour = block_on(factory.instance(environment())).unwrap();
    let (answer, calls) = round_robin(hostile.call(b"x", environment()), || {
        call(&mut neighbour, b"x").unwrap();
    });
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Deadline);
    assert!(fault.message.contains("30 ms") && fault.message.contains("call_cpu_ms"), "{fault}");
    // A turn ends at each tick, except that a busy machine may skip some.
    assert!(calls >= 5, "the neighbour had {calls} turns");
    assert_eq!(stats.yields() as usize, calls);
    let used = Duration::from_nanos(stats.call_cpu_ns());
    assert!(used >= Duration::from_millis(30) && used < Duration::from_millis(60), "{used:?}");
}

#[test]
fn h27_a_deadline_is_for_one_call_and_not_for_an_instances_life() {
    let process = "(loop $again
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 4000000))))
      (call $answer (i32.const 0) (i32.const 0))";
    let mut guest = guest(&function(process), &[("call_cpu_ms", 50)]);
    let stats = guest.stats();
    while guest.cpu_ns() < 60_000_000 {
        let before = guest.cpu_ns();
        call(&mut guest, b"x").unwrap();
        assert!(stats.call_cpu_ns() < 50_000_000);
        assert_eq!(guest.cpu_ns() - before, stats.call_cpu_ns());
    }
}

#[test]
fn h38_the_time_of_a_call_is_charged_near_the_clock_whatever_its_length() {
    let process = "(loop $again
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.load (local.get $at)))))
      (call $answer (i32.const 0) (i32.const 0))";
    let mut guest = guest(&function(process), &[("call_cpu_ms", 10_000)]);
    let stats = guest.stats();
    for rounds in [1_000u32, 100_000, 30_000_000] {
        let start = Instant::now();
        call(&mut guest, &rounds.to_le_bytes()).unwrap();
        let wall = start.elapsed().as_nanos() as u64;
        let charged = stats.call_cpu_ns();
        assert!(charged <= wall, "{charged} of {wall}");
        assert!(charged > u64::from(rounds) / 10, "{charged} for {rounds} rounds");
    }
}

#[test]
fn h48_a_storm_of_host_calls_is_charged_to_the_call() {
    let imports = r#"(import "pelton:function/clock@0.1.0" "watermark"
        (func $watermark (result i64)))"#;
    let process = "(loop $for_ever (drop (call $watermark)) (br $for_ever)) (i32.const 0)";
    let wasm = embed_wat(&module(imports, "", "(call $declare)", process), "function");
    let mut guest = guest(&wasm, &[("call_cpu_ms", 20)]);
    let fault = call(&mut guest, b"x").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Deadline);
    assert!(guest.stats().call_cpu_ns() < 60_000_000);
}

#[test]
fn h32_filling_all_memory_in_a_loop_is_stopped() {
    let fields = r#"(memory (export "memory") 512)"#;
    let process = "(loop $for_ever
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 33554432))
        (br $for_ever)) (i32.const 0)";
    let wasm = embed_wat(&module("", fields, "(call $declare)", process), "function");
    let mut guest = guest(&wasm, &[("call_cpu_ms", 50)]);
    assert_eq!(call(&mut guest, b"x").unwrap_err().kind, FaultKind::Deadline);
}

#[test]
fn a_suspended_call_that_is_dropped_takes_its_instance_and_nothing_else_with_it() {
    let factory = factory(&function(LOOP), &[("call_cpu_ms", 5_000)]).unwrap();
    let other = std::sync::Arc::new(Recorder::default());
    for _ in 0..3 {
        let mut guest = block_on(factory.instance(environment())).unwrap();
        let mut suspended = guest.call(b"x", other.clone());
        let mut context = Context::from_waker(Waker::noop());
        assert!(suspended.as_mut().poll(&mut context).is_pending());
        drop(suspended);
        assert!(!guest.is_alive());
        let fault = call(&mut guest, b"").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Host);
    }
    assert_eq!(std::sync::Arc::strong_count(&other), 1);
}

#[test]
fn a_call_may_move_to_another_thread_between_two_polls() {
    let process = "(loop $again
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 30000000))))
      (call $answer (i32.const 0) (i32.const 0))";
    let mut guest = guest(&function(process), &[("call_cpu_ms", 10_000)]);
    let stats = guest.stats();
    let mut call = guest.call(b"x", environment());
    let mut context = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut context).is_pending());
    let before = stats.call_cpu_ns();
    std::thread::scope(|scope| {
        scope.spawn(move || block_on(call).unwrap());
    });
    assert!(stats.call_cpu_ns() > before);
    assert!(guest.is_alive());
}

#[test]
fn h40_slow_floats_and_vectors_are_stopped_and_are_not_rounded_to_zero() {
    let denormal = "(f64.const 0x1p-1070)";
    for body in [
        format!("(f64.store (i32.const 2048) (f64.mul {denormal} (f64.load (i32.const 2056))))"),
        "(f64.store (i32.const 2048) (f64.sqrt (f64.div (f64.const 3) (f64.const 0x1p-1070))))"
            .into(),
        format!(
            "(v128.store (i32.const 2048) (f64x2.div (f64x2.splat {denormal})
            (f64x2.splat (f64.const 3))))"
        ),
        "(v128.store (i32.const 2048) (i8x16.popcnt (i64x2.mul (v128.load (i32.const 2048))
            (v128.load (i32.const 2064)))))"
            .into(),
    ] {
        let process = format!("(loop $for_ever {body} (br $for_ever)) (i32.const 0)");
        let mut guest = guest(&function(&process), &[("call_cpu_ms", 20)]);
        assert_eq!(call(&mut guest, b"x").unwrap_err().kind, FaultKind::Deadline, "{body}");
        assert!(guest.stats().call_cpu_ns() < 60_000_000);
    }
    // 2^-1070 / 8 is 2^-1073, the second smallest number there is.
    let process = format!(
        "(f64.store (i32.const 2048) (f64.div {denormal} (f64.const 8)))
         (call $answer (i32.const 2048) (i32.const 8))"
    );
    assert_eq!(call(&mut guest(&function(&process), &[]), b"").unwrap(), 2u64.to_le_bytes());
}

/// An environment whose state takes longer to read than a call may last.
struct SlowState(Recorder);

impl pelton_core::Environment for SlowState {
    fn get_many(&self, store: u16, keys: &[u8]) -> Result<Vec<u8>, pelton_core::Fault> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        self.0.get_many(store, keys)
    }

    fn scan(
        &self,
        store: u16,
        start: &[u8],
        end: Option<&[u8]>,
        limit: u32,
        reverse: bool,
    ) -> Result<Vec<u8>, pelton_core::Fault> {
        self.0.scan(store, start, end, limit, reverse)
    }

    fn now(&self, row: u32) -> i64 {
        self.0.now(row)
    }

    fn watermark(&self) -> i64 {
        self.0.watermark()
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        self.0.random(row, draw)
    }

    fn config(&self, name: &str) -> Option<String> {
        self.0.config(name)
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        self.0.config_entries()
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.0.secret(name)
    }

    fn log(&self, level: pelton_core::LogLevel, message: &str) {
        self.0.log(level, message);
    }

    fn counter(&self, name: &str, amount: f64) {
        self.0.counter(name, amount);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.0.gauge(name, value);
    }
}

/// State is in memory: its reads take CPU time and never wait, and are charged to the call.
#[test]
fn h49_a_host_call_that_outlasts_the_deadline_is_the_last_of_its_call() {
    let imports = r#"(import "pelton:function/state@0.1.0" "get-many"
        (func $get (param i32 i32 i32 i32)))"#;
    let process = "(loop $for_ever
        (call $get (i32.const 0) (local.get $at) (local.get $length) (i32.const 2048))
        (br $for_ever)) (i32.const 0)";
    let wasm = embed_wat(&module(imports, "", "(call $declare)", process), "function");
    let mut guest = guest(&wasm, &[("call_cpu_ms", 10)]);
    let slow = std::sync::Arc::new(SlowState(Recorder::default()));
    let fault = block_on(guest.call(b"key", slow.clone())).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Deadline, "{fault}");
    assert_eq!(slow.0.asked.lock().unwrap().len(), 1);
    assert!(!guest.is_alive());
}

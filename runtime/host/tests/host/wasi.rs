//! WASI: a real component of Rust's std, a core module of preview 1, and handles at their limits.
//! `fixtures/wasi-guest` has the source of the component, and how it is built.

use std::sync::Arc;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{Coded, Fault, FaultKind, Guest, Limits, LogLevel};
use pelton_host::{Grants, WasiStanding, WasmGuest, World, scan};

use crate::support::*;

const STD: &[u8] = include_bytes!("../fixtures/wasi_guest.wasm");

fn std_guest() -> WasmGuest {
    let factory = factory_with(STD, Limits::default(), &Grants::only([]), environment()).unwrap();
    assert_eq!(factory.world(), World::Simple);
    block_on(factory.instance(environment())).unwrap()
}

/// Sends records with these values, and gives the values of the answers.
fn wish(
    guest: &mut WasmGuest,
    wishes: &[&str],
    recorder: &Arc<Recorder>,
) -> Result<Vec<String>, Fault> {
    let mut records = RecordsBuilder::new();
    for wish in wishes {
        records.push(None, Some(wish.as_bytes()), 0);
    }
    let answer = block_on(guest.call(&records.finish(), recorder.clone()))?;
    let operations = Batch::parse(&answer).unwrap();
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    Ok(operations.operations().unwrap().iter().map(|operation| text(operation.value)).collect())
}

fn wish_once(what: &str) -> Result<String, Fault> {
    let mut answers = wish(&mut std_guest(), &[what], &Arc::default())?;
    Ok(answers.remove(0))
}

#[test]
fn a_component_of_rusts_std_loads_without_a_grant_and_is_listed_for_what_it_is() {
    assert_eq!(wish_once("hello").unwrap(), "HELLO");
    let report = scan(STD, &Limits::default()).unwrap();
    assert!(report.abilities.is_empty());
    let standing = |name: &str| {
        let found = report.wasi.iter().find(|wasi| wasi.import.starts_with(name));
        found.map(|wasi| wasi.standing)
    };
    assert_eq!(standing("wasi:cli/stdout@0.2."), Some(WasiStanding::Harmless));
    assert_eq!(standing("wasi:filesystem/preopens@0.2."), Some(WasiStanding::Harmless));
    assert_eq!(standing("wasi:filesystem/types@0.2."), Some(WasiStanding::Stubbed));
    assert_eq!(standing("wasi:sockets/tcp@0.2."), Some(WasiStanding::Stubbed));
}

#[test]
fn what_std_prints_becomes_log_lines_one_for_each_line() {
    let recorder = Arc::new(Recorder::default());
    wish(&mut std_guest(), &["print", "print"], &recorder).unwrap();
    let lines = recorder.lines.lock().unwrap();
    let out = (LogLevel::Info, "to stdout".to_owned());
    // What has no line feed ends with the call, which is of both records.
    let error = (LogLevel::Warn, "to stderr, without an endto stderr, without an end".to_owned());
    assert_eq!(*lines, [out.clone(), out, error]);
}

#[test]
fn h56_printing_has_the_limits_of_logging() {
    let recorder = Arc::new(Recorder::default());
    wish(&mut std_guest(), &["flood"], &recorder).unwrap();
    let lines = recorder.lines.lock().unwrap();
    let bytes: usize = lines.iter().map(|(_, line)| line.len()).sum();
    assert!(bytes <= 65 * 1024, "{bytes}");
    assert!(lines.last().unwrap().1.contains("more log lines"));
}

#[test]
fn h36_wasi_clocks_are_the_records_time_and_stand_still_during_a_call() {
    let mut guest = std_guest();
    let ask =
        |guest: &mut WasmGuest| wish(guest, &["clock", "sleep", "clock"], &Arc::default()).unwrap();
    let first = ask(&mut guest);
    // The environment's clock says 1,000 ms and the row.
    assert_eq!(first, ["1000 ms, 0ns", "awake", "1002 ms, 0ns"]);
    assert_eq!(ask(&mut guest), first);
    assert_eq!(ask(&mut std_guest()), first);
}

#[test]
fn hash_maps_have_the_same_order_in_every_instance() {
    assert_eq!(wish_once("hash").unwrap(), wish_once("hash").unwrap());
}

#[test]
fn there_is_no_environment_no_input_and_no_file() {
    assert_eq!(wish_once("environment").unwrap(), "0 variables, 0 arguments");
    assert_eq!(wish_once("stdin").unwrap(), "Ok(0)");
    assert!(wish_once("file").unwrap().starts_with("Err("));
}

#[test]
fn h12_what_reaches_the_outside_is_a_fault_that_names_the_import() {
    let mut guest = std_guest();
    let fault = wish(&mut guest, &["socket"], &Arc::default()).unwrap_err();
    assert_eq!((fault.kind, fault.code()), (FaultKind::Forbidden, "E-GUEST-FORBIDDEN"));
    assert!(fault.message.contains("wasi:sockets/"), "{fault}");
    assert!(!fault.retryable && !guest.is_alive());
}

#[test]
fn exit_and_panic_are_faults_and_the_panics_text_is_logged() {
    let exit = wish_once("exit").unwrap_err();
    assert_eq!(exit.kind, FaultKind::Trap);
    assert!(exit.message.contains("wasi:cli/exit"), "{exit}");
    let recorder = Arc::new(Recorder::default());
    let panic = wish(&mut std_guest(), &["panic"], &recorder).unwrap_err();
    assert_eq!(panic.kind, FaultKind::Trap);
    let lines = recorder.lines.lock().unwrap();
    assert!(lines.iter().any(|(_, line)| line.contains("as it was told")), "{lines:?}");
}

#[test]
fn a_core_module_of_preview_1_gets_its_adapter_when_it_is_loaded() {
    let import = r#"
      (import "wasi_snapshot_preview1" "random_get"
        (func $random (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))"#;
    let process = r#"
      (if (call $random (i32.const 2048) (i32.const 8)) (then unreachable))
      (if (call $clock (i32.const 0) (i64.const 0) (i32.const 2056)) (then unreachable))
      (i32.store (i32.const 2100) (local.get $at))
      (i32.store (i32.const 2104) (local.get $length))
      (if (call $write (i32.const 1) (i32.const 2100) (i32.const 1) (i32.const 2108))
        (then unreachable))
      (call $answer (i32.const 2048) (i32.const 16))"#;
    let wasm = embed_wat(&module(import, "", "(call $declare)", process), "function");
    let recorder = Arc::new(Recorder::default());
    let answer = block_on(guest(&wasm, &[]).call(b"a line\n", recorder.clone())).unwrap();
    // Draws begin where those of the contract's own `random` end.
    assert_eq!(answer[..8], (1u64 << 31).to_le_bytes());
    assert_eq!(answer[8..], 1_000_000_000u64.to_le_bytes());
    assert_eq!(*recorder.lines.lock().unwrap(), [(LogLevel::Info, "a line".to_owned())]);
    let report = scan(&wasm, &Limits::default()).unwrap();
    assert_eq!(report.wasi[0].import, "wasi_snapshot_preview1");
}

/// Functions of `wasi:io` and more, as core imports of these names.
const HANDLES: &str = r#"
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stdin@0.2.6" "get-stdin" (func $stdin (result i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.subscribe"
    (func $subscribe (param i32) (result i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.write"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.6" "[resource-drop]output-stream" (func $drop (param i32)))
  (import "wasi:io/poll@0.2.6" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#;

const EMPTY: &str = "(call $answer (i32.const 0) (i32.const 0))";

/// The guest and the fault of its call, if there is one.
fn with_handles(process: &str, input: &[u8]) -> (WasmGuest, Result<Vec<u8>, Fault>) {
    let text = module(HANDLES, "", "(call $declare)", &format!("{process} {EMPTY}"));
    let mut guest = guest(&embed_wasi(&text), &[("call_cpu_ms", 5_000)]);
    let answer = call(&mut guest, input);
    (guest, answer)
}

#[test]
fn h46_handles_that_are_forged_dropped_twice_or_of_another_type_are_traps() {
    for process in [
        "(call $drop (i32.const 77))",
        "(call $drop (i32.const -1))",
        "(local.set $i (call $stdout)) (call $drop (local.get $i)) (call $drop (local.get $i))",
        "(local.set $i (call $stdout)) (call $drop (local.get $i))
         (drop (call $subscribe (local.get $i)))",
        "(drop (call $subscribe (call $stdin)))",
        "(call $drop_pollable (call $stdout))",
    ] {
        let (guest, answer) = with_handles(process, b"");
        assert_eq!(answer.unwrap_err().kind, FaultKind::Trap, "{process}");
        assert!(!guest.is_alive(), "{process}");
    }
}

#[test]
fn h46_handles_are_held_to_their_limit_and_one_more_is_a_trap() {
    let hold = |count: u32| {
        let process = format!(
            "(loop $again (drop (call $stdout))
               (br_if $again (i32.lt_u
                 (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))"
        );
        with_handles(&process, b"").1
    };
    hold(1_000).unwrap();
    let fault = hold(1_001).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
    assert!(fault.message.contains("1000 handles"), "{fault}");
    assert_eq!(hold(1_000_000).unwrap_err().kind, FaultKind::Trap);
}

#[test]
fn h46_a_handle_that_is_dropped_each_time_never_runs_out() {
    let process = "(loop $again (call $drop (call $stdout))
        (br_if $again (i32.lt_u
          (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))";
    with_handles(process, b"").1.unwrap();
}

#[test]
fn writes_polls_and_random_bytes_are_taken_at_their_limits_and_a_fault_at_one_more() {
    let write = |bytes: u32| {
        format!("(call $write (call $stdout) (i32.const 0) (i32.const {bytes}) (i32.const 2048))")
    };
    let random = |bytes: u64| format!("(call $random (i64.const {bytes}) (i32.const 2048))");
    // The same pollable over and over, from 65,536 on.
    let poll = |count: u32| {
        format!(
            "(local.set $j (call $subscribe (call $stdout)))
             (loop $again
               (i32.store (i32.add (i32.const 65536) (i32.mul (local.get $i) (i32.const 4)))
                 (local.get $j))
               (br_if $again (i32.lt_u
                 (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))
             (call $poll (i32.const 65536) (i32.const {count}) (i32.const 2048))"
        )
    };
    for (at, past, says) in [
        (write(65_536), write(65_537), "65536"),
        (random(65_536), random(65_537), "65536"),
        (random(0), random(u64::MAX >> 1), "65536"),
        (poll(500), poll(501), "500"),
    ] {
        with_handles(&at, b"").1.unwrap_or_else(|fault| panic!("{at}: {fault}"));
        let fault = with_handles(&past, b"").1.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Trap);
        assert!(fault.message.contains(says), "{past}: {fault}");
    }
    let nothing = "(call $poll (i32.const 0) (i32.const 0) (i32.const 2048))";
    assert_eq!(with_handles(nothing, b"").1.unwrap_err().kind, FaultKind::Trap);
}

#[test]
fn every_stubbed_interface_links_whatever_it_has_in_it() {
    for import in ["wasi:http/types@0.2.3", "wasi:sockets/udp@0.2.0", "wasi:filesystem/types@0.2.6"]
    {
        let wasm = wat::parse_str(format!(
            r#"(component
              (import "{import}" (instance
                (export "fields" (type $fields (sub resource)))
                (export "[constructor]fields" (func (result (own $fields))))
                (export "[method]fields.get" (func
                  (param "self" (borrow $fields)) (param "name" string)
                  (result (list (list u8)))))))
              (core module $m (func (export "handle")))
              (core instance $i (instantiate $m))
              (func (export "handle") (canon lift (core func $i "handle"))))"#
        ))
        .unwrap();
        // It is linked, instantiated, and then found to have another `handle`.
        let error = factory(&wasm, &[]).err().unwrap();
        assert_eq!(error.code(), "E-MODULE-WORLD", "{import}: {error}");
        assert!(error.to_string().contains("`handle` differs"), "{error}");
    }
}

#[test]
fn a_wasi_function_of_another_type_is_refused() {
    let wasm = wat::parse_str(
        r#"(component
          (import "wasi:cli/environment@0.2.0" (instance
            (export "get-arguments" (func (result u32)))))
          (core module $m (func (export "handle")))
          (core instance $i (instantiate $m))
          (func (export "handle") (canon lift (core func $i "handle"))))"#,
    )
    .unwrap();
    // Imports are linked before the export is looked at.
    let error = factory(&wasm, &[]).err().unwrap();
    assert_eq!(error.code(), "E-MODULE-WORLD", "{error}");
    assert!(error.to_string().contains("get-arguments"), "{error}");
}

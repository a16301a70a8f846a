//! The import interfaces, and what is not granted.

use std::sync::Arc;

use pelton_core::{Coded, FaultKind, Guest, Limits, LogLevel};
use pelton_host::{Ability, Grants};

use crate::support::*;

const ALL: &str = r#"
  (import "pelton:function/clock@0.1.0" "now" (func $now (param i32) (result i64)))
  (import "pelton:function/clock@0.1.0" "watermark" (func $watermark (result i64)))
  (import "pelton:function/random@0.1.0" "get" (func $random (param i32 i32) (result i64)))
  (import "pelton:function/state@0.1.0" "get-many" (func $get (param i32 i32 i32 i32)))
  (import "pelton:function/state@0.1.0" "scan"
    (func $scan (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "pelton:function/config@0.1.0" "get" (func $config (param i32 i32 i32)))
  (import "pelton:function/config@0.1.0" "secret" (func $secret (param i32 i32 i32)))
  (import "pelton:function/config@0.1.0" "entries" (func $entries (param i32)))
  (import "pelton:function/metrics@0.1.0" "add" (func $add (param i32 i32 f64)))
  (import "pelton:function/metrics@0.1.0" "set" (func $set (param i32 i32 f64)))
  (import "pelton:function/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;

const WORDS: &str = r#"(data (i32.const 3000) "known") (data (i32.const 3008) "token")
  (data (i32.const 3016) "a\1b[31m\nb")"#;

fn importing(process: &str) -> Vec<u8> {
    embed_wat(&module(ALL, WORDS, "(call $declare)", process), "function")
}

/// The answer of one call, and what its environment was asked.
fn ask(process: &str, input: &[u8]) -> (Vec<u8>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let mut guest = guest(&importing(process), &[]);
    let answer = block_on(guest.call(input, recorder.clone())).unwrap();
    (answer, recorder)
}

#[test]
fn h36_clock_and_random_are_asked_for_the_right_row_and_draw() {
    let process = "(i64.store (i32.const 2048) (call $now (i32.const 7)))
      (i64.store (i32.const 2056) (call $random (i32.const 7) (i32.const 3)))
      (i64.store (i32.const 2064) (call $watermark))
      (i64.store (i32.const 2072) (call $now (i32.const 7)))
      (call $answer (i32.const 2048) (i32.const 32))";
    let (answer, _) = ask(process, b"x");
    let words: Vec<i64> =
        answer.chunks_exact(8).map(|word| i64::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words, [1_007, 7 << 32 | 3, -5, 1_007]);
}

#[test]
fn state_reads_carry_the_store_and_the_bytes_both_ways() {
    let get = "(call $get (i32.const 4) (local.get $at) (local.get $length) (i32.const 2048))
      (call $answer (i32.load (i32.const 2048)) (i32.load (i32.const 2052)))";
    let (answer, recorder) = ask(get, &[1, 2, 3]);
    assert_eq!(answer, [3, 2, 1]);
    assert_eq!(*recorder.asked.lock().unwrap(), ["get-many 4 [1, 2, 3]"]);
    let scan = "(call $scan (i32.const 1) (local.get $at) (i32.const 2) (i32.const 1)
        (i32.add (local.get $at) (i32.const 2)) (i32.const 1) (i32.const 10) (i32.const 1)
        (i32.const 2048))
      (call $answer (i32.load (i32.const 2048)) (i32.load (i32.const 2052)))";
    let (answer, recorder) = ask(scan, &[1, 2, 3]);
    assert_eq!(answer, b"entries");
    assert_eq!(*recorder.asked.lock().unwrap(), ["scan 1 [1, 2] Some([3]) 10 true"]);
}

#[test]
fn a_fault_of_the_environment_ends_the_call_as_itself() {
    let process = "(call $get (i32.const 9) (local.get $at) (local.get $length) (i32.const 2048))
      unreachable";
    let fault = call(&mut guest(&importing(process), &[]), b"x").unwrap_err();
    assert_eq!(fault.kind, FaultKind::UnknownTarget);
    assert_eq!(fault.message, "there is no store 9");
    assert!(fault.backtrace.is_some());
}

#[test]
fn configuration_secrets_and_metrics_reach_the_environment() {
    let process = "(call $config (i32.const 3000) (i32.const 5) (i32.const 2048))
      (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
      (call $config (i32.const 3001) (i32.const 4) (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then unreachable))
      (call $entries (i32.const 2048))
      (if (i32.ne (i32.load (i32.const 2052)) (i32.const 1)) (then unreachable))
      (call $add (i32.const 3000) (i32.const 5) (f64.const 2.5))
      (call $set (i32.const 3000) (i32.const 5) (f64.const -1))
      (call $secret (i32.const 3008) (i32.const 5) (i32.const 2048))
      (call $answer (i32.load (i32.const 2052)) (i32.load (i32.const 2056)))";
    let (answer, recorder) = ask(process, b"x");
    assert_eq!(answer, b"s3cret");
    assert_eq!(*recorder.asked.lock().unwrap(), ["add known 2.5", "set known -1"]);
}

#[test]
fn h56_a_log_flood_is_escaped_cut_and_counted() {
    let process = "(call $log (i32.const 2) (i32.const 3016) (i32.const 8))
      (loop $again
        (call $log (i32.const 4) (i32.const 0) (i32.const 100000))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 1000))))
      (call $answer (i32.const 0) (i32.const 0))";
    let (_, recorder) = ask(process, b"x");
    let lines = recorder.lines.lock().unwrap();
    assert_eq!(lines[0], (LogLevel::Info, r"a\u{1b}[31m\nb".into()));
    assert!(lines.iter().all(|(_, line)| line.len() <= 4096));
    let bytes: usize = lines.iter().map(|(_, line)| line.len()).sum();
    assert!(bytes <= 65 * 1024, "{bytes}");
    let (level, last) = lines.last().unwrap();
    assert_eq!(*level, LogLevel::Warn);
    assert!(last.contains("more log lines"), "{last}");
}

#[test]
fn h12_an_import_from_outside_the_contract_is_named_with_those_that_are_allowed() {
    for name in [
        "wasi:http/types@0.3.0",
        "wasi:keyvalue/store@0.2.0",
        "wasi:io/streams@0.2.0-rc-2023-11-10",
        "wasi_unstable",
        "env",
        "pelton:function/filesystem@0.1.0",
        "pelton:function/state@0.2.0",
    ] {
        let import = format!(r#"(import "{name}" "f" (func))"#);
        let text = module(&import, "", "(call $declare)", "unreachable");
        let error = load(&embed_wat(&text, "function"), &Limits::default()).err().unwrap();
        assert_eq!(error.code(), "E-MODULE-IMPORT");
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains("pelton:function/metrics@0.1.0"), "{error}");
    }
}

#[test]
fn h12_the_same_for_an_import_of_a_component() {
    for import in [r#"(import "wasi:cli/run@0.2.0" (instance))"#, r#"(import "f" (func))"#] {
        let wasm = wat::parse_str(format!("(component {import})")).unwrap();
        let error = load(&wasm, &Limits::default()).err().unwrap();
        assert_eq!(error.code(), "E-MODULE-IMPORT", "{error}");
    }
}

#[test]
fn an_ability_that_is_not_granted_is_refused_and_one_that_is_not_used_is_not_needed() {
    let wasm = importing("(call $answer (i32.const 0) (i32.const 0))");
    let all_but = |left_out| Grants::only(Ability::ALL.into_iter().filter(|a| *a != left_out));
    let with = |grants: &Grants| factory_with(&wasm, Limits::default(), grants, environment());
    // The module imports all six.
    for ability in Ability::ALL {
        let error = with(&all_but(ability)).err().unwrap();
        assert_eq!(error.code(), "E-MODULE-GRANT");
        assert!(error.to_string().contains(ability.name()), "{error}");
    }
    with(&Grants::default()).unwrap();
    let nothing = function("(call $answer (i32.const 0) (i32.const 0))");
    factory_with(&nothing, Limits::default(), &Grants::only([]), environment()).unwrap();
}

#[test]
fn an_import_with_another_type_is_refused() {
    let import = r#"(import "pelton:function/clock@0.1.0" "watermark" (func (result i32)))"#;
    let text = module(import, "", "(call $declare)", "unreachable");
    let error = load(&embed_wat(&text, "function"), &Limits::default()).err().unwrap();
    assert_eq!(error.code(), "E-MODULE-WORLD", "{error}");
}

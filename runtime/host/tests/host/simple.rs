//! The typed world `simple`.

use pelton_batch::{Batch, OpKind, RecordsBuilder};
use pelton_core::{FaultKind, GuestFactory};
use pelton_host::{WasmGuest, World};

use crate::support::*;

/// Answers each message twice: as it is with the timestamp left out, and without key and headers
/// one ms later. An empty value is a failure, one of one byte a failure worth a retry, one that
/// starts with `T` a trap.
const HANDLE: &str = r#"
  (func (export "handle") (param $has_key i32) (param $key i32) (param $key_length i32)
      (param $has_value i32) (param $value i32) (param $value_length i32)
      (param $has_time i32) (param $time i64) (param $headers i32) (param $header_count i32)
      (result i32)
    (if (i32.eqz (local.get $value_length)) (then (return (call $fail (i32.const 0)))))
    (if (i32.eq (local.get $value_length) (i32.const 1))
      (then (return (call $fail (i32.const 1)))))
    (if (i32.eq (i32.load8_u (local.get $value)) (i32.const 84)) (then unreachable))
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 96))
    (i32.store (i32.const 2048) (local.get $has_key))
    (i32.store (i32.const 2052) (local.get $key))
    (i32.store (i32.const 2056) (local.get $key_length))
    (i32.store (i32.const 2060) (local.get $has_value))
    (i32.store (i32.const 2064) (local.get $value))
    (i32.store (i32.const 2068) (local.get $value_length))
    (i32.store (i32.const 2088) (local.get $headers))
    (i32.store (i32.const 2092) (local.get $header_count))
    (i32.store (i32.const 2108) (local.get $has_value))
    (i32.store (i32.const 2112) (local.get $value))
    (i32.store (i32.const 2116) (local.get $value_length))
    (i32.store (i32.const 2120) (local.get $has_time))
    (i64.store (i32.const 2128) (i64.add (local.get $time) (i64.const 1)))
    (call $answer (i32.const 2048) (i32.const 2)))"#;

fn wasm() -> Vec<u8> {
    let text = module("", HANDLE, "unreachable", "unreachable");
    // The helpers are those of the other world; its exports are not.
    let text = text.replace(r#"(func (export "open")"#, "(func");
    embed_wat(&text.replace(r#"(func $process (export "process")"#, "(func $process"), "simple")
}

fn send(guest: &mut WasmGuest, values: &[&[u8]]) -> Result<Vec<u8>, pelton_core::Fault> {
    let mut records = RecordsBuilder::new();
    for (i, value) in values.iter().enumerate() {
        records.push(Some(b"key"), Some(value), 100 * i as i64);
        records.header("h", Some(b"1")).header("n", None);
    }
    call(guest, &records.finish())
}

#[test]
fn each_record_is_handled_and_the_answers_become_operations() {
    let factory = factory(&wasm(), &[]).unwrap();
    assert_eq!(factory.world(), World::Simple);
    assert_eq!(factory.declaration().outputs, ["out"]);
    let mut guest = block_on(factory.instance(environment())).unwrap();
    let answer = send(&mut guest, &[b"one", b"two"]).unwrap();
    let batch = Batch::parse(&answer).unwrap();
    batch.validate().unwrap();
    let operations = batch.operations().unwrap();
    assert_eq!(operations.len(), 4);
    let first = operations.get(2);
    assert_eq!((first.kind, first.cause, first.target), (OpKind::Emit, 1, 0));
    assert_eq!((first.key, first.value), (Some(&b"key"[..]), Some(&b"two"[..])));
    assert_eq!(first.timestamp, None);
    let headers: Vec<_> = operations.headers(2).map(|h| (h.name, h.value)).collect();
    assert_eq!(headers, [("h", Some(&b"1"[..])), ("n", None)]);
    let second = operations.get(3);
    assert_eq!((second.key, second.value), (None, Some(&b"two"[..])));
    assert_eq!(second.timestamp, Some(101));
    assert_eq!(operations.headers(3).count(), 0);
}

#[test]
fn a_failure_rejects_its_record_alone() {
    let mut guest = guest(&wasm(), &[]);
    let answer = send(&mut guest, &[b"one", b"", b"two"]).unwrap();
    let operations = Batch::parse(&answer).unwrap().operations().unwrap();
    let kinds: Vec<_> = operations.iter().map(|o| (o.kind, o.cause)).collect();
    let emit = |cause| (OpKind::Emit, cause);
    assert_eq!(kinds, [emit(0), emit(0), (OpKind::Reject, 1), emit(2), emit(2)]);
    assert_eq!(operations.get(2).value, Some(&b"`bad-input`: no good"[..]));
}

#[test]
fn a_failure_worth_a_retry_ends_the_call_and_a_trap_the_instance() {
    let mut guest = guest(&wasm(), &[]);
    let fault = send(&mut guest, &[b"one", b"r"]).unwrap_err();
    assert_eq!((fault.kind, fault.retryable), (FaultKind::Failure, true));
    send(&mut guest, &[b"one"]).unwrap();
    assert_eq!(send(&mut guest, &[b"T..."]).unwrap_err().kind, FaultKind::Trap);
    assert!(!guest.is_alive());
}

#[test]
fn h51_answers_of_all_records_count_against_the_limits_of_the_call() {
    // Each record answers twice its value, and once its key and headers.
    let record = 2 * 10 + 3 + 3;
    let values: Vec<&[u8]> = vec![b"0123456789"; 50];
    let mut whole = guest(&wasm(), &[("output_bytes", 1 << 20), ("output_records", 100)]);
    send(&mut whole, &values).unwrap();
    for change in [("output_bytes", 50 * record - 1), ("output_records", 99)] {
        let mut guest = guest(&wasm(), &[change]);
        let fault = send(&mut guest, &values).unwrap_err();
        assert_eq!(fault.kind, FaultKind::OutputSize);
        assert!(fault.message.contains(change.0), "{fault}");
    }
}

#[test]
fn a_batch_that_is_not_of_records_is_the_hosts_fault() {
    let keys = RecordsBuilder::new().finish_as(pelton_batch::Kind::Keys);
    for input in [&keys[..], b"rubbish"] {
        let fault = call(&mut guest(&wasm(), &[]), input).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Host);
    }
}

/// A function that answers this many messages, all with the value, 64 KiB of memory, of the first.
fn repeating(count: u32) -> Vec<u8> {
    let handle = format!(
        r#"(func (export "handle") (param i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
          (local $i i32)
          (drop (memory.grow (i32.const 1024)))
          (loop $again
            (i32.store offset=12 (i32.add (i32.const 131072) (i32.mul (local.get $i) (i32.const 48)))
              (i32.const 1))
            (i32.store offset=20 (i32.add (i32.const 131072) (i32.mul (local.get $i) (i32.const 48)))
              (i32.const 65536))
            (br_if $again (i32.lt_u
              (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))
          (call $answer (i32.const 131072) (i32.const {count})))"#
    );
    let text = module("", &handle, "unreachable", "unreachable");
    let text = text.replace(r#"(func (export "open")"#, "(func");
    embed_wat(&text.replace(r#"(func $process (export "process")"#, "(func $process"), "simple")
}

#[test]
fn h44_lists_that_share_their_bytes_are_charged_for_each_copy_before_it_is_made() {
    let limits = [("memory_bytes", 256 << 20), ("call_cpu_ms", 10_000)];
    let ask = |count| send(&mut guest(&repeating(count), &limits), &[b"x"]);
    let answer = ask(100).unwrap();
    assert!(answer.len() > 100 * 65_536, "the probe copies nothing");
    // 64 MiB to 16 GiB, by a guest that has 64 MiB.
    for count in [1_000, 250_000] {
        let fault = ask(count).unwrap_err();
        assert_eq!(fault.kind, FaultKind::OutputSize, "{count}: {fault}");
        assert!(fault.message.contains("output_bytes"), "{fault}");
    }
}

//! Guests that break off.

use pelton_core::{FaultKind, Guest};

use crate::support::*;

#[test]
fn h34_every_kind_of_trap_names_itself() {
    let cases = [
        ("unreachable", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.load (i32.const -8))", "out of bounds memory"),
        ("(call_indirect (result i32) (i32.const 0))", "uninitialized element"),
        ("(call_indirect (result i32) (i32.const 1))", "type mismatch"),
        ("(call_indirect (result i32) (i32.const 9))", "out of bounds table"),
        ("(i32.trunc_f32_s (f32.const nan))", "invalid conversion"),
    ];
    for (body, text) in cases {
        let fields = "(table 2 funcref) (elem (i32.const 1) $process)";
        let wasm = embed_wat(&module("", fields, "(call $declare)", body), "function");
        let mut guest = guest(&wasm, &[]);
        let fault = call(&mut guest, b"x").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
        assert!(fault.message.contains(text), "{fault}");
        assert!(!fault.retryable);
    }
}

#[test]
fn a_backtrace_names_the_functions() {
    let fields = "(func $my_helper (result i32) unreachable)";
    let wasm = module("", fields, "(call $declare)", "(call $my_helper)");
    let fault = call(&mut guest(&embed_wat(&wasm, "function"), &[]), b"x").unwrap_err();
    let backtrace = fault.backtrace.unwrap();
    assert!(backtrace.contains("my_helper"), "{backtrace}");
    assert!(backtrace.contains("process"), "{backtrace}");
}

#[test]
fn rust_names_in_a_backtrace_are_demangled() {
    let fields = "(func $_ZN5guest4deep17h0123456789abcdefE (result i32) unreachable)";
    let body = "(call $_ZN5guest4deep17h0123456789abcdefE)";
    let wasm = embed_wat(&module("", fields, "(call $declare)", body), "function");
    let backtrace = call(&mut guest(&wasm, &[]), b"x").unwrap_err().backtrace.unwrap();
    assert!(backtrace.contains("guest::deep"), "{backtrace}");
}

#[test]
fn h28_unbounded_recursion_overflows_the_guests_stack_and_not_the_hosts() {
    let fault = fault_of("(call $process (local.get $at) (local.get $length))", &[]);
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("stack exhausted"), "{fault}");
    assert!(fault.backtrace.unwrap().len() < 16 * 1024);
}

#[test]
fn a_dead_instance_answers_faults_and_its_neighbour_answers_calls() {
    let process = "(if (local.get $length) (then unreachable))
        (call $answer (i32.const 0) (i32.const 0))";
    let factory = factory(&function(process), &[]).unwrap();
    let mut bad = block_on(factory.instance(environment())).unwrap();
    let mut good = block_on(factory.instance(environment())).unwrap();
    assert_eq!(call(&mut bad, b"x").unwrap_err().kind, FaultKind::Trap);
    for _ in 0..2 {
        let fault = call(&mut bad, b"").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Host);
        assert!(fault.message.contains("fresh"), "{fault}");
        assert_eq!(block_on(bad.save(environment())).unwrap_err().kind, FaultKind::Host);
    }
    assert_eq!(bad.memory_bytes(), 0);
    call(&mut good, b"").unwrap();
}

/// A component cannot tell NaNs apart by how they came about: the bits are always the same.
#[test]
fn h35_nans_have_the_same_bits_however_they_come_about() {
    let process = r#"
      (f32.store (i32.const 2048) (f32.div (f32.const 0) (f32.const 0)))
      (f32.store (i32.const 2052) (f32.sqrt (f32.const -1)))
      (f32.store (i32.const 2056) (f32.add (f32.load (local.get $at)) (f32.const 1)))
      (f64.store (i32.const 2064) (f64.sub (f64.const inf) (f64.const inf)))
      (f64.store (i32.const 2072) (f64.mul (f64.promote_f32 (f32.load (local.get $at)))
        (f64.const 2)))
      (call $answer (i32.const 2048) (i32.const 32))"#;
    let mut guest = guest(&function(process), &[]);
    let canonical = call(&mut guest, &0x7fc0_0000u32.to_le_bytes()).unwrap();
    assert_eq!(canonical[..4], 0x7fc0_0000u32.to_le_bytes());
    assert_eq!(canonical[4..8], canonical[..4]);
    assert_eq!(canonical[16..24], 0x7ff8_0000_0000_0000u64.to_le_bytes());
    for payload in [0x7fa0_0001u32, 0xffff_ffff, 0x7f80_0001, 0xffc1_2345] {
        assert_eq!(call(&mut guest, &payload.to_le_bytes()).unwrap(), canonical);
    }
}

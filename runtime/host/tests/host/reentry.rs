//! Calls that come back to where they came from.

use pelton_core::{FaultKind, Guest};
use pelton_host::LoadError;

use crate::support::*;

/// A function whose allocator reads its configuration, which is given to it by the allocator.
fn recursive_allocator() -> Vec<u8> {
    let import =
        r#"(import "pelton:function/config@0.1.0" "get" (func $config (param i32 i32 i32)))"#;
    let process = "(call $config (i32.const 3000) (i32.const 5) (i32.const 2048))
      (call $answer (i32.const 0) (i32.const 0))";
    let fields = r#"(data (i32.const 3000) "known")"#;
    let text = module(import, fields, "(call $declare)", process);
    let start = "(local $at i32)\n    (local.set $at (call $alloc (local.get $size)))";
    assert!(text.contains(start));
    // The five bytes of the entry are what it answers with.
    let body = format!(
        "{start} (if (i32.eq (local.get $size) (i32.const 5))
           (then (call $config (i32.const 3000) (i32.const 5) (i32.const 2048))))"
    );
    embed_wat(&text.replace(start, &body), "function")
}

#[test]
fn h29_h45_an_allocator_that_calls_the_host_that_called_it_is_a_trap() {
    let mut guest = guest(&recursive_allocator(), &[]);
    let fault = call(&mut guest, b"x").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("leave"), "{fault}");
    assert!(!guest.is_alive());
}

#[test]
fn h29_recursion_with_a_host_call_at_each_step_overflows_the_guests_stack_only() {
    let import = r#"(import "pelton:function/random@0.1.0" "get"
        (func $random (param i32 i32) (result i64)))"#;
    let process = "(drop (call $random (i32.const 0) (i32.const 0)))
      (call $process (local.get $at) (local.get $length))";
    let wasm = embed_wat(&module(import, "", "(call $declare)", process), "function");
    let fault = call(&mut guest(&wasm, &[("call_cpu_ms", 5_000)]), b"x").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("stack exhausted"), "{fault}");
}

#[test]
fn h29_the_deepest_call_of_the_host_has_stack_enough() {
    // Down to where one more step would overflow, and a host call there that copies and allocates.
    let import =
        r#"(import "pelton:function/config@0.1.0" "get" (func $config (param i32 i32 i32)))"#;
    let fields = r#"(data (i32.const 3000) "known")
      (func $down (param $left i32)
        (if (local.get $left)
          (then (call $down (i32.sub (local.get $left) (i32.const 1))))
          (else (call $config (i32.const 3000) (i32.const 5) (i32.const 2048)))))"#;
    let process = "(call $down (i32.load (local.get $at)))
      (call $answer (i32.const 0) (i32.const 0))";
    let wasm = embed_wat(&module(import, fields, "(call $declare)", process), "function");
    let factory = factory(&wasm, &[("call_cpu_ms", 5_000)]).unwrap();
    let goes = |depth: u32| {
        let mut guest = block_on(factory.instance(environment())).unwrap();
        let called = block_on(guest.call(&depth.to_le_bytes(), environment()));
        called.map_err(|fault| assert!(fault.message.contains("stack"), "{fault}")).is_ok()
    };
    let (mut fits, mut overflows) = (0, 1 << 20);
    assert!(goes(fits) && !goes(overflows));
    while fits + 1 < overflows {
        let middle = (fits + overflows) / 2;
        *(if goes(middle) { &mut fits } else { &mut overflows }) = middle;
    }
    assert!(fits > 1_000, "{fits}");
}

/// The outer component calls one inside of it, which calls back into the outer one.
const BACK_AND_FORTH: &str = r#"(component
  (core module $outer
    (table (export "table") 1 funcref)
    (type $plain (func))
    (func (export "f") (call_indirect (type $plain) (i32.const 0))))
  (core instance $outer (instantiate $outer))
  (func $f (canon lift (core func $outer "f")))
  (component $inner
    (import "f" (func $f))
    (core func $lowered (canon lower (func $f)))
    (core module $m
      (import "" "f" (func $f))
      (func (export "g") (call $f)))
    (core instance $i (instantiate $m (with "" (instance (export "f" (func $lowered))))))
    (func (export "g") (canon lift (core func $i "g"))))
  (instance $inner (instantiate $inner (with "f" (func $f))))
  (core func $g (canon lower (func $inner "g")))
  (core module $begin
    (import "" "g" (func $g))
    (import "" "table" (table 1 funcref))
    (elem (i32.const 0) $g)
    (func $start (call $g))
    (start $start))
  (core instance (instantiate $begin (with "" (instance
    (export "g" (func $g))
    (export "table" (table $outer "table"))))))
  (func (export "handle") (canon lift (core func $outer "f"))))"#;

#[test]
fn h47_a_component_that_is_called_while_it_calls_is_a_trap() {
    let wasm = wat::parse_str(BACK_AND_FORTH).unwrap();
    let Err(LoadError::Fault(fault)) = factory(&wasm, &[]) else { panic!("it was opened") };
    assert_eq!(fault.kind, FaultKind::Open);
    assert!(fault.message.contains("enter"), "{fault}");
}

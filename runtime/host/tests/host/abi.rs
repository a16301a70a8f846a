//! Guests that break the calling convention, and answers at their limit.

use pelton_core::FaultKind;

use crate::support::*;

#[test]
fn h41_lists_outside_of_memory_are_a_trap() {
    for (at, length) in [(0, -1), (-16, 8), (-1, -1), (131_072, 1), (131_064, 16), (0, 131_073)] {
        let body = format!("(call $answer (i32.const {at}) (i32.const {length}))");
        let fault = fault_of(&body, &[]);
        assert!(
            matches!(fault.kind, FaultKind::Trap | FaultKind::OutputSize),
            "({at}, {length}): {fault}"
        );
    }
}

#[test]
fn h41_a_result_that_is_misaligned_or_out_of_memory_is_a_trap() {
    for at in ["1023", "-4", "131072", "131070"] {
        let fault = fault_of(&format!("(i32.const {at})"), &[]);
        assert_eq!(fault.kind, FaultKind::Trap, "{at}: {fault}");
    }
}

#[test]
fn h42_a_failure_whose_text_is_not_utf8_is_a_trap() {
    let body = "(i32.store8 (i32.const 50) (i32.const 255)) (call $fail (i32.const 0))";
    assert_eq!(fault_of(body, &[]).kind, FaultKind::Trap);
}

/// The allocator is called for the list that goes in.
fn with_allocator(body: &str) -> FaultKind {
    let text = module("", "", "(call $declare)", "(call $answer (i32.const 0) (i32.const 0))");
    let end = "(memory.copy (local.get $at) (local.get $old) (local.get $had))";
    assert!(text.contains(end));
    // Opening must go through, so that only calls with 99 bytes are treated so.
    let body = format!("(if (i32.eq (local.get $size) (i32.const 99)) (then {body})) {end}");
    let wasm = embed_wat(&text.replace(end, &body), "function");
    call(&mut guest(&wasm, &[("call_cpu_ms", 20)]), &[7; 99]).unwrap_err().kind
}

#[test]
fn h45_an_allocator_that_traps_loops_or_lies_is_a_fault_of_the_guest() {
    assert_eq!(with_allocator("unreachable"), FaultKind::Trap);
    assert_eq!(with_allocator("(return (i32.const -64))"), FaultKind::Trap);
    assert_eq!(with_allocator("(return (i32.const 131072))"), FaultKind::Trap);
    assert_eq!(with_allocator("(loop $for_ever (br $for_ever))"), FaultKind::Deadline);
    let grow = "(if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable))";
    assert_eq!(with_allocator(grow), FaultKind::Memory);
}

#[test]
fn h51_an_answer_is_taken_at_its_limit_and_refused_one_byte_past_it() {
    let fields = r#"(memory (export "memory") 64)"#;
    let process = "(call $answer (i32.const 0) (i32.load (local.get $at)))";
    let wasm = embed_wat(&module("", fields, "(call $declare)", process), "function");
    for limit in [100u32, 2 << 20] {
        let mut guest = guest(&wasm, &[("output_bytes", limit.into())]);
        assert_eq!(call(&mut guest, &limit.to_le_bytes()).unwrap().len(), limit as usize);
        let fault = call(&mut guest, &(limit + 1).to_le_bytes()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::OutputSize, "{fault}");
        assert!(fault.message.contains("output_bytes"), "{fault}");
        assert!(!guest.is_alive());
    }
}

#[test]
fn h50_a_trap_after_the_answer_was_given_is_a_trap() {
    let fields = r#"(func (export "cabi_post_process") (param i32) unreachable)"#;
    let process = "(call $answer (i32.const 0) (i32.const 8))";
    let wasm = embed_wat(&module("", fields, "(call $declare)", process), "function");
    let mut guest = guest(&wasm, &[]);
    assert_eq!(call(&mut guest, b"x").unwrap_err().kind, FaultKind::Trap);
    assert!(!guest.is_alive());
}

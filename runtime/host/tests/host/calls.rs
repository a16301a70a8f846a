//! Well-behaved functions.

use std::sync::Arc;

use pelton_core::{FaultKind, Guest, GuestFactory, Limits};
use pelton_host::{Grants, World};

use crate::support::*;

#[test]
fn an_answer_comes_back_byte_for_byte_from_one_call_after_the_other() {
    let mut guest = guest(&function("(call $answer (local.get $at) (local.get $length))"), &[]);
    for size in [0, 1, 7, 4096, 1 << 20, 3] {
        let input: Vec<u8> = (0..size).map(|i| i as u8).collect();
        assert_eq!(call(&mut guest, &input).unwrap(), input);
    }
    assert!(guest.is_alive());
}

#[test]
fn the_declaration_is_read_from_open() {
    let factory = factory(&stateful(), &[]).unwrap();
    assert_eq!(factory.world(), World::StatefulFunction);
    assert_eq!(factory.declaration().outputs, ["out"]);
    assert!(factory.declaration().saves);
    assert_eq!(factory.declaration().window, None);
}

#[test]
fn what_save_answered_restores_a_fresh_instance() {
    let factory = factory(&stateful(), &[]).unwrap();
    let mut first = block_on(factory.instantiate(environment())).unwrap();
    assert_eq!(block_on(first.save(environment())).unwrap(), None);
    for _ in 0..3 {
        block_on(first.call(b"", environment())).unwrap();
    }
    let saved = block_on(first.save(environment())).unwrap().unwrap();
    assert_eq!(saved, [3]);
    let mut second = block_on(factory.instantiate(environment())).unwrap();
    block_on(second.restore(&saved, environment())).unwrap();
    assert_eq!(block_on(second.call(b"", environment())).unwrap(), [4]);
}

#[test]
fn a_failure_is_the_functions_own_word_and_leaves_the_instance_alive() {
    let process = "(if (result i32) (local.get $length)
        (then (call $fail (i32.load8_u (local.get $at))))
        (else (call $answer (i32.const 0) (i32.const 0))))";
    let mut guest = guest(&function(process), &[]);
    for retryable in [false, true] {
        let fault = call(&mut guest, &[u8::from(retryable)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Failure);
        assert_eq!(fault.retryable, retryable);
        assert_eq!(fault.message, "`bad-input`: no good");
    }
    assert_eq!(call(&mut guest, b"").unwrap(), b"");
}

#[test]
fn the_environment_is_let_go_of_after_each_call() {
    let mut guest = guest(&function("(call $answer (i32.const 0) (i32.const 0))"), &[]);
    let environment = Arc::new(Recorder::default());
    block_on(guest.call(b"x", environment.clone())).unwrap();
    assert_eq!(Arc::strong_count(&environment), 1);
}

#[test]
fn instances_do_not_share_memory() {
    let factory = factory(&stateful(), &[]).unwrap();
    let mut first = block_on(factory.instance(environment())).unwrap();
    let mut second = block_on(factory.instance(environment())).unwrap();
    assert_eq!(call(&mut first, b"").unwrap(), [1]);
    assert_eq!(call(&mut second, b"").unwrap(), [1]);
    assert_eq!(call(&mut first, b"").unwrap(), [2]);
}

#[test]
fn a_component_runs_as_the_core_module_that_it_was_made_from() {
    let module = function("(call $answer (local.get $at) (local.get $length))");
    let (component, _) = pelton_host::prepare(&module, &Limits::default()).unwrap();
    assert_eq!(call(&mut guest(&component, &[]), b"same").unwrap(), b"same");
    let factory = factory_with(&component, Limits::default(), &Grants::only([]), environment());
    assert_eq!(factory.unwrap().world(), World::Function);
}

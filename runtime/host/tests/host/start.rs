//! Instantiation and `open`.

use pelton_core::{Coded, FaultKind, Guest, Limits};
use pelton_host::{EngineConfig, HostEngine, LoadError};

use crate::support::*;

const LOOP: &str = "(loop $for_ever (br $for_ever)) (i32.const 0)";
const EMPTY: &str = "(call $answer (i32.const 0) (i32.const 0))";

fn open_fault(text: &str, changes: &[(&str, u64)]) -> pelton_core::Fault {
    match factory(&embed_wat(text, "function"), changes).err().unwrap() {
        LoadError::Fault(fault) => fault,
        LoadError::Module(error) => panic!("{error}"),
    }
}

#[test]
fn h22_infinite_loop_in_start_or_in_open_is_stopped() {
    let start = "(func $spin (loop $for_ever (br $for_ever))) (start $spin)";
    for text in [module("", start, "(call $declare)", EMPTY), module("", "", LOOP, EMPTY)] {
        let fault = open_fault(&text, &[("open_cpu_ms", 20)]);
        assert_eq!(fault.kind, FaultKind::Deadline);
        assert!(fault.message.contains("open_cpu_ms"), "{fault}");
    }
}

#[test]
fn h23_a_trap_in_start_or_in_open_is_a_fault_of_opening() {
    let start = "(func $stop unreachable) (start $stop)";
    for text in [module("", start, "(call $declare)", EMPTY), module("", "", "unreachable", EMPTY)]
    {
        let fault = open_fault(&text, &[]);
        assert_eq!(fault.kind, FaultKind::Open);
        assert!(fault.message.contains("unreachable"), "{fault}");
        assert!(fault.backtrace.is_some());
    }
}

/// `open` as it is declared, with one field of the answer changed.
fn open_with(change: &str) -> pelton_core::Fault {
    open_fault(&module("", "", &format!("(call $declare) {change}"), EMPTY), &[])
}

/// The setting `size = "0"` of windows, of which there are none yet: their number is at 548.
const SIZE_0: &str = "
    (i32.store (i32.const 128) (i32.const 0x657a6973)) (i32.store8 (i32.const 136) (i32.const 48))
    (i32.store (i32.const 96) (i32.const 128)) (i32.store (i32.const 100) (i32.const 4))
    (i32.store (i32.const 104) (i32.const 136)) (i32.store (i32.const 108) (i32.const 1))
    (i32.store (i32.const 544) (i32.const 96))";

#[test]
fn what_open_declares_is_checked() {
    let contract = open_with("(i32.store (i32.const 516) (i32.const 7))");
    assert!(contract.message.contains("version 7") && contract.message.contains("1 to 1"));
    let twice = open_with(
        "(i32.store (i32.const 72) (i32.const 16)) (i32.store (i32.const 76) (i32.const 3))
         (i32.store (i32.const 524) (i32.const 2))",
    );
    assert!(twice.message.contains("declared twice"), "{twice}");
    let name = open_with("(i32.store8 (i32.const 16) (i32.const 47))");
    assert!(name.message.contains("not allowed"), "{name}");
    let window = open_with(&format!("{SIZE_0} (i32.store (i32.const 548) (i32.const 1))"));
    assert!(window.message.contains("window size is 0"), "{window}");
    let unknown = format!("{SIZE_0} (i32.store8 (i32.const 128) (i32.const 83))");
    let unknown = open_with(&format!("{unknown} (i32.store (i32.const 548) (i32.const 1))"));
    assert!(unknown.message.contains("`Size`: this host does not know it"), "{unknown}");
    for fault in [contract, twice, name, window, unknown] {
        assert_eq!(fault.kind, FaultKind::Open);
    }
}

#[test]
fn h43_a_variant_flag_or_boolean_out_of_range_is_refused() {
    for change in [
        // The kind of a store, the time of a timer.
        "(i32.store (i32.const 160) (i32.const 16)) (i32.store (i32.const 164) (i32.const 3))
         (i32.store8 (i32.const 168) (i32.const 2))
         (i32.store (i32.const 528) (i32.const 160)) (i32.store (i32.const 532) (i32.const 1))",
        "(i32.store (i32.const 160) (i32.const 16)) (i32.store (i32.const 164) (i32.const 3))
         (i32.store8 (i32.const 168) (i32.const 9))
         (i32.store (i32.const 536) (i32.const 160)) (i32.store (i32.const 540) (i32.const 1))",
        "(i32.store8 (i32.const 512) (i32.const 5))",
    ] {
        assert_eq!(open_with(change).kind, FaultKind::Open, "{change}");
    }
}

#[test]
fn a_failure_of_open_is_told_with_its_code() {
    let fault = open_fault(&module("", "", &failure_from_open(), EMPTY), &[]);
    assert_eq!(fault.kind, FaultKind::Open);
    assert!(fault.message.contains("`bad-input`: no good"), "{fault}");
    assert_eq!(LoadError::Fault(fault).code(), "E-GUEST-OPEN");
}

/// The failure stands where a declaration is aligned to: four bytes behind the discriminant.
fn failure_from_open() -> String {
    "(i32.store8 (i32.const 512) (i32.const 1))
     (i32.store (i32.const 516) (i32.const 32)) (i32.store (i32.const 520) (i32.const 9))
     (i32.store (i32.const 524) (i32.const 48)) (i32.store (i32.const 528) (i32.const 7))
     (i32.const 512)"
        .into()
}

#[test]
fn h25_a_full_pool_is_a_retryable_fault_and_a_free_slot_ends_it() {
    let config = EngineConfig { pooled_instances: 2, ..Default::default() };
    let engine = HostEngine::new(&config).unwrap();
    assert!(engine.pooled());
    let compiler =
        pelton_host::Compiler::new(engine.clone(), pelton_host::CompileMode::InProcess, None);
    let limits = Limits::default();
    let compiled = compiler.load(&Default::default(), &function(EMPTY), &limits).unwrap();
    let grants = Default::default();
    let made = pelton_host::WasmFactory::new(
        &engine,
        &compiled,
        Default::default(),
        &grants,
        limits,
        environment(),
    );
    let factory = block_on(made).unwrap();
    let first = block_on(factory.instance(environment())).unwrap();
    let mut second = block_on(factory.instance(environment())).unwrap();
    let fault = block_on(factory.instance(environment())).err().unwrap();
    assert_eq!((fault.kind, fault.retryable), (FaultKind::Host, true));
    drop(first);
    block_on(factory.instance(environment())).unwrap();
    block_on(second.call(b"", environment())).unwrap();
}

#[test]
fn without_a_pool_instances_are_made_on_demand() {
    let engine =
        HostEngine::new(&EngineConfig { pooled_instances: 0, ..Default::default() }).unwrap();
    assert!(!engine.pooled());
    assert_eq!(engine.compatibility(), crate::support::engine().compatibility());
}

#[test]
fn h24_a_start_function_may_call_its_host_but_not_for_ever() {
    let import = r#"(import "pelton:function/clock@0.1.0" "watermark"
        (func $watermark (result i64)))"#;
    let start = |body: &str| {
        let start = format!("(func $early {body}) (start $early)");
        module(import, &start, "(call $declare)", EMPTY)
    };
    let once = embed_wat(&start("(drop (call $watermark))"), "function");
    call(&mut guest(&once, &[]), b"").unwrap();
    let for_ever = start("(loop $for_ever (drop (call $watermark)) (br $for_ever))");
    let fault = open_fault(&for_ever, &[("open_cpu_ms", 20)]);
    assert_eq!(fault.kind, FaultKind::Deadline, "{fault}");
}

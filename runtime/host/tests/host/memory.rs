//! Memory and tables, and what is left in them.

use pelton_core::{Coded, FaultKind, Guest};
use pelton_host::LoadError;

use crate::support::*;

const MIB: u64 = 1 << 20;
const ANSWER: &str = "(call $answer (i32.const 0) (i32.const 0))";

/// Grows by `$length` pages' worth of calls: one page for each byte of input, then answers the
/// number of pages.
const GROW: &str = "(loop $again
    (if (i32.lt_u (local.get $i) (local.get $length)) (then
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (br $again))))
  (i32.store (i32.const 2048) (memory.size))
  (call $answer (i32.const 2048) (i32.const 4))";

#[test]
fn h30_memory_grows_to_its_limit_and_a_trap_past_it_counts_as_memory() {
    let mut guest = guest(&function(GROW), &[("memory_bytes", MIB)]);
    assert_eq!(call(&mut guest, &[0; 14]).unwrap(), 16u32.to_le_bytes());
    assert_eq!(guest.memory_bytes(), MIB);
    let fault = call(&mut guest, &[0; 1]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Memory);
    assert!(fault.message.contains("memory_bytes"), "{fault}");
    assert!(fault.message.contains(&(MIB + 65536).to_string()), "{fault}");
}

#[test]
fn h30_a_guest_that_copes_with_a_refusal_is_not_at_fault() {
    let process = "(drop (memory.grow (i32.const 60000)))
        (call $answer (i32.const 0) (i32.const 0))";
    let mut guest = guest(&function(process), &[]);
    for _ in 0..3 {
        call(&mut guest, b"x").unwrap();
    }
}

#[test]
fn a_refusal_in_one_call_does_not_colour_the_trap_of_the_next() {
    let process = "(if (local.get $length) (then (drop (memory.grow (i32.const 60000))))
          (else unreachable))
        (call $answer (i32.const 0) (i32.const 0))";
    let mut guest = guest(&function(process), &[]);
    call(&mut guest, b"x").unwrap();
    assert_eq!(call(&mut guest, b"").unwrap_err().kind, FaultKind::Trap);
}

#[test]
fn h19_h20_memories_of_all_modules_of_a_component_are_summed() {
    let one = "(module (memory 8))";
    // Two pages of the function's own and 8 for each module: 16 x 8 + 2 pages.
    let component = with_modules(&function("(call $answer (i32.const 0) (i32.const 0))"), one, 16);
    let pages = 130 * 65536;
    factory(&component, &[("memory_bytes", pages)]).unwrap();
    let Err(LoadError::Fault(fault)) = factory(&component, &[("memory_bytes", pages - 1)]) else {
        panic!("within the limit");
    };
    assert_eq!(fault.kind, FaultKind::Memory);
}

#[test]
fn h20_tables_of_all_modules_of_a_component_are_summed() {
    let one = "(module (table 100 funcref))";
    let component = with_modules(&function("(call $answer (i32.const 0) (i32.const 0))"), one, 10);
    factory(&component, &[("table_elements", 1_000)]).unwrap();
    let Err(LoadError::Fault(fault)) = factory(&component, &[("table_elements", 999)]) else {
        panic!("within the limit");
    };
    assert_eq!(fault.kind, FaultKind::Memory);
    assert!(fault.message.contains("table_elements"), "{fault}");
}

#[test]
fn h33_a_table_grows_to_its_limit_and_no_further() {
    let fields = "(table $t 10 funcref)";
    let process = "(if (i32.eq (table.grow $t (ref.null func) (local.get $length))
          (i32.const -1)) (then unreachable))
        (call $answer (i32.const 0) (i32.const 0))";
    let wasm = embed_wat(&module("", fields, "(call $declare)", process), "function");
    let mut guest = guest(&wasm, &[("table_elements", 20)]);
    call(&mut guest, &[0; 10]).unwrap();
    assert_eq!(call(&mut guest, &[0; 1]).unwrap_err().kind, FaultKind::Memory);
}

#[test]
fn h39_memory_of_a_dead_instance_is_all_zero_for_the_next() {
    // Answers how many bytes of its memory above the constants are not zero, then fills it.
    let process = "(local.set $i (i32.const 131072))
      (loop $again
        (if (i32.load8_u (local.get $i)) (then
          (local.set $j (i32.add (local.get $j) (i32.const 1)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 2097152))))
      (memory.fill (i32.const 131072) (i32.const 255) (i32.const 1966080))
      (if (local.get $length) (then unreachable))
      (i32.store (i32.const 2048) (local.get $j))
      (call $answer (i32.const 2048) (i32.const 4))";
    let fields = r#"(memory (export "memory") 32)"#;
    let wasm = embed_wat(&module("", fields, "(call $declare)", process), "function");
    let factory = factory(&wasm, &[]).unwrap();
    for round in 0..10 {
        let mut instance = block_on(factory.instance(environment())).unwrap();
        if round % 2 == 0 {
            assert_eq!(call(&mut instance, b"").unwrap(), 0u32.to_le_bytes(), "round {round}");
            let filled = call(&mut instance, b"").unwrap();
            assert_ne!(filled, 0u32.to_le_bytes(), "the probe finds nothing");
        } else {
            call(&mut instance, b"x").unwrap_err();
        }
    }
}

#[test]
fn h21_tables_are_made_at_their_limit_and_refused_past_it_up_to_the_whole_address_space() {
    let with = |tables: &str| embed_wat(&module("", tables, "(call $declare)", ANSWER), "function");
    let limit = 20_000;
    call(&mut guest(&with(&format!("(table {limit} funcref)")), &[]), b"").unwrap();
    for tables in [
        "(table 20001 funcref)",
        "(table 10000 funcref) (table 10001 funcref)",
        "(table 10000000 funcref)",
        "(table 4294967295 funcref)",
        // Their sum is more than an address can say.
        &"(table 4294967295 funcref)".repeat(100),
    ] {
        let Err(LoadError::Module(error)) = factory(&with(tables), &[]) else { panic!("{tables}") };
        assert_eq!(error.code(), "E-MODULE-LIMIT", "{error}");
        assert!(error.to_string().contains("table_elements"), "{error}");
    }
    // How large a table may become costs nothing; that it grows does.
    let grow = "(if (i32.ne (table.grow $t (ref.null func) (i32.const -2)) (i32.const -1))
        (then unreachable))";
    let fields = "(table $t 1 4294967295 funcref)";
    let process = format!("{grow} {ANSWER}");
    let wasm = embed_wat(&module("", fields, "(call $declare)", &process), "function");
    call(&mut guest(&wasm, &[]), b"").unwrap();
    // Elements that do not fit into their table.
    let wasm = with("(table 2 funcref) (elem (i32.const 2) $process)");
    let Err(LoadError::Fault(fault)) = factory(&wasm, &[]) else { panic!("it was opened") };
    assert_eq!(fault.kind, FaultKind::Open, "{fault}");
}

#[test]
fn h26_a_first_call_that_touches_60_mib_is_charged_for_it_and_others_have_their_turns() {
    // 16 MiB of data, and 44 MiB of nothing: one byte of each page is read and written.
    let fields = format!(
        r#"(memory (export "memory") 961) (data (i32.const 65536) "{}")"#,
        "d".repeat(16 << 20)
    );
    let process = "(local.set $i (i32.const 65536))
      (loop $again
        (local.set $j (i32.add (local.get $j) (i32.load8_u (local.get $i))))
        (i32.store8 (local.get $i) (i32.const 0))
        (local.set $i (i32.add (local.get $i) (i32.const 4096)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 62914560))))
      (i32.store (i32.const 2048) (local.get $j))
      (call $answer (i32.const 2048) (i32.const 4))";
    let text = module("", &fields, "(call $declare)", process);
    // The base's allocator begins behind the data.
    let text = text.replace("(mut i32) (i32.const 65536)", "(mut i32) (i32.const 62914560)");
    let wasm = embed_wat(&text, "function");
    let factory = factory(&wasm, &[("call_cpu_ms", 10_000)]).unwrap();
    let mut neighbour = guest(&function(ANSWER), &[]);
    for _ in 0..3 {
        let mut fresh = block_on(factory.instance(environment())).unwrap();
        let opening = fresh.stats().yields();
        let (answer, turns) = round_robin(fresh.call(b"", environment()), || {
            call(&mut neighbour, b"").unwrap();
        });
        let pages_of_data = (16 << 20) / 4096;
        assert_eq!(answer.unwrap(), (pages_of_data * u32::from(b'd')).to_le_bytes());
        // A turn ends at each tick that the page faults take.
        assert_eq!((fresh.stats().yields() - opening) as usize, turns);
        assert!(fresh.stats().call_cpu_ns() > 15_000 * 10, "page faults are not charged");
    }
}

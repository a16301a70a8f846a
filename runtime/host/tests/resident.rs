//! What hostile guests take of the machine's memory comes back. A process of its own, since the
//! memory of a process is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
#[path = "host/support/mod.rs"]
mod support;

use pelton_host::WasmFactory;
use support::*;

const MIB: u64 = 1 << 20;
/// How much more a process may hold after hostile guests are gone than before.
const KEPT_BYTES_MAX: u64 = 16 * MIB;

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

/// Grows to 60 MiB, and writes to each page of it.
const TOUCH: &str = "(drop (memory.grow (i32.sub (i32.const 960) (memory.size))))
  (local.set $i (i32.const 131072))
  (loop $again
    (i32.store8 (local.get $i) (i32.const 1))
    (local.set $i (i32.add (local.get $i) (i32.const 4096)))
    (br_if $again (i32.lt_u (local.get $i) (i32.const 62914560))))";

fn touching(end: &str) -> WasmFactory {
    let limits = [("call_cpu_ms", 10_000)];
    factory(&function(&format!("{TOUCH} {end}")), &limits).unwrap()
}

#[test]
fn h30_h31_pages_that_guests_touch_go_back_when_they_are_dropped_and_are_not_touched_twice() {
    let good = touching("(call $answer (i32.const 0) (i32.const 0))");
    let bad = touching("unreachable");
    // What is set up once (the pool, stacks, the code) is not what a guest takes.
    call(&mut block_on(good.instance(environment())).unwrap(), b"x").unwrap();
    let before = resident();
    for _ in 0..20 {
        let mut guest = block_on(good.instance(environment())).unwrap();
        call(&mut guest, b"x").unwrap();
        let first = resident();
        assert!(first > before + 50 * MIB, "the probe touches nothing: {before} {first}");
        for _ in 0..5 {
            call(&mut guest, b"x").unwrap();
        }
        let later = resident();
        assert!(later < first + KEPT_BYTES_MAX, "it grows with each call: {first} {later}");
        let mut trapping = block_on(bad.instance(environment())).unwrap();
        call(&mut trapping, b"x").unwrap_err();
        // The store of a guest that trapped is gone with its fault.
        let after = resident();
        assert!(after < later + KEPT_BYTES_MAX, "{later} {after}");
    }
    let after = resident();
    assert!(after < before + KEPT_BYTES_MAX, "{before} before, {after} after");
}

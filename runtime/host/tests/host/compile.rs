//! The compiler in its own process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pelton_core::{Coded, Limits, TenantId};
use pelton_host::{CompileCommand, CompileMode, Compiler};

use crate::support::*;

const EMPTY: &str = "(call $answer (i32.const 0) (i32.const 0))";

fn compiler() -> Compiler {
    Compiler::new(engine(), CompileMode::Child(compile_command()), None)
}

fn compile(wasm: &[u8], limits: &Limits) -> pelton_host::Result<pelton_host::Compiled> {
    compiler().load(&TenantId::default(), wasm, limits)
}

/// A module that is small and within every limit, and takes seconds to compile.
fn slow() -> Vec<u8> {
    let mut body = String::new();
    for i in 0..4_000 {
        body.push_str(&format!(
            "(if (i32.eq (local.get $i) (i32.const {i})) (then
               (local.set $j (i32.mul (local.get $j) (i32.add (local.get $i) (i32.const {i}))))
               (i32.store (local.get $j) (local.get $i))))"
        ));
    }
    let fields: String = (0..60)
        .map(|n| {
            format!(
                "(func $slow{n} (param $i i32) (result i32) (local $j i32) {body}
            (local.get $j))"
            )
        })
        .collect();
    embed_wat(&module("", &fields, "(call $declare)", EMPTY), "function")
}

#[test]
fn a_child_compiles_what_this_process_then_runs() {
    let echo = function("(call $answer (local.get $at) (local.get $length))");
    let compiled = compile(&echo, &Limits::default()).unwrap();
    assert!(!compiled.from_cache());
    assert_eq!(call(&mut open(&compiled), b"over there").unwrap(), b"over there");
}

#[test]
fn a_refusal_in_the_child_arrives_with_its_code() {
    let import = r#"(import "pelton:function/clock@0.1.0" "nope" (func))"#;
    let text = module(import, "", "(call $declare)", "unreachable");
    let error = compile(&embed_wat(&text, "function"), &Limits::default()).err().unwrap();
    assert_eq!(error.code(), "E-MODULE-WORLD");
    assert!(error.to_string().contains("nope"), "{error}");
}

#[test]
fn h05_a_compiler_is_killed_at_its_limit_of_wall_time() {
    let start = Instant::now();
    let error = compile(&slow(), &limits(&[("compile_wall_ms", 50)])).err().unwrap();
    assert_eq!(error.code(), "E-MODULE-COMPILE-LIMIT");
    assert!(error.to_string().contains("compile_wall_ms"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
    compile(&function(EMPTY), &Limits::default()).unwrap();
}

#[test]
fn h05_a_compiler_is_killed_at_its_limit_of_cpu_time() {
    let error = compile(&slow(), &limits(&[("compile_cpu_ms", 1_000)])).err().unwrap();
    assert_eq!(error.code(), "E-MODULE-COMPILE-LIMIT");
    assert!(error.to_string().contains("compile_cpu_ms"), "{error}");
}

#[test]
fn h05_a_compiler_gets_no_more_memory_than_its_limit() {
    // Too little to start, to read the module, to compile it.
    for mib in [1, 8, 20, 40, 64, 96] {
        let few = limits(&[("compile_memory_bytes", mib << 20)]);
        let error = compile(&slow(), &few).err().unwrap();
        assert_eq!(error.code(), "E-MODULE-COMPILE-LIMIT", "{mib} MiB: {error}");
        assert!(error.to_string().contains("compile_memory_bytes"), "{mib} MiB: {error}");
    }
}

#[test]
fn h10_deeply_nested_blocks_do_not_harm_the_host() {
    let depth = 200_000;
    let body = format!("{}{}", "block ".repeat(depth), "end ".repeat(depth));
    let fields = format!("(func {body})");
    let wasm = embed_wat(&module("", &fields, "(call $declare)", EMPTY), "function");
    let limits = limits(&[("compile_cpu_ms", 20_000)]);
    if let Err(error) = compile(&wasm, &limits) {
        assert!(error.code().starts_with("E-MODULE-"), "{error}");
    }
    compile(&function(EMPTY), &Limits::default()).unwrap();
}

#[test]
fn h16_one_tenant_compiles_one_at_a_time_while_another_goes_past() {
    let compiler = Arc::new(compiler());
    let (hostile, good) = (TenantId::new("hostile").unwrap(), TenantId::new("good").unwrap());
    let slow = Arc::new(slow());
    let start = Instant::now();
    let hogs: Vec<_> = (0..3)
        .map(|_| {
            let (compiler, slow, hostile) = (compiler.clone(), slow.clone(), hostile.clone());
            let limits = limits(&[("compile_wall_ms", 700)]);
            std::thread::spawn(move || compiler.load(&hostile, &slow, &limits).is_err())
        })
        .collect();
    compiler.load(&good, &function(EMPTY), &Limits::default()).unwrap();
    assert!(hogs.iter().any(|hog| !hog.is_finished()), "it waited for the other tenant");
    assert!(hogs.into_iter().all(|hog| hog.join().unwrap()));
    // One after the other, each to its limit.
    assert!(start.elapsed() >= Duration::from_millis(2_100));
}

#[test]
fn a_compiler_that_cannot_be_started_or_is_something_else_is_named() {
    let with = |program: &str| {
        let command = CompileCommand { program: program.into(), arguments: vec![] };
        let compiler = Compiler::new(engine(), CompileMode::Child(command), None);
        compiler.load(&TenantId::default(), &function(EMPTY), &Limits::default()).err().unwrap()
    };
    let missing = with("/nowhere/pelton");
    assert_eq!(missing.code(), "E-HOST-IO");
    assert!(missing.to_string().contains("/nowhere/pelton"), "{missing}");
    assert_eq!(with("/bin/false").code(), "E-MODULE-COMPILE");
    assert_eq!(with("/bin/true").code(), "E-MODULE-COMPILE");
}

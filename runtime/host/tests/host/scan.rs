//! What is refused before anything compiles it.

use pelton_core::{Coded, Limits};
use pelton_host::{Ability, Form, World, prepare, scan};

use crate::support::*;

const EMPTY: &str = "(call $answer (i32.const 0) (i32.const 0))";

fn refused(wasm: &[u8], changes: &[(&str, u64)]) -> (&'static str, String) {
    let error = scan(wasm, &limits(changes)).unwrap_err();
    (error.code(), error.to_string())
}

fn refused_text(text: &str) -> (&'static str, String) {
    refused(&wat::parse_str(text).unwrap(), &[])
}

#[test]
fn h01_what_is_not_wasm_or_of_another_version_is_refused() {
    for bytes in [&b""[..], b"\0as", b"hello world", b"#!/bin/sh", b"PK\x03\x04zip"] {
        assert_eq!(refused(bytes, &[]).0, "E-MODULE-FORMAT", "{bytes:?}");
    }
    let (code, text) = refused(b"\0asm\x02\0\0\0", &[]);
    assert_eq!(code, "E-MODULE-FORMAT");
    assert!(text.contains("02"), "{text}");
}

#[test]
fn h01_a_truncated_module_is_refused_at_every_length_that_cuts_off_more_than_notes() {
    let component = prepare(&function(EMPTY), &Limits::default()).unwrap().0.into_owned();
    for whole in [function(EMPTY), component] {
        let complete = scan(&whole, &Limits::default()).unwrap();
        for length in 0..whole.len() {
            // Custom sections at the end (names, producers) may be missing.
            if let Ok(report) = scan(&whole[..length], &Limits::default()) {
                assert_eq!(report.counts, complete.counts, "{length}");
            }
        }
    }
}

#[test]
fn h01_a_core_module_without_embedded_wit_is_told_what_it_lacks() {
    let (code, text) = refused_text(r#"(module (func (export "process")))"#);
    assert_eq!(code, "E-MODULE-WORLD");
    assert!(text.contains("embedded WIT"), "{text}");
}

#[test]
fn a_world_that_is_not_peltons_is_told_what_it_exports() {
    let wasm = wat::parse_str("(component)").unwrap();
    let (code, text) = refused(&wasm, &[]);
    assert_eq!(code, "E-MODULE-WORLD");
    assert!(text.contains("`process`") && text.contains("nothing"), "{text}");
    let half = embed_wat(
        &module("", r#"(func (export "save") (result i32) unreachable)"#, "unreachable", EMPTY),
        "stateful-function",
    );
    let (code, text) = refused(&half, &[]);
    assert_eq!(code, "E-MODULE-WORLD");
    assert!(text.contains("`restore`"), "{text}");
}

#[test]
fn h02_size_is_taken_at_its_limit_and_refused_one_byte_past_it() {
    let wasm = function(EMPTY);
    let size = wasm.len() as u64;
    scan(&wasm, &limits(&[("component_bytes", size)])).unwrap();
    let (code, text) = refused(&wasm, &[("component_bytes", size - 1)]);
    assert_eq!(code, "E-MODULE-LIMIT");
    assert!(text.contains("component_bytes") && text.contains(&size.to_string()), "{text}");
}

#[test]
fn h02_a_section_that_claims_a_gibibyte_is_refused() {
    for section in [0u8, 1, 10, 11] {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend([section, 0x80, 0x80, 0x80, 0x80, 0x04, 0, 0]);
        let (code, text) = refused(&wasm, &[]);
        assert!(matches!(code, "E-MODULE-FORMAT" | "E-MODULE-INVALID"), "{section}: {text}");
    }
}

#[test]
fn every_count_is_taken_at_its_limit_and_refused_at_one_more() {
    let imports = r#"(import "pelton:function/clock@0.1.0" "watermark" (func (result i64)))"#;
    let fields = "(table 7 funcref)
        (func (local i32 i32 i32) (local i64 i64) (drop (i32.const 1)))";
    let wasm = embed_wat(&module(imports, fields, "(call $declare)", EMPTY), "function");
    let report = scan(&wasm, &Limits::default()).unwrap();
    for used in report.limits {
        assert!(used.used > 0, "{}", used.name);
        scan(&wasm, &limits(&[(used.name, used.used)])).unwrap();
        if used.used > 1 {
            let (code, text) = refused(&wasm, &[(used.name, used.used - 1)]);
            assert_eq!(code, "E-MODULE-LIMIT");
            assert!(text.contains(used.name), "{text}");
        }
    }
}

#[test]
fn h03_h05_h06_floods_of_functions_bodies_and_locals_are_refused() {
    let functions = "(func)".repeat(50_001);
    let (code, text) = refused_text(&format!("(module {functions})"));
    assert_eq!((code, text.contains("component_functions")), ("E-MODULE-LIMIT", true), "{text}");
    let body = "(drop (i32.const 1))".repeat(400_000);
    let (code, text) = refused_text(&format!("(module (func {body}))"));
    assert_eq!((code, text.contains("function_body_bytes")), ("E-MODULE-LIMIT", true), "{text}");
    // One group of locals is two bytes long, however many it has.
    let locals = "i32 ".repeat(5_001);
    let (code, text) = refused_text(&format!("(module (func (local {locals})))"));
    assert_eq!((code, text.contains("function_locals")), ("E-MODULE-LIMIT", true), "{text}");
}

#[test]
fn h04_h08_floods_of_types_and_segments_are_refused() {
    let many = |one: &str, count: usize| refused_text(&format!("(module {})", one.repeat(count)));
    let (code, text) = many(r#"(export "" (func 0))"#, 1);
    assert_eq!(code, "E-MODULE-INVALID", "{text}");
    assert!(many("(type (func))", 100_001).1.contains("types"));
    assert!(many(r#"(data "")"#, 20_001).1.contains("data segments"));
    assert!(many("(elem func)", 20_001).1.contains("element segments"));
    assert!(many("(global i32 (i32.const 0))", 100_001).1.contains("globals"));
}

#[test]
fn h07_a_huge_br_table_is_bounded_by_the_body() {
    let targets = "0 ".repeat(1_100_000);
    let text = format!("(module (func (block (br_table {targets} (i32.const 0)))))");
    assert!(refused_text(&text).1.contains("function_body_bytes"));
}

#[test]
fn h09_nested_components_modules_and_instances_are_bounded() {
    let nested = |depth| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
    assert_eq!(refused_text(&nested(11)).0, "E-MODULE-WORLD");
    let (code, text) = refused_text(&nested(12));
    assert_eq!((code, text.contains("inside of one another")), ("E-MODULE-LIMIT", true), "{text}");
    let modules = "(core module)".repeat(201);
    assert!(refused_text(&format!("(component {modules})")).1.contains("modules"));
    let instances = "(core instance (instantiate 0))".repeat(1_001);
    let text = format!("(component (core module) {instances})");
    assert!(refused_text(&text).1.contains("instances"));
}

#[test]
fn h11_invalid_names_are_refused() {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    wasm.extend([0, 3, 2, 0xff, 0xfe]);
    assert_eq!(refused(&wasm, &[]).0, "E-MODULE-INVALID");
    let name = "n".repeat(100_001);
    let text = format!(r#"(module (func (export "{name}")))"#);
    assert_eq!(refused_text(&text).0, "E-MODULE-INVALID");
}

#[test]
fn h13_proposals_that_are_off_are_refused_by_name() {
    let cases = [
        ("threads", "(module (memory 1 1 shared))"),
        ("threads", "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"),
        ("memory64", "(module (memory i64 1))"),
        ("multi-memory", "(module (memory 1) (memory 1))"),
        ("exceptions", "(module (tag))"),
        ("gc", "(module (type (struct)))"),
        ("gc", "(module (table 1 externref))"),
        ("gc", "(module (func (param externref)))"),
        (
            "relaxed-simd",
            "(module (func (param v128) (result v128)
               (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
        ),
        ("custom-page-sizes", "(module (memory 1 (pagesize 1)))"),
        ("component-model-async", "(component (core func (canon task.cancel)))"),
        ("component-model-async", "(component (type (stream u8)))"),
    ];
    for (name, text) in cases {
        let (code, error) = refused_text(text);
        assert_eq!(code, "E-MODULE-PROPOSAL", "{text}: {error}");
        assert!(error.contains(&format!("`{name}`")), "{text}: {error}");
    }
}

#[test]
fn h15_compiled_code_is_refused_whatever_it_is_called() {
    assert_eq!(refused(&artefact(), &[]).0, "E-MODULE-PRECOMPILED");
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(refused(&program[..4096], &[]).0, "E-MODULE-PRECOMPILED");
}

/// What the compiler's own process answers.
fn artefact() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let cache = pelton_host::Cache::open(directory.path()).unwrap();
    let mode = pelton_host::CompileMode::InProcess;
    let compiler = pelton_host::Compiler::new(engine(), mode, Some(cache));
    compiler.load(&Default::default(), &function(EMPTY), &Limits::default()).unwrap();
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let artefact = paths.into_iter().find(|path| path.extension().is_some_and(|e| e == "artefact"));
    std::fs::read(artefact.unwrap()).unwrap()
}

#[test]
fn h19_a_memory_larger_than_its_limit_is_refused_before_it_is_compiled() {
    let (code, text) = refused_text("(module (memory 1025))");
    assert_eq!((code, text.contains("memory_bytes")), ("E-MODULE-LIMIT", true), "{text}");
    assert!(refused_text("(module (memory 65536))").1.contains("memory_bytes"));
    assert!(refused_text("(module (table 10000000 funcref))").1.contains("table_elements"));
}

#[test]
fn a_report_tells_form_world_abilities_and_sizes() {
    let import = r#"(import "pelton:function/log@0.1.0" "write" (func (param i32 i32 i32)))"#;
    let wasm = embed_wat(&module(import, "", "(call $declare)", EMPTY), "function");
    let (component, report) = prepare(&wasm, &Limits::default()).unwrap();
    assert_eq!((report.form, report.world), (Form::CoreModule, World::Function));
    assert_eq!(report.bytes, wasm.len() as u64);
    assert_eq!(report.abilities, [Ability::Log]);
    assert!(report.imports.contains(&"pelton:function/log@0.1.0".to_owned()));
    assert!(report.exports.contains(&"process".to_owned()));
    let again = scan(&component, &Limits::default()).unwrap();
    assert_eq!((again.form, again.world), (Form::Component, World::Function));
    assert_eq!(again.counts, report.counts);
}

#[test]
fn embedded_wit_that_is_rubbish_is_an_error_and_not_a_crash() {
    let plain = wat::parse_str(module("", "", "(call $declare)", EMPTY)).unwrap();
    for rubbish in [&b""[..], b"\0asm", &[0xff; 300], &function(EMPTY)] {
        let mut wasm = plain.clone();
        let name = b"component-type";
        let size = 1 + name.len() + rubbish.len();
        wasm.push(0);
        wasm.extend([
            (size & 0x7f) as u8 | 0x80,
            (size >> 7 & 0x7f) as u8 | 0x80,
            (size >> 14) as u8,
        ]);
        wasm.push(name.len() as u8);
        wasm.extend(name);
        wasm.extend(rubbish);
        let error = prepare(&wasm, &Limits::default()).err().unwrap();
        assert_eq!(error.code(), "E-MODULE-WORLD", "{error}");
    }
}

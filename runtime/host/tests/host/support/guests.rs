//! Guests as WebAssembly text, with the contract's WIT embedded as a toolchain would.

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Embeds a world of the contract into a core module.
pub(crate) fn embed(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let text = include_str!("../../../../../wit/pelton.wit");
    let package = resolve.push_str("pelton.wit", text).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    module
}

pub(crate) fn embed_wat(text: &str, world: &str) -> Vec<u8> {
    embed(wat::parse_str(text).unwrap(), world)
}

/// The interfaces of WASI that tests import by hand.
const WASI: &str = r#"
  package test:guest;
  world with-wasi {
    include pelton:function/function@0.1.0;
    import wasi:io/poll@0.2.6;
    import wasi:io/streams@0.2.6;
    import wasi:cli/stdin@0.2.6;
    import wasi:cli/stdout@0.2.6;
    import wasi:random/random@0.2.6;
  }
  package wasi:io@0.2.6 {
    interface error { resource error; }
    interface poll {
      resource pollable;
      poll: func(in: list<borrow<pollable>>) -> list<u32>;
    }
    interface streams {
      use error.{error};
      use poll.{pollable};
      variant stream-error { last-operation-failed(error), closed }
      resource input-stream;
      resource output-stream {
        subscribe: func() -> pollable;
        write: func(contents: list<u8>) -> result<_, stream-error>;
      }
    }
  }
  package wasi:cli@0.2.6 {
    interface stdin {
      use wasi:io/streams@0.2.6.{input-stream};
      get-stdin: func() -> input-stream;
    }
    interface stdout {
      use wasi:io/streams@0.2.6.{output-stream};
      get-stdout: func() -> output-stream;
    }
  }
  package wasi:random@0.2.6 {
    interface random { get-random-bytes: func(len: u64) -> list<u8>; }
  }"#;

/// Embeds the world `function` with imports of WASI.
pub(crate) fn embed_wasi(text: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let contract = include_str!("../../../../../wit/pelton.wit");
    resolve.push_str("pelton.wit", contract).unwrap();
    let package = resolve.push_str("wasi.wit", WASI).unwrap();
    let world = resolve.select_world(&[package], Some("with-wasi")).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    module
}

/// What every guest has: a memory, an allocator that only grows, an `open` that declares the
/// output `out`, and helpers to answer. Below 4,096 the memory is for constants and answers.
const BASE: &str = r#"
  (global $next (mut i32) (i32.const 65536))
  (func $alloc (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.add (i32.const 1)
        (i32.shr_u (local.get $size) (i32.const 16))))))
    (local.get $at))
  (func (export "cabi_realloc") (param $old i32) (param $had i32) (param i32) (param $size i32)
      (result i32)
    (local $at i32)
    (local.set $at (call $alloc (local.get $size)))
    (memory.copy (local.get $at) (local.get $old) (local.get $had))
    (local.get $at))
  ;; ok(list) at 1024
  (func $answer (param $at i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1028) (local.get $at))
    (i32.store (i32.const 1032) (local.get $length))
    (i32.const 1024))
  (data (i32.const 16) "out")
  (data (i32.const 32) "bad-input")
  (data (i32.const 48) "no good")
  ;; err(failure): code, message, retryable
  (func $fail (param $retryable i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1028) (i32.const 32))
    (i32.store (i32.const 1032) (i32.const 9))
    (i32.store (i32.const 1036) (i32.const 48))
    (i32.store (i32.const 1040) (i32.const 7))
    (i32.store8 (i32.const 1044) (local.get $retryable))
    (i32.const 1024))
  ;; ok(declaration): contract 1, outputs ["out"]
  (func $declare (result i32)
    (i64.store (i32.const 512) (i64.const 0))
    (i32.store (i32.const 64) (i32.const 16))
    (i32.store (i32.const 68) (i32.const 3))
    (i32.store (i32.const 516) (i32.const 1))
    (i32.store (i32.const 520) (i32.const 64))
    (i32.store (i32.const 524) (i32.const 1))
    (i32.const 512))
"#;

/// A module of the world `function`: imports and more fields, the body of `open`, that of
/// `process` (parameters `$at`, `$length`; locals `$i`, `$j`).
pub(crate) fn module(imports: &str, fields: &str, open: &str, process: &str) -> String {
    let memory = if fields.contains("(memory (") { "" } else { r#"(memory (export "memory") 2)"# };
    format!(
        r#"(module {imports} {memory} {BASE} {fields}
          (func (export "open") (param i32 i32 i32 i32 i32 i32 i32) (result i32) {open})
          (func $process (export "process") (param $at i32) (param $length i32) (result i32)
            (local $i i32) (local $j i32) {process}))"#
    )
}

/// A function with this body of `process`.
pub(crate) fn function(process: &str) -> Vec<u8> {
    embed_wat(&module("", "", "(call $declare)", process), "function")
}

/// A function that saves the number of its calls, as a byte.
pub(crate) fn stateful() -> Vec<u8> {
    let fields = r#"
      (global $calls (mut i32) (i32.const 0))
      (func (export "save") (result i32)
        (i32.store8 (i32.const 2048) (global.get $calls))
        (i32.store8 (i32.const 1024) (i32.const 0))
        (i32.store8 (i32.const 1028) (i32.ne (global.get $calls) (i32.const 0)))
        (i32.store (i32.const 1032) (i32.const 2048))
        (i32.store (i32.const 1036) (i32.const 1))
        (i32.const 1024))
      (func (export "restore") (param $at i32) (param $length i32) (result i32)
        (global.set $calls (i32.load8_u (local.get $at)))
        (i32.store8 (i32.const 1024) (i32.const 0))
        (i32.const 1024))"#;
    let process = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (i32.store8 (i32.const 2048) (global.get $calls))
      (call $answer (i32.const 2048) (i32.const 1))";
    embed_wat(&module("", fields, "(call $declare)", process), "stateful-function")
}

/// The component that a core module becomes, with more core modules in it that are instantiated
/// for themselves.
pub(crate) fn with_modules(function: &[u8], module: &str, count: u32) -> Vec<u8> {
    let (component, report) =
        pelton_host::prepare(function, &pelton_core::Limits::default()).unwrap();
    let mut component = component.into_owned();
    let before = report.counts.modules as u32;
    let module = wat::parse_str(module).unwrap();
    component.push(1);
    leb(module.len() as u32, &mut component);
    component.extend(module);
    let mut instances = Vec::new();
    leb(count, &mut instances);
    for _ in 0..count {
        instances.push(0);
        leb(before, &mut instances);
        instances.push(0);
    }
    component.push(2);
    leb(instances.len() as u32, &mut component);
    component.extend(instances);
    component
}

fn leb(mut number: u32, out: &mut Vec<u8>) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        out.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return;
        }
    }
}

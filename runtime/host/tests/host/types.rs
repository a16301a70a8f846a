//! Types that are small to write and huge to take apart.

use pelton_core::{Coded, Limits};

use crate::support::*;

/// A component whose export takes a list of the type `$t`.
fn component(types: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
          {types}
          (export $named "t" (type $t))
          (core module $m
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "handle") (param i32 i32)))
          (core instance $i (instantiate $m))
          (type $list (list $named))
          (func (export "handle") (param "x" $list)
            (canon lift (core func $i "handle")
              (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    ))
    .unwrap_or_else(|error| panic!("{error}"))
}

/// Types each made of the one before, the last of which is `$t`.
fn chain(depth: u32, next: impl Fn(&str) -> String) -> String {
    let mut out = "(type $t0 (tuple u8 u8))".to_owned();
    for n in 1..=depth {
        let name = if n == depth { "$t".into() } else { format!("$t{n}") };
        out.push_str(&format!("(type {name} {})", next(&format!("$t{}", n - 1))));
    }
    out
}

/// The code of the refusal of a component with these types, if it is refused.
fn refusal(types: &str) -> Option<&'static str> {
    load(&component(types), &Limits::default()).err().map(|error| error.code())
}

#[test]
fn h14_types_that_double_at_each_step_are_refused_before_they_are_taken_apart() {
    let double = |one: &str| format!("(tuple {one} {one})");
    assert_eq!(refusal(&chain(8, double)), None);
    // 2^60 fields in some 600 bytes.
    for depth in [25, 60, 1_000] {
        assert_eq!(refusal(&chain(depth, double)), Some("E-MODULE-INVALID"), "{depth}");
    }
}

#[test]
fn h04_h14_a_chain_of_types_is_refused_before_it_uses_up_the_stack() {
    for next in [
        |one: &str| format!("(list {one})"),
        |one: &str| format!("(option {one})"),
        |one: &str| format!("(result {one})"),
    ] {
        assert_eq!(refusal(&chain(20, next)), None);
        let code = refusal(&chain(5_000, next)).unwrap();
        assert!(code.starts_with("E-MODULE-"), "{code}");
        assert!(refusal(&chain(90_000, next)).is_some());
    }
}

#[test]
fn h14_a_variant_of_a_million_cases_is_refused() {
    let variant = |count: u32| {
        let cases: String = (0..count).map(|n| format!("(case \"c{n}\")")).collect();
        format!("(type $t (variant {cases}))")
    };
    assert_eq!(refusal(&variant(1_000)), None);
    assert_eq!(refusal(&variant(1_000_000)), Some("E-MODULE-INVALID"));
}

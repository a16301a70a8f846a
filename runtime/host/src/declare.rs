//! Whether what a function declares can be run: pure decisions, no wasm.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use pelton_core::window::WindowSpec;
use pelton_core::{Declaration, Limits};

/// Most stores, and most timers, of one function.
pub(crate) const DECLARED_MAX: usize = 64;
/// Longest name of an output, store or timer, bytes.
pub(crate) const NAME_BYTES_MAX: usize = 64;

/// Refuses a contract version that the host does not speak; the text names both.
pub(crate) fn check_contract(built: u32, host: &RangeInclusive<u32>) -> Result<(), String> {
    if host.contains(&built) {
        return Ok(());
    }
    let (oldest, newest) = (host.start(), host.end());
    let next = if built > *newest { "update Pelton" } else { "rebuild it with a current SDK" };
    Err(format!(
        "the function was built against version {built} of the contract; this host speaks \
         {oldest} to {newest}: {next}"
    ))
}

/// Refuses names that are not allowed or stand twice, too many of anything, and windows that make
/// no sense.
pub(crate) fn check(declaration: &Declaration, limits: &Limits) -> Result<(), String> {
    let Declaration { outputs, stores, timers, window, .. } = declaration;
    let topics = limits.output_topics.value as usize;
    names("output", outputs.iter(), topics)?;
    names("store", stores.iter().map(|store| &store.name), DECLARED_MAX)?;
    names("timer", timers.iter().map(|timer| &timer.name), DECLARED_MAX)?;
    window.as_ref().map_or(Ok(()), |window| check_window(window, outputs.len()))
}

fn check_window(window: &WindowSpec, outputs: usize) -> Result<(), String> {
    window.check()?;
    if window.grace_ms < 0 {
        return Err(format!("the grace is {} ms; it cannot be negative", window.grace_ms));
    }
    match window.late_output {
        Some(index) if usize::from(index) >= outputs => {
            Err(format!("late records go to output {index}, but only {outputs} are declared"))
        }
        _ => Ok(()),
    }
}

fn names<'a>(
    what: &str,
    names: impl ExactSizeIterator<Item = &'a String>,
    most: usize,
) -> Result<(), String> {
    if names.len() > most {
        return Err(format!("{} {what}s are declared; at most {most} are allowed", names.len()));
    }
    let mut seen = HashSet::new();
    for name in names {
        if !is_name(name) {
            let start: String = name.chars().take(NAME_BYTES_MAX).collect();
            return Err(format!(
                "{what} name {start:?} is not allowed: use [a-z][a-z0-9-]*, at most \
                 {NAME_BYTES_MAX} bytes"
            ));
        }
        if !seen.insert(name) {
            return Err(format!("{what} `{name}` is declared twice"));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_core::window::{Assigner, Shape};

    fn outputs(names: &[&str]) -> Declaration {
        Declaration { outputs: names.iter().map(|n| n.to_string()).collect(), ..Default::default() }
    }

    #[test]
    fn names_are_plain_and_stand_once() {
        let limits = Limits::default();
        check(&outputs(&["out", "out-2"]), &limits).unwrap();
        for bad in ["", "Out", "2out", "../../x", "__internal", "a b", &"a".repeat(65)] {
            let error = check(&outputs(&[bad]), &limits).unwrap_err();
            assert!(error.contains("output name"), "{error}");
        }
        assert!(check(&outputs(&["a", "a"]), &limits).unwrap_err().contains("twice"));
    }

    #[test]
    fn outputs_are_counted_at_their_limit_and_one_more() {
        let mut limits = Limits::default();
        limits.set("output_topics", 2).unwrap();
        check(&outputs(&["a", "b"]), &limits).unwrap();
        assert!(check(&outputs(&["a", "b", "c"]), &limits).unwrap_err().contains("at most 2"));
    }

    #[test]
    fn a_contract_of_another_version_names_both() {
        check_contract(2, &(1..=2)).unwrap();
        let newer = check_contract(3, &(1..=2)).unwrap_err();
        assert!(newer.contains("version 3") && newer.contains("1 to 2"), "{newer}");
        assert!(check_contract(0, &(1..=2)).unwrap_err().contains("rebuild"));
    }

    #[test]
    fn a_window_is_refused_whose_late_output_is_not_declared() {
        let tumbling = WindowSpec::new(Assigner::Tumbling { size_ms: 1 }, Shape::Contents);
        let window = |late_output| WindowSpec { late_output, ..tumbling.clone() };
        let with = |late| Declaration { window: Some(window(late)), ..outputs(&["a"]) };
        check(&with(Some(0)), &Limits::default()).unwrap();
        assert!(check(&with(Some(1)), &Limits::default()).is_err());
        let mut zero = with(None);
        zero.window.as_mut().unwrap().assigner = Assigner::Tumbling { size_ms: 0 };
        assert!(check(&zero, &Limits::default()).is_err());
    }
}

//! Dead letters: what a function could not get past, with the reason in its headers.

use pelton_batch::Header;
use pelton_core::{Fault, FaultKind};

use crate::call::Unit;
use crate::config::{OnPoison, TaskConfig};
use crate::outputs::{Outgoing, Outputs, Target};

/// Header values are cut to this many bytes.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// Sends `unit` to the dead letters, or drops it, as the policy says.
///
/// # Errors
/// The fault itself where the policy is to halt.
pub(crate) fn give_up(
    unit: &Unit<'_>,
    fault: &Fault,
    config: &TaskConfig,
    outputs: &mut Outputs,
) -> Result<(), Fault> {
    match &config.on_poison {
        OnPoison::Halt => Err(fault.clone()),
        OnPoison::Skip => Ok(()),
        OnPoison::DeadLetter(_) => send(unit, fault, config, outputs),
    }
}

fn cut(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn send(
    unit: &Unit<'_>,
    fault: &Fault,
    config: &TaskConfig,
    outputs: &mut Outputs,
) -> Result<(), Fault> {
    let mut texts = vec![
        ("pelton-code", fault.kind.code().to_string()),
        ("pelton-message", cut(&fault.message).to_string()),
        ("pelton-function", config.id.function.to_string()),
        ("pelton-deployment", config.deployment.to_string()),
        ("pelton-kind", unit.kind_name().to_string()),
    ];
    if let Some(backtrace) = &fault.backtrace {
        texts.push(("pelton-backtrace", cut(backtrace).to_string()));
    }
    match unit {
        Unit::Row { input, offset, .. } => {
            if let Some(input) = config.inputs.get(*input) {
                texts.push(("pelton-topic", input.partition.topic.to_string()));
                texts.push(("pelton-partition", input.partition.partition.to_string()));
            }
            texts.push(("pelton-offset", offset.to_string()));
        }
        Unit::Group { window, .. } => {
            texts.push(("pelton-window-start", window.start.to_string()));
            texts.push(("pelton-window-end", window.end.to_string()));
        }
        Unit::Timer(timer) => texts.push(("pelton-timer-due", timer.due.to_string())),
    }
    let more = texts.iter().map(|(name, text)| Header { name, value: Some(text.as_bytes()) });
    let partition = Some(outputs.dead_letter_partition());
    let record = Outgoing { partition, ..unit.outgoing() };
    let own = unit.headers();
    let sent = outputs.send(Target::DeadLetters, record, own.chain(more.clone()));
    match sent {
        // A record at the size limit has no room for the reason: it goes without its own headers,
        // and if need be without its value, but it goes.
        Err(fault) if fault.kind == FaultKind::OutputSize => {
            let empty = Outgoing { value: None, ..record };
            outputs
                .send(Target::DeadLetters, record, more.clone())
                .or_else(|_| outputs.send(Target::DeadLetters, empty, more))
        }
        sent => sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(TEXT_BYTES_MAX);
        assert_eq!(cut(&long).len(), TEXT_BYTES_MAX);
        let odd = format!("x{long}");
        assert_eq!(cut(&odd).len(), TEXT_BYTES_MAX - 1);
    }
}

//! What is said about windows and watermarks.

use pelton_core::manifest::duration_text;
use pelton_core::window::{Assigner, Window, WindowSpec};
use pelton_engine::{PaneSeen, Task};

use super::{InputExplained, TaskExplained, WINDOWS_MAX, WindowExplained};

/// A time for people.
pub(super) fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// The windows of a key: those that are kept, and of those that `at_ms` belongs to the ones that are not
/// kept too.
pub(super) fn windows(task: &Task, key: Option<&[u8]>, at_ms: Option<i64>) -> Vec<WindowExplained> {
    let Some(spec) = task.config().declaration.window.as_ref() else { return Vec::new() };
    let watermark = task.watermark();
    let kept = task.panes_of(key);
    let is_asked = |window: &Window| {
        at_ms.is_none_or(|at| window.start <= at && (at < window.end || window.end == i64::MAX))
    };
    let of_kept = kept.iter().filter(|pane| is_asked(&pane.window));
    let mut all: Vec<(Window, WindowExplained)> =
        of_kept.map(|pane| (pane.window, explain_kept(pane, spec, watermark))).collect();
    // Sessions and sliding windows are what comes of records: without any there is none to name.
    let named = at_ms.filter(|_| !spec.assigner.looks_by_key());
    for window in named.into_iter().flat_map(|at| spec.assigner.windows(at)) {
        if kept.iter().all(|pane| pane.window != window) {
            all.push((window, explain_missing(window, spec, watermark)));
        }
    }
    all.sort_by_key(|(window, _)| *window);
    all.into_iter().map(|(_, window)| window).take(WINDOWS_MAX).collect()
}

fn bounds(window: Window) -> (Option<i64>, Option<i64>) {
    let inner = |ms: i64| (ms > i64::MIN && ms < i64::MAX).then_some(ms);
    (inner(window.start), inner(window.end))
}

fn explain_kept(pane: &PaneSeen, spec: &WindowSpec, watermark: i64) -> WindowExplained {
    let (start_ms, end_ms) = bounds(pane.window);
    WindowExplained {
        start_ms,
        end_ms,
        records: pane.records,
        bytes: pane.bytes as u64,
        fired: pane.fired,
        pending: pane.pending,
        why: why_kept(pane, spec, watermark),
    }
}

fn explain_missing(window: Window, spec: &WindowSpec, watermark: i64) -> WindowExplained {
    let (start_ms, end_ms) = bounds(window);
    let why = if spec.is_over(&window, watermark) {
        let over = window.end.saturating_add(spec.grace_ms);
        format!(
            "over: the watermark has reached {}, and nothing is kept of it; what had come has been \
             told, what comes now is late",
            time(over)
        )
    } else {
        "open: nothing of the key has come for it".to_owned()
    };
    WindowExplained { start_ms, end_ms, records: 0, bytes: 0, fired: 0, pending: false, why }
}

fn why_kept(pane: &PaneSeen, spec: &WindowSpec, watermark: i64) -> String {
    let end = pane.window.end;
    let times = |fired: u32| match fired {
        1 => "once".to_owned(),
        fired => format!("{fired} times"),
    };
    if end == i64::MAX {
        let rule = match (spec.assigner, spec.early_records, &spec.marker) {
            (Assigner::Global, Some(records), _) => {
                format!("with every {records} records of a key")
            }
            (_, _, Some(marker)) => format!("with a record that has the header `{marker}`"),
            _ => "when the function says so".to_owned(),
        };
        return format!("it has no end: it fires {rule}; it has fired {}", times(pane.fired));
    }
    let over = time(end.saturating_add(spec.grace_ms));
    let late = if spec.grace_ms > 0 { "late records are still taken" } else { "it takes no more" };
    if !pane.pending {
        return format!(
            "it has fired {}; {late}, and it is gone when the watermark reaches {over}",
            times(pane.fired)
        );
    }
    if watermark >= end {
        return "it is due, and fires with the task's next step".to_owned();
    }
    let missing = match watermark {
        i64::MIN => "no record has told the time yet".to_owned(),
        _ => format!("{} of event time to come", duration_text(end.saturating_sub(watermark))),
    };
    let early = match pane.fired {
        0 => String::new(),
        fired => format!("; it has fired early {}", times(fired)),
    };
    format!("it fires when the watermark reaches {}: {missing}{early}", time(end))
}

/// What holds the watermark of a task back.
pub(super) fn held(task: &TaskExplained) -> String {
    if task.watermark_ms == Some(i64::MAX) {
        return "nothing: its inputs have ended".to_owned();
    }
    let Some(input) = task.inputs.iter().find(|input| input.holds) else {
        return "all its inputs are idle: it follows the function's other tasks".to_owned();
    };
    let name = place(input);
    if !input.producers.is_empty() {
        return held_by_producers(input, &name);
    }
    match (input.highest_ms, input.watermark_ms) {
        (None, _) => format!("{name} has had no record yet; it is waited for until it is idle"),
        (Some(highest), Some(watermark)) if highest > watermark => format!(
            "{name}: its newest record is of {}, and records may be {} behind that",
            time(highest),
            duration_text(highest - watermark)
        ),
        (Some(highest), _) => format!("{name}: its newest record is of {}", time(highest)),
    }
}

fn held_by_producers(input: &InputExplained, name: &str) -> String {
    let active = input.producers.iter().filter(|producer| !producer.idle);
    match active.min_by_key(|producer| producer.watermark_ms) {
        Some(slowest) => match slowest.watermark_ms {
            Some(ms) => {
                format!("{name}: {}, which writes there, has come to {}", slowest.task, time(ms))
            }
            None => {
                format!("{name}: {}, which writes there, has not told its time yet", slowest.task)
            }
        },
        None => format!("{name}: all that write there are idle"),
    }
}

/// `TOPIC:PARTITION`, without the tenant that is the function's own.
fn place(input: &InputExplained) -> String {
    let topic = input.topic.split_once('/').map_or(&*input.topic, |(_, topic)| topic);
    format!("{topic}:{}", input.partition)
}

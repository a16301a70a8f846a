//! From the table of a file to [`WindowSettings`].

use super::{SHAPES, WindowSettings};
use crate::manifest::keys;
use crate::manifest::problem::Problems;
use crate::manifest::section::Section;
use crate::window::{CalendarUnit, Zone};

/// Reads the table.
pub(in crate::manifest) fn read(top: &Section<'_>, problems: &mut Problems<'_>) -> WindowSettings {
    let Some(section) = top.table("window", &keys::WINDOW, problems) else {
        return WindowSettings::default();
    };
    let settings = WindowSettings {
        size_ms: section.duration("size", problems),
        advance_ms: section.duration("advance", problems),
        sliding_ms: section.duration("sliding", problems),
        gap_ms: section.duration("gap", problems),
        count: section.number("count", 1..=u32::MAX, problems),
        calendar: section.choice("calendar", &CalendarUnit::ALL, problems),
        time_zone: section.parsed("time_zone", Zone::named, problems),
        global: section.truth("global", problems),
        early_records: section.number("early_records", 1..=u32::MAX, problems),
        early_every_ms: section.duration("early_every", problems),
        early_delay_ms: section.duration("early_delay", problems),
        discard: section.truth("discard", problems),
        grace_ms: section.duration("grace", problems),
        marker: section.text("marker", problems).map(str::to_owned),
        shape: section.choice("shape", &SHAPES, problems),
        late_output: section.text("late_output", problems).map(str::to_owned),
    };
    let lengths = [
        ("size", settings.size_ms),
        ("sliding", settings.sliding_ms),
        ("gap", settings.gap_ms),
        ("advance", settings.advance_ms),
        ("early_every", settings.early_every_ms),
        ("early_delay", settings.early_delay_ms),
    ];
    for (key, value) in lengths {
        if value == Some(0) {
            section.wrong(key, "must be at least 1ms", problems);
        }
    }
    if settings.marker.as_deref() == Some("") {
        section.wrong("marker", "must be the name of a header", problems);
    }
    if let (Some(size), Some(advance)) = (settings.size_ms, settings.advance_ms)
        && advance > size
    {
        section.wrong("advance", "must not be longer than `size`", problems);
    }
    if let Some(text) = settings.contradiction() {
        section.wrong(settings.kinds().last().unwrap_or(&"advance"), text, problems);
    }
    settings
}

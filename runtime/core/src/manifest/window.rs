//! `[window]`: the windows in force.

use std::mem::discriminant;

use super::keys;
use super::problem::Problems;
use super::section::Section;
use super::units::parse_duration_ms;
use crate::error::{Domain, Error, Result};
use crate::window::{Assigner, Shape, WindowSpec};

const SHAPES: [(&str, Shape); 2] =
    [("contents", Shape::Contents), ("incremental", Shape::Incremental)];

/// `[window]`: what replaces parts of the window that the function declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WindowSettings {
    /// Length of a window, ms.
    pub size_ms: Option<i64>,
    /// Longest time without a record within a session, ms: makes the windows sessions.
    pub gap_ms: Option<i64>,
    /// Records of a key that make a window, whenever they come.
    pub count: Option<u32>,
    /// Whether all records of a key are in one window, which never ends by itself.
    pub global: Option<bool>,
    /// After how many records of a key a window fires early, each time.
    pub early_records: Option<u32>,
    /// Whether a window that has fired begins anew.
    pub discard: Option<bool>,
    /// Distance of window starts, ms; absent: the declared one, or the size.
    pub advance_ms: Option<i64>,
    /// How long after its end a window takes late records, ms.
    pub grace_ms: Option<i64>,
    /// What the function is called with.
    pub shape: Option<Shape>,
    /// The declared output that gets the records that are later than that.
    pub late_output: Option<String>,
}

impl WindowSettings {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The windows that a function declares, by settings of the same names and forms; none without any.
    /// `outputs` are the names of its outputs.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn declared<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
        outputs: &[String],
    ) -> std::result::Result<Option<WindowSpec>, String> {
        let mut all = Self::default();
        for (name, value) in settings {
            all.set(name, value).map_err(|text| format!("windows, `{name}`: {text}"))?;
        }
        all.apply(None, outputs).map_err(|error| error.to_string())
    }

    fn set(&mut self, name: &str, value: &str) -> std::result::Result<(), String> {
        let duration = || parse_duration_ms(value).map(Some);
        match name {
            "size" => self.size_ms = duration()?,
            "gap" => self.gap_ms = duration()?,
            "advance" => self.advance_ms = duration()?,
            "grace" => self.grace_ms = duration()?,
            "shape" => {
                let found = SHAPES.iter().find(|(word, _)| *word == value);
                self.shape = Some(found.ok_or(format!("{value:?} is no shape"))?.1);
            }
            "late_output" => self.late_output = Some(value.to_owned()),
            "count" => self.count = Some(number(value)?),
            "early_records" => self.early_records = Some(number(value)?),
            "global" => self.global = Some(truth(value)?),
            "discard" => self.discard = Some(truth(value)?),
            _ => {
                let known = keys::WINDOW.join(", ");
                return Err(format!("this host does not know it; it knows: {known}"));
            }
        }
        Ok(())
    }

    /// The window in force: `declared` by the function, replaced where there is a setting.
    /// `outputs` are the names of the declared outputs.
    ///
    /// # Errors
    /// `E-MANIFEST-WINDOW` where no size is known, the settings make no sense, or the late output
    /// is not declared.
    pub fn apply(
        &self,
        declared: Option<&WindowSpec>,
        outputs: &[String],
    ) -> Result<Option<WindowSpec>> {
        if self.is_empty() {
            return Ok(declared.cloned());
        }
        let wrong = |text: String| Error::new("E-MANIFEST-WINDOW", Domain::User, text);
        let assigner = self.assigner(declared).map_err(wrong)?;
        assigner.check().map_err(wrong)?;
        let late_output = match &self.late_output {
            None => declared.and_then(|spec| spec.late_output),
            Some(name) => Some(index_of(outputs, name).ok_or_else(|| {
                wrong(format!(
                    "late_output `{name}`: the function declares no such output; it declares: {}",
                    outputs.join(", ")
                ))
            })?),
        };
        let same_kind =
            |spec: &&WindowSpec| discriminant(&spec.assigner) == discriminant(&assigner);
        let like = declared.filter(same_kind);
        let (early_records, discard) = match self.count {
            Some(count) => (Some(u64::from(count)), true),
            None => (
                self.early_records.map(u64::from).or(like.and_then(|spec| spec.early_records)),
                self.discard.unwrap_or(like.is_some_and(|spec| spec.discard)),
            ),
        };
        Ok(Some(WindowSpec {
            assigner,
            shape: self.shape.or(declared.map(|spec| spec.shape)).unwrap_or(Shape::Contents),
            grace_ms: self.grace_ms.or(declared.map(|spec| spec.grace_ms)).unwrap_or(0),
            late_output,
            early_records,
            discard,
        }))
    }

    /// The settings that say which kind of windows it is to be.
    fn kinds(&self) -> Vec<&'static str> {
        let set = [
            ("size", self.size_ms.is_some()),
            ("gap", self.gap_ms.is_some()),
            ("count", self.count.is_some()),
            ("global", self.global == Some(true)),
        ];
        set.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect()
    }

    /// What cannot be set together.
    fn contradiction(&self) -> Option<String> {
        if let [one, other, ..] = self.kinds()[..] {
            return Some(format!(
                "`{one}` and `{other}` make windows of different kinds: set one of size, gap, count \
                 and global"
            ));
        }
        if let ([kind @ ("gap" | "count" | "global")], Some(_)) =
            (&self.kinds()[..], self.advance_ms)
        {
            return Some(format!("`{kind}` makes windows that have no `advance`"));
        }
        if self.count.is_some() && (self.early_records.is_some() || self.discard.is_some()) {
            let text = "windows of `count` records fire and begin anew with each of them: leave \
                        `early_records` and `discard` out";
            return Some(text.to_owned());
        }
        None
    }

    /// Which windows a record belongs to.
    fn assigner(&self, declared: Option<&WindowSpec>) -> std::result::Result<Assigner, String> {
        if let Some(text) = self.contradiction() {
            return Err(text);
        }
        if self.count.is_some() || self.global == Some(true) {
            return Ok(Assigner::Global);
        }
        if let Some(gap_ms) = self.gap_ms {
            let incremental = |spec: &&WindowSpec| spec.shape == Shape::Incremental;
            if declared.filter(incremental).is_some_and(|spec| !spec.assigner.merges()) {
                let text = "`gap` makes sessions, but the function builds windows up that are never \
                            merged: declare sessions in its code, where it says how two become one";
                return Err(text.to_owned());
            }
            return Ok(Assigner::Session { gap_ms });
        }
        let (size, advance) = match declared.map(|spec| spec.assigner) {
            Some(Assigner::Tumbling { size_ms }) => (Some(size_ms), None),
            Some(Assigner::Hopping { size_ms, advance_ms }) => (Some(size_ms), Some(advance_ms)),
            Some(other) if self.size_ms.is_none() => {
                let text = "the function's windows have no `advance`: set `size` as well for windows \
                            that overlap";
                return self.advance_ms.map_or(Ok(other), |_| Err(text.to_owned()));
            }
            Some(Assigner::Session { .. } | Assigner::Global) | None => (None, None),
        };
        let size_ms = self.size_ms.or(size).ok_or(
            "the window has no size: set `size` in [window], or `--window 1h`; or `gap`, `count` or \
             `global`",
        )?;
        // A new size alone makes declared tumbling windows; declared hops keep their advance.
        Ok(match self.advance_ms.or(advance) {
            Some(advance_ms) if advance_ms != size_ms => Assigner::Hopping { size_ms, advance_ms },
            _ => Assigner::Tumbling { size_ms },
        })
    }
}

fn number(value: &str) -> std::result::Result<u32, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{value:?} is not a whole number from 1 to {}", u32::MAX))
}

fn truth(value: &str) -> std::result::Result<bool, String> {
    value.parse().map_err(|_| format!("{value:?} is neither true nor false"))
}

fn index_of(names: &[String], name: &str) -> Option<u16> {
    let index = names.iter().position(|known| known == name)?;
    u16::try_from(index).ok()
}

/// Reads the table.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems<'_>) -> WindowSettings {
    let Some(section) = top.table("window", &keys::WINDOW, problems) else {
        return WindowSettings::default();
    };
    let settings = WindowSettings {
        size_ms: section.duration("size", problems),
        gap_ms: section.duration("gap", problems),
        count: section.number("count", 1..=u32::MAX, problems),
        global: section.truth("global", problems),
        early_records: section.number("early_records", 1..=u32::MAX, problems),
        discard: section.truth("discard", problems),
        advance_ms: section.duration("advance", problems),
        grace_ms: section.duration("grace", problems),
        shape: section.choice("shape", &SHAPES, problems),
        late_output: section.text("late_output", problems).map(str::to_owned),
    };
    let lengths =
        [("size", settings.size_ms), ("gap", settings.gap_ms), ("advance", settings.advance_ms)];
    for (key, value) in lengths {
        if value == Some(0) {
            section.wrong(key, "must be at least 1ms", problems);
        }
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

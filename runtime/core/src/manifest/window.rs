//! `[window]`: the windows in force.

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
        Ok(Some(WindowSpec {
            assigner,
            shape: self.shape.or(declared.map(|spec| spec.shape)).unwrap_or(Shape::Contents),
            grace_ms: self.grace_ms.or(declared.map(|spec| spec.grace_ms)).unwrap_or(0),
            late_output,
        }))
    }

    /// Which windows a record belongs to.
    fn assigner(&self, declared: Option<&WindowSpec>) -> std::result::Result<Assigner, String> {
        if let Some(gap_ms) = self.gap_ms {
            if self.size_ms.is_some() || self.advance_ms.is_some() {
                return Err(
                    "`gap` makes sessions, which have no `size` and no `advance`: set one or \
                            the other"
                        .into(),
                );
            }
            let incremental = |spec: &&WindowSpec| spec.shape == Shape::Incremental;
            if declared.filter(incremental).is_some_and(|spec| !spec.assigner.merges()) {
                return Err(
                    "`gap` makes sessions, but the function builds windows up that are never \
                            merged: declare sessions in its code, where it says how two become one"
                        .into(),
                );
            }
            return Ok(Assigner::Session { gap_ms });
        }
        let (size, advance) = match declared.map(|spec| spec.assigner) {
            Some(Assigner::Tumbling { size_ms }) => (Some(size_ms), None),
            Some(Assigner::Hopping { size_ms, advance_ms }) => (Some(size_ms), Some(advance_ms)),
            Some(session @ Assigner::Session { .. }) if self.size_ms.is_none() => {
                return match self.advance_ms {
                    None => Ok(session),
                    Some(_) => {
                        Err("sessions have no `advance`: set `size` as well for windows that \
                                    overlap"
                            .into())
                    }
                };
            }
            Some(Assigner::Session { .. }) | None => (None, None),
        };
        let size_ms = self.size_ms.or(size).ok_or(
            "the window has no size: set `size` in [window], or `--window 1h`; or `gap` for sessions",
        )?;
        // A new size alone makes declared tumbling windows; declared hops keep their advance.
        Ok(match self.advance_ms.or(advance) {
            Some(advance_ms) if advance_ms != size_ms => Assigner::Hopping { size_ms, advance_ms },
            _ => Assigner::Tumbling { size_ms },
        })
    }
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
    if settings.gap_ms.is_some() && (settings.size_ms.is_some() || settings.advance_ms.is_some()) {
        section.wrong("gap", "makes sessions, which have no `size` and no `advance`", problems);
    }
    settings
}

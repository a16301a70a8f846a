//! `[window]`: the windows in force.

mod kind;
mod read;

pub(super) use read::read;

use std::mem::discriminant;

use super::keys;
use super::units::parse_duration_ms;
use crate::error::{Domain, Error, Result};
use crate::time::GUEST_TIME;
use crate::window::{CalendarUnit, Shape, WindowSpec, Zone};

const SHAPES: [(&str, Shape); 2] =
    [("contents", Shape::Contents), ("incremental", Shape::Incremental)];

/// `[window]`: what replaces parts of the window that the function declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WindowSettings {
    /// Length of a window, ms.
    pub size_ms: Option<i64>,
    /// Distance of window starts, ms; absent: the declared one, or the size.
    pub advance_ms: Option<i64>,
    /// Length of windows that slide, ms: one for each distinct set of records within it.
    pub sliding_ms: Option<i64>,
    /// Longest time without a record within a session, ms: makes the windows sessions.
    pub gap_ms: Option<i64>,
    /// Records of a key that make a window, whenever they come.
    pub count: Option<u32>,
    /// The part of the calendar that a window is.
    pub calendar: Option<CalendarUnit>,
    /// Whose calendar; absent: the declared one, or UTC.
    pub time_zone: Option<Zone>,
    /// Whether all records of a key are in one window, which never ends by itself.
    pub global: Option<bool>,
    /// After how many records of a key a window fires early, each time.
    pub early_records: Option<u32>,
    /// After how much event time windows fire early, each time, ms.
    pub early_every_ms: Option<i64>,
    /// How long by the clock what has come to a window waits until it fires early, ms.
    pub early_delay_ms: Option<i64>,
    /// Whether a window that has fired begins anew.
    pub discard: Option<bool>,
    /// How long after its end a window takes late records, ms.
    pub grace_ms: Option<i64>,
    /// The header by which a record says that everything before it has come.
    pub marker: Option<String>,
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
        for (name, value) in settings.into_iter().filter(|(name, _)| *name != "event_time") {
            all.set(name, value).map_err(|text| format!("windows, `{name}`: {text}"))?;
        }
        all.apply(None, outputs).map_err(|error| error.to_string())
    }

    /// Whether a function's settings say that it tells the event time of records: `event_time` stands
    /// among those of its windows, and is no setting of theirs.
    ///
    /// # Errors
    /// A sentence, where it stands there otherwise.
    pub fn tells_time<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> std::result::Result<bool, String> {
        let mut told = settings.into_iter().filter(|(name, _)| *name == "event_time");
        match told.next() {
            None => Ok(false),
            Some((_, GUEST_TIME)) => Ok(true),
            Some((_, other)) => Err(format!("`event_time`: {other:?} is not {GUEST_TIME:?}")),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> std::result::Result<(), String> {
        let duration = || parse_duration_ms(value).map(Some);
        match name {
            "size" => self.size_ms = duration()?,
            "sliding" => self.sliding_ms = duration()?,
            "gap" => self.gap_ms = duration()?,
            "advance" => self.advance_ms = duration()?,
            "grace" => self.grace_ms = duration()?,
            "shape" => self.shape = Some(word(value, &SHAPES)?),
            "late_output" => self.late_output = Some(value.to_owned()),
            "count" => self.count = Some(number(value)?),
            "calendar" => self.calendar = Some(word(value, &CalendarUnit::ALL)?),
            "time_zone" => self.time_zone = Some(Zone::named(value)?),
            "early_records" => self.early_records = Some(number(value)?),
            "early_every" => self.early_every_ms = duration()?,
            "early_delay" => self.early_delay_ms = duration()?,
            "global" => self.global = Some(truth(value)?),
            "discard" => self.discard = Some(truth(value)?),
            "marker" => self.marker = Some(value.to_owned()),
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
        let shape = self.shape.or(declared.map(|spec| spec.shape)).unwrap_or(Shape::Contents);
        let same_kind =
            |spec: &&WindowSpec| discriminant(&spec.assigner) == discriminant(&assigner);
        let like = declared.filter(same_kind);
        let mut spec = WindowSpec {
            grace_ms: self.grace_ms.or(declared.map(|spec| spec.grace_ms)).unwrap_or(0),
            late_output: declared.and_then(|spec| spec.late_output),
            early_records: self.early_records.map(u64::from),
            early_every_ms: self.early_every_ms.or(like.and_then(|spec| spec.early_every_ms)),
            early_delay_ms: self.early_delay_ms.or(like.and_then(|spec| spec.early_delay_ms)),
            discard: self.discard.unwrap_or(like.is_some_and(|spec| spec.discard)),
            marker: self.marker.clone().or(declared.and_then(|spec| spec.marker.clone())),
            ..WindowSpec::new(assigner, shape)
        };
        match self.count {
            Some(count) => (spec.early_records, spec.discard) = (Some(u64::from(count)), true),
            None => spec.early_records = spec.early_records.or(like.and_then(|s| s.early_records)),
        }
        if let Some(name) = &self.late_output {
            let known = || outputs.join(", ");
            spec.late_output = Some(index_of(outputs, name).ok_or_else(|| {
                wrong(format!(
                    "late_output `{name}`: the function declares no such output; it declares: {}",
                    known()
                ))
            })?);
        }
        spec.check().map_err(wrong)?;
        Ok(Some(spec))
    }
}

fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> std::result::Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == value).map(|(_, meant)| *meant);
    let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("{value:?} is not one of {}", all()))
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

//! What `pelton up` is made of: its settings and the signals that end it.

mod export;
mod file;
mod follow;
mod settings;
mod signals;

pub(crate) use export::export;
pub(crate) use follow::{follow, prepared};
pub(crate) use settings::{PORT, Settings, SettingsArgs};
pub(crate) use signals::signals;

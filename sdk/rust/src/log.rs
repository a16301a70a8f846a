//! Lines for the function's log: [`crate::trace!`], [`crate::debug!`], [`crate::info!`],
//! [`crate::warn!`], [`crate::error!`].

use crate::host;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Finest detail.
    Trace,
    /// For whoever debugs the function.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// Writes a line. Past the host's limits it is cut short or counted only; it never fails.
pub fn write(level: Level, message: &str) {
    host::log(level, message);
}

macro_rules! log_macros {
    ($d:tt $($name:ident $level:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        #[macro_export]
        macro_rules! $name {
            ($d($d arg:tt)+) => {
                $crate::log::write($crate::log::Level::$level, &::std::format!($d($d arg)+))
            };
        }
    )*};
}
log_macros! {$
    trace Trace "Logs finest detail; takes what `format!` takes.";
    debug Debug "Logs for whoever debugs the function; takes what `format!` takes.";
    info Info "Logs what is worth knowing; takes what `format!` takes.";
    warn Warn "Logs what is worth a look; takes what `format!` takes.";
    error Error "Logs a failure; takes what `format!` takes.";
}

//! Metrics on their way to a collector.

use pelton_otel::{Exporter, Reading};
use pelton_server::http::Server;

use super::Settings;
use crate::error::{CliError, Result};
use crate::exit::Exit;

/// Starts to export the server's metrics, where the settings ask for it. What it answers exports once
/// more when it is dropped.
///
/// # Errors
/// `E-THREADS`.
pub(crate) fn export(settings: &Settings, server: &Server) -> Result<Option<Exporter>> {
    let Some(otlp) = settings.otlp.clone() else { return Ok(None) };
    let figures = server.figures();
    let read = move || {
        let (time_ms, text) = figures();
        Reading { time_ms, text }
    };
    Exporter::start(otlp, read).map(Some).map_err(|error| {
        let text = format!("cannot start to export metrics: {error}");
        CliError::new("E-THREADS", Exit::Failure, text)
    })
}

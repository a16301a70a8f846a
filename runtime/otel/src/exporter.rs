//! Sending, from a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ureq::Agent;

use crate::{Settings, export_request};

/// How long the last export may take, with which everything ends.
const LAST_TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes of a refusal that are told.
const TOLD_BYTES_MAX: u64 = 300;

/// Figures at a moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When they were read, ms since the Unix epoch.
    pub time_ms: i64,
    /// The figures, as OpenMetrics text.
    pub text: String,
}

/// Exports figures every now and then until it is dropped, and then once more.
///
/// An export that fails is told in the log once, until one works again. Nothing is kept for later:
/// counts go on, so the next export says what this one would have said.
pub struct Exporter {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Starts to export what `read` answers.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub fn start(
        settings: Settings,
        read: impl Fn() -> Reading + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("otlp".into()).spawn(move || {
            let mut sender = Sending::new(settings, read().time_ms);
            loop {
                let waited = stopped.recv_timeout(sender.settings.interval);
                let is_last = waited != Err(RecvTimeoutError::Timeout);
                sender.send(&read(), is_last);
                if is_last {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that exports metrics panicked");
        }
    }
}

struct Sending {
    settings: Settings,
    agent: Agent,
    started_ms: i64,
    fails: bool,
}

impl Sending {
    fn new(settings: Settings, started_ms: i64) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("pelton/", env!("CARGO_PKG_VERSION")));
        // A proxy is no way to this machine.
        if ["//localhost", "//127.", "//[::1]"].iter().any(|local| settings.url.contains(local)) {
            config = config.proxy(None);
        }
        Self { settings, agent: config.build().into(), started_ms, fails: false }
    }

    fn send(&mut self, reading: &Reading, is_last: bool) {
        let body = export_request(&self.settings, &reading.text, self.started_ms, reading.time_ms);
        let mut timeout = self.settings.timeout;
        if is_last {
            timeout = timeout.min(LAST_TIME_MAX);
        }
        let failed = self.fails;
        let sent = self.post(&body, timeout);
        self.fails = sent.is_err();
        let url = self.settings.url();
        match (sent, failed) {
            (Ok(()), true) => tracing::info!(url, "metrics are exported again"),
            (Err(error), false) => tracing::warn!(url, error, "metrics cannot be exported"),
            (Err(error), true) => tracing::debug!(url, error, "metrics cannot be exported"),
            (Ok(()), false) => {}
        }
    }

    fn post(&self, body: &[u8], timeout: Duration) -> Result<(), String> {
        let mut request = self.agent.post(&self.settings.url);
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        let request = request.content_type("application/x-protobuf");
        let sent = request.config().timeout_global(Some(timeout)).build().send(body);
        sent.map_err(|error| error.to_string()).and_then(|mut answer| {
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            let told = answer.body_mut().with_config().limit(TOLD_BYTES_MAX).read_to_string();
            Err(format!("{status}: {}", told.unwrap_or_default().trim()))
        })
    }
}

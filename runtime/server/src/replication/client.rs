//! Asking a leader: one request, one answer, errors with the leader's codes.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use pelton_core::{Domain, Error, Result};
use pelton_journal::{Journal, SnapshotNeed};
use serde::Deserialize;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

use super::{Fencing, identity};

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take beyond what it may wait for.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long a snapshot or a module may take, and a whole copy.
const FILE_TIME: Duration = Duration::from_mins(10);
const COPY_TIME: Duration = Duration::from_hours(24);
/// Most bytes of an answer that is held in memory: frames, a snapshot, a module.
const ANSWER_BYTES_MAX: u64 = 4 << 30;

/// What a leader says with its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeaderState {
    pub(super) epoch: u64,
    /// Its last durable commit.
    pub(super) durable: u64,
    /// Durable records of all topics.
    pub(super) records: u64,
    /// Bytes of its log behind the first frame asked for.
    pub(super) bytes: u64,
    pub(super) time_ms: i64,
}

/// A leader, and who asks it.
pub struct LeaderClient {
    agent: Agent,
    base: String,
    token: Option<String>,
    name: String,
}

/// A leader's error as it told it.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    code: String,
    message: String,
}

/// Codes that a leader answers and a replica acts on.
const CODES: [&str; 10] = [
    "E-REPLICA-BEHIND",
    "E-REPLICA-AHEAD",
    "E-REPLICA-DIVERGED",
    "E-REPLICA-EPOCH",
    "E-REPLICA-JOURNAL",
    "E-REPLICA-READ-ONLY",
    "E-REPLICA-FENCED",
    "E-SNAPSHOT-NOT-FOUND",
    "E-ARTEFACT-UNKNOWN",
    "E-AUTH-TOKEN",
];

impl LeaderClient {
    /// A client of the server at `base` (scheme, host, port). Nothing is sent yet.
    #[must_use]
    pub fn new(base: &str, token: Option<String>, name: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIME))
            .proxy(None)
            .user_agent(concat!("pelton/", env!("CARGO_PKG_VERSION")));
        let (base, name) = (base.trim_end_matches('/').to_owned(), name.to_owned());
        Self { agent: config.build().into(), base, token, name }
    }

    /// Where the leader is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        let request = Request::builder().method(method);
        let request = request.uri(format!("{}/api/v1/replication/{path}", self.base));
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Error {
        let text = format!("the leader at {} does not answer: {error}", self.base);
        Error::new("E-REPLICA-LEADER", Domain::External, text).retry()
    }

    fn get(&self, path: &str, limit: Option<Duration>) -> Result<Response<Body>> {
        let request = self.request("GET", path).body(()).map_err(|error| self.failed(&error))?;
        let request = self.agent.configure_request(request).timeout_global(limit).build();
        self.checked(self.agent.run(request))
    }

    fn checked(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        let mut answer = answer.map_err(|error| self.failed(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let body = answer.body_mut().read_to_vec().unwrap_or_default();
        let Ok(ErrorBody { error }) = serde_json::from_slice(&body) else {
            return Err(self.failed(&format!("status {}", answer.status())));
        };
        let text = format!("the leader at {} says: {}", self.base, error.message);
        match CODES.iter().find(|code| **code == error.code) {
            Some(code) => Err(Error::new(code, Domain::External, text)),
            None => Err(self.failed(&format!("{} ({})", error.message, error.code))),
        }
    }

    fn read(&self, mut answer: Response<Body>) -> Result<Vec<u8>> {
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        body.read_to_vec().map_err(|error| self.failed(&error))
    }

    /// The leader's frames behind the end of `journal`, and how it stands. Waits for them as long as
    /// `wait`; none where `bytes_max` is 0.
    ///
    /// # Errors
    /// The leader's; `E-REPLICA-LEADER` where it does not answer.
    pub(super) fn frames(
        &self,
        journal: &Journal,
        wait: Duration,
        bytes_max: usize,
    ) -> Result<(LeaderState, Bytes)> {
        let (after, chain) = journal.log_end().map_err(crate::data::of)?;
        let path = format!(
            "frames?after={after}&chain={chain}&epoch={}&journal={}&format={}&durable={}\
             &wait_ms={}&max_bytes={bytes_max}&name={}",
            journal.epoch(),
            identity(journal),
            journal.format(),
            journal.durable(),
            wait.as_millis(),
            self.name,
        );
        let answer = self.get(&path, Some(wait + ANSWER_TIME))?;
        let number = |name: &str| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.and_then(|value| value.parse::<u64>().ok()).ok_or_else(|| {
                self.failed(&format!("its answer has no {name}: is it a Pelton server?"))
            })
        };
        let state = LeaderState {
            epoch: number("pelton-epoch")?,
            durable: number("pelton-durable")?,
            records: number("pelton-records")?,
            bytes: number("pelton-bytes-behind")?,
            time_ms: number("pelton-time-ms")?.try_into().unwrap_or(i64::MAX),
        };
        Ok((state, self.read(answer)?.into()))
    }

    /// A snapshot's bytes; `None` where a younger one has taken its place.
    pub(super) fn snapshot(&self, need: &SnapshotNeed) -> Result<Option<Vec<u8>>> {
        self.file(&format!("snapshots/{}", need.name()), "E-SNAPSHOT-NOT-FOUND")
    }

    /// A module's bytes; `None` where no version names it any more.
    pub(super) fn artefact(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        self.file(&format!("artefacts/{digest}"), "E-ARTEFACT-UNKNOWN")
    }

    fn file(&self, path: &str, gone: &str) -> Result<Option<Vec<u8>>> {
        match self.get(path, Some(FILE_TIME)) {
            Ok(answer) => self.read(answer).map(Some),
            Err(error) if error.code == gone => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All of the leader's journal, as [`super::copy`] writes it.
    pub(super) fn copy(&self) -> Result<impl Read + use<>> {
        Ok(self.get("copy", Some(COPY_TIME))?.into_body().into_reader())
    }

    /// Tells an old leader that it is one no more.
    pub(super) fn fence(&self, fencing: &Fencing) -> Result<()> {
        let body = serde_json::to_string(fencing).unwrap_or_default();
        let request = self.request("POST", "fence").header("content-type", "application/json");
        let request = request.body(body).map_err(|error| self.failed(&error))?;
        let request = self.agent.configure_request(request).timeout_global(Some(ANSWER_TIME));
        self.checked(self.agent.run(request.build())).map(drop)
    }
}

//! Talking to a server: one request, one answer, and errors that read like local ones.

mod args;
mod error;
mod events;
mod follow;
mod producer;
mod reader;
mod url;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::{Method, Request, Response, StatusCode, header};

pub(crate) use args::ServerArgs;
pub(crate) use error::{Failed, Outcome};
pub(crate) use events::{Event, Events};
pub(crate) use producer::{Producer, Range};
pub(crate) use reader::{Consumed, From, TopicReader};
pub(crate) use url::base_of;
use url::encoded;

use crate::error::CliError;

/// Most bytes of an answer that is read as a whole.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take to begin, beyond what a request lets it wait.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// A request to be made.
pub(crate) struct Call<'a> {
    method: Method,
    /// Below the server's address.
    path: String,
    query: Vec<(&'a str, String)>,
    body: Option<(&'a str, &'a [u8])>,
    accept: &'a str,
    patience: Duration,
}

impl<'a> Call<'a> {
    /// A request for the resource below `/api/v1` that these parts of a path name.
    pub(crate) fn new(method: Method, parts: &[&str]) -> Self {
        let parts = parts.iter().map(|part| format!("/{}", encoded(part)));
        let path = std::iter::once("/api/v1".to_owned()).chain(parts).collect();
        let accept = "application/json";
        Self { method, path, query: Vec::new(), body: None, accept, patience: ANSWER_TIME }
    }

    /// A request for what lies beside the API, such as `/healthz`.
    pub(crate) fn outside(path: &str) -> Self {
        Self { path: path.to_owned(), accept: "*/*", ..Self::new(Method::GET, &[]) }
    }

    /// Adds a parameter.
    pub(crate) fn query(mut self, name: &'a str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Adds a parameter where there is one.
    pub(crate) fn query_if(self, name: &'a str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Sends this with it.
    pub(crate) fn body(mut self, media_type: &'a str, bytes: &'a [u8]) -> Self {
        self.body = Some((media_type, bytes));
        self
    }

    /// Asks for another media type than JSON.
    fn accept(mut self, media_type: &'a str) -> Self {
        self.accept = media_type;
        self
    }

    /// Lets the server take longer before it answers.
    pub(crate) fn wait(mut self, time: Duration) -> Self {
        self.patience = ANSWER_TIME + time;
        self
    }
}

/// An answer as a whole.
pub(crate) struct Answer {
    /// The server's clock, cut to the second, ms since the Unix epoch.
    pub date_ms: Option<i64>,
    pub body: Vec<u8>,
}

/// A server and who calls it.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    /// Scheme, host and port.
    base: String,
    token: Option<String>,
    tenant: String,
}

impl Client {
    /// The parts of a path below this client's tenant. Functions and topics may be named with the tenant
    /// before them, as answers and messages name them.
    pub(crate) fn below<'a>(&'a self, parts: &[&'a str]) -> Vec<&'a str> {
        let own = |part: &&'a str| {
            part.strip_prefix(&self.tenant).and_then(|rest| rest.strip_prefix('/')).unwrap_or(part)
        };
        ["tenants", self.tenant.as_str()].into_iter().chain(parts.iter().map(own)).collect()
    }

    /// The tenant in whose name it calls.
    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Where the server is, as the person gave it.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A request for a resource of the tenant's.
    pub(crate) fn call<'a>(&self, method: Method, parts: &[&str]) -> Call<'a> {
        Call::new(method, &self.below(parts))
    }

    /// Gets a resource of the tenant's.
    pub(crate) fn get<T: DeserializeOwned>(&self, parts: &[&str]) -> Outcome<T> {
        self.json(self.call(Method::GET, parts))
    }

    /// Sends JSON to a resource of the tenant's.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        parts: &[&str],
        body: &impl Serialize,
        wait: Duration,
    ) -> Outcome<T> {
        let body = serde_json::to_vec(body).unwrap_or_default();
        let call = self.call(Method::POST, parts).body("application/json", &body);
        self.json(call.wait(wait))
    }

    /// Makes a request that is answered with JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Outcome<T> {
        self.read(&self.bytes(call)?)
    }

    /// Reads an answer that is JSON.
    pub(crate) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Outcome<T> {
        serde_json::from_slice(body).map_err(|error| Failed::answer(&self.base, &error))
    }

    /// Makes a request whose answer is read as a whole, whatever it is.
    pub(crate) fn bytes(&self, call: Call<'_>) -> Outcome<Vec<u8>> {
        Ok(self.answer(call)?.body)
    }

    /// As [`Client::bytes`], with the time at which it was answered.
    pub(crate) fn answer(&self, call: Call<'_>) -> Outcome<Answer> {
        let mut response = self.send(&call)?;
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let date_ms = date.map(|date| date.timestamp().as_millisecond());
        let limited = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let body = limited.read_to_vec().map_err(|error| Failed::transport(&self.base, &error))?;
        Ok(Answer { date_ms, body })
    }

    /// Makes a request that is answered with events.
    pub(crate) fn events(&self, call: Call<'_>) -> Outcome<Events> {
        let response = self.send(&call.accept("text/event-stream"))?;
        Ok(Events::new(response.into_body().into_reader(), self.base.clone()))
    }

    /// What an event tells of why its stream has ended.
    pub(crate) fn told(&self, data: &str) -> CliError {
        Failed::status(&self.base, StatusCode::BAD_REQUEST, data.as_bytes()).into()
    }

    fn send(&self, call: &Call<'_>) -> Outcome<Response<ureq::Body>> {
        let mut uri = format!("{}{}", self.base, call.path);
        for (index, (name, value)) in call.query.iter().enumerate() {
            let lead = if index == 0 { '?' } else { '&' };
            uri += &format!("{lead}{name}={}", encoded(value));
        }
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header(header::ACCEPT, call.accept);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let sent = match call.body {
            Some((media_type, bytes)) => {
                let request = request.header(header::CONTENT_TYPE, media_type).body(bytes);
                request.map_err(ureq::Error::from).and_then(|r| self.run(r, call.patience))
            }
            None if call.method == Method::POST => {
                let request = request.body(&[][..]);
                request.map_err(ureq::Error::from).and_then(|r| self.run(r, call.patience))
            }
            None => {
                let request = request.body(());
                request.map_err(ureq::Error::from).and_then(|r| self.run(r, call.patience))
            }
        };
        let mut response = sent.map_err(|error| Failed::transport(&self.base, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Err(Failed::status(&self.base, response.status(), &body.unwrap_or_default()))
    }

    fn run(
        &self,
        request: Request<impl ureq::AsSendBody>,
        patience: Duration,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        let configured = self.agent.configure_request(request);
        self.agent.run(configured.timeout_recv_response(Some(patience)).build())
    }
}

/// What is sent requests by, to `base`.
fn agent(base: &str) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_TIME))
        .user_agent(concat!("pelton/", env!("CARGO_PKG_VERSION")));
    // A proxy is no way to this machine.
    if url::is_local(base) {
        config = config.proxy(None);
    }
    config.build().into()
}

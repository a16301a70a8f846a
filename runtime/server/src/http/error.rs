//! Errors as clients see them: JSON with the same codes as everywhere.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use pelton_core::{Domain, Error};
use serde::Serialize;
use utoipa::ToSchema;

use super::status::{next_step, status_of};

/// A result whose error is told to the client.
pub(super) type ApiResult<T> = Result<T, ApiError>;

/// What a client is told about an error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// An error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// The stable code, such as `E-TOPIC-UNKNOWN`.
    #[schema(example = "E-TOPIC-UNKNOWN")]
    pub code: String,
    /// What went wrong, and where.
    pub message: String,
    /// Who is at fault: `user`, `guest`, `external` or `internal`.
    #[schema(example = "user")]
    pub fault: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What to do about it, where the message does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<&'static str>,
}

/// An error on its way to a client.
#[derive(Debug)]
pub struct ApiError {
    error: Error,
    retry_after: Option<Duration>,
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

impl ApiError {
    /// Something that the client did.
    pub fn user(code: &'static str, text: impl Into<String>) -> Self {
        Error::new(code, Domain::User, text).into()
    }

    /// Something that the server cannot do now.
    pub fn busy(code: &'static str, text: impl Into<String>) -> Self {
        Error::new(code, Domain::External, text).retry().into()
    }

    /// A bug of the server's.
    pub fn internal(text: impl Into<String>) -> Self {
        Error::new("E-INTERNAL", Domain::Internal, text).into()
    }

    /// The same error, to be tried again after this long.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.error.retryable = true;
        self.retry_after = Some(pause);
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.error.code
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        status_of(self.error.code, self.error.domain, self.error.retryable)
    }

    /// What the client is told.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        let Error { code, domain, retryable, .. } = &self.error;
        let fault = match domain {
            Domain::User => "user",
            Domain::Guest => "guest",
            Domain::External => "external",
            Domain::Internal => "internal",
        };
        let message = self.error.to_string().replace(&format!(" [{code}]"), "");
        let next = next_step(code);
        let code = (*code).to_owned();
        ErrorBody { error: ErrorDetail { code, message, fault, retryable: *retryable, next } }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let status = self.status();
        if status.is_server_error() {
            tracing::warn!(code = self.error.code, error = %self.error, "a request failed");
        }
        let mut response = (status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(pause) = self.retry_after {
            // Whole seconds, rounded up: never too early.
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

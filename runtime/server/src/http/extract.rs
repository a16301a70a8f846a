//! Taking a request apart, such that what is wrong with it is told with a code.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::state::{App, PIECE};

/// The names in a path.
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        path.map(|Path(path)| Self(path)).map_err(|error| {
            ApiError::user("E-HTTP-PATH", format!("the path: {}", error.body_text()))
        })
    }
}

/// The parameters behind the path; one that is not known is an error.
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, app).await;
        query.map(|Query(query)| Self(query)).map_err(|error| {
            let text = error.body_text();
            let text = text.trim_start_matches("Failed to deserialize query string: ");
            ApiError::user("E-HTTP-QUERY", format!("the query: {text}"))
        })
    }
}

/// A whole body, in bounds of size, time and memory.
pub struct Payload {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its media type, without parameters, in small letters; empty where none is said.
    pub media_type: String,
    /// Its share of the room for bodies, given back when the request is done.
    _room: Option<OwnedSemaphorePermit>,
}

impl FromRequest<App> for Payload {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let media_type = media_type(request.headers());
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            let text = "a body with a content-encoding is not taken: send it as it is";
            return Err(ApiError::user("E-HTTP-TYPE", text));
        }
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > app.config().body_bytes_max) {
            return Err(too_large(app));
        }
        let limit = app.config().body_timeout;
        match tokio::time::timeout(limit, collect(request.into_body(), app)).await {
            Ok(read) => read.map(|(bytes, room)| Self { bytes, media_type, _room: room }),
            Err(_) => {
                let text = format!("the body did not arrive within {} s", limit.as_secs_f32());
                Err(ApiError::user("E-HTTP-TIMEOUT", text))
            }
        }
    }
}

impl Payload {
    /// The body as JSON.
    ///
    /// # Errors
    /// `E-HTTP-TYPE` where it does not say that it is, `E-JSON` with line and column.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        self.expect("application/json")?;
        serde_json::from_slice(&self.bytes)
            .map_err(|error| ApiError::user("E-JSON", format!("the body: {error}")))
    }

    /// As [`Payload::json`]; a body that is not there is the default.
    ///
    /// # Errors
    /// As [`Payload::json`].
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, ApiError> {
        if self.bytes.is_empty() { Ok(T::default()) } else { self.json() }
    }

    fn expect(&self, wanted: &str) -> Result<(), ApiError> {
        if self.media_type == wanted {
            return Ok(());
        }
        Err(wrong_type(&self.media_type, wanted))
    }
}

/// A body of a type that is not taken.
pub(super) fn wrong_type(found: &str, wanted: &str) -> ApiError {
    let found: String = match found {
        "" => "nothing".to_owned(),
        found => format!("{:?}", found.chars().take(100).collect::<String>()),
    };
    ApiError::user("E-HTTP-TYPE", format!("the content-type says {found}; send {wanted}"))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let value = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    value.trim().to_ascii_lowercase()
}

fn too_large(app: &App) -> ApiError {
    let max = app.config().body_bytes_max;
    ApiError::user("E-HTTP-BODY-SIZE", format!("the body is larger than {max} bytes, the limit"))
}

/// The body's bytes and the room that they were given. Room is taken for what has arrived, not for
/// what is announced.
async fn collect(body: Body, app: &App) -> Result<(Bytes, Option<OwnedSemaphorePermit>), ApiError> {
    let mut stream = body.into_data_stream();
    let (mut all, mut room) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| {
            ApiError::user("E-HTTP-BODY", format!("the body could not be read: {error}"))
        })?;
        if all.len() + piece.len() > app.config().body_bytes_max {
            return Err(too_large(app));
        }
        let have = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let need = (all.len() + piece.len()).div_ceil(PIECE) - have;
        let more = app.bodies().clone().try_acquire_many_owned(need as u32).map_err(|_| {
            let text = "the requests under way fill the room for bodies";
            ApiError::busy("E-HTTP-BUSY", text).after(std::time::Duration::from_secs(1))
        })?;
        match &mut room {
            Some(room) => room.merge(more),
            None => room = Some(more),
        }
        all.extend_from_slice(&piece);
    }
    Ok((all.freeze(), room))
}

/// A path that leads nowhere.
pub(super) async fn no_route(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::user("E-HTTP-ROUTE", format!("there is nothing at {path}"))
}

/// A method that a path does not have.
pub(super) async fn no_method(method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    let method: String = method.as_str().chars().take(20).collect();
    ApiError::user("E-HTTP-METHOD", format!("{path} does not take {method}"))
}

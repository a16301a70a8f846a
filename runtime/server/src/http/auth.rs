//! What every request passes before it is looked at: rates, tokens, and where it comes from.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::console;
use super::error::{ApiError, ApiResult};
use super::rate::Rate;
use super::revoked;
use super::state::App;
use super::tokens::Token;

/// What is known of the connection that a request came by.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) rate: Arc<Rate>,
}

/// Lets a request through, or answers why not.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let token = match check(&app, &request) {
        Ok(token) => token,
        Err(error) => return error.into_response(),
    };
    if let Err(error) = check_role(&app, &request) {
        return error.into_response();
    }
    let answer = next.run(request).await;
    match token {
        Some(token) => revoked::until(token.revoked(), answer),
        None => answer,
    }
}

/// Whether a request may pass, and the token that it needed.
fn check(app: &App, request: &Request) -> ApiResult<Option<Arc<Token>>> {
    if let Some(peer) = request.extensions().get::<Peer>() {
        peer.rate.check().map_err(|pause| too_many("this connection", pause))?;
    }
    let path = request.uri().path();
    // The console's page is the same for everybody: what it shows it asks for with a token.
    if matches!(path, "/healthz" | "/readyz") || console::is_page(path) {
        return Ok(None);
    }
    // On an address that others reach, the last token's end opens nothing.
    if app.tokens().is_empty() && app.config().address.ip().is_loopback() {
        return check_origin(request.headers()).map(|()| None);
    }
    let token = bearer(request.headers()).ok_or_else(|| {
        ApiError::user("E-AUTH-MISSING", "this server asks for a token and the request has none")
    })?;
    let token = app.tokens().find(token).ok_or_else(|| {
        ApiError::user("E-AUTH-TOKEN", "the request's token is not one of this server's")
    })?;
    token.check_rate().map_err(|pause| too_many("this token", pause))?;
    Ok(Some(token))
}

/// A server that takes no changes says so before anything is done.
fn check_role(app: &App, request: &Request) -> ApiResult<()> {
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read || path == "/api/v1/backup" || path.starts_with("/api/v1/replication/") {
        return Ok(());
    }
    Ok(app.replication().check_writable()?)
}

fn too_many(who: &str, pause: std::time::Duration) -> ApiError {
    ApiError::user("E-HTTP-RATE", format!("too many requests a second by {who}")).after(pause)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Without a token a browser on this machine is all that another site needs: it must neither reach
/// the server by a name of its own (DNS rebinding) nor send requests across origins.
fn check_origin(headers: &HeaderMap) -> ApiResult<()> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST).unwrap_or_default();
    if !is_loopback(host) {
        let text = format!(
            "without a token this server answers to localhost only, not to {:?}",
            shortened(host)
        );
        return Err(ApiError::user("E-HTTP-HOST", text));
    }
    let foreign = match text(header::ORIGIN) {
        Some(origin) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority != Some(host)
        }
        None => matches!(
            headers.get("sec-fetch-site").map(|value| value.as_bytes()),
            Some(b"cross-site" | b"same-site")
        ),
    };
    if foreign {
        let text = "without a token this server takes no requests from pages of other sites";
        return Err(ApiError::user("E-HTTP-ORIGIN", text));
    }
    Ok(())
}

/// Whether a `host:port` names this machine itself.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:7070", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "10.0.0.1:80",
            "[::2]:1",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}

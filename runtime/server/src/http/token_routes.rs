//! Tokens: create, list, revoke.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiResult, ErrorBody};
use super::extract::{ApiPath, Payload};
use super::names::Name;
use super::state::App;
use super::tokens::TokenInfo;

/// A token.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TokenPath {
    /// The token's name.
    #[param(value_type = Name, example = "ops")]
    name: String,
}

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// Its name, to list and revoke it by.
    #[schema(value_type = Name)]
    name: String,
}

/// A token with its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedToken {
    /// Its name.
    name: String,
    /// What to send as `Authorization: Bearer`. It is told this once: only a hash is kept.
    token: String,
}

/// All tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenList {
    /// Oldest first, without their secrets.
    tokens: Vec<TokenInfo>,
}

/// Lists the tokens of this server.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", operation_id = "listTokens",
    responses((status = 200, body = TokenList), (status = "4XX", body = ErrorBody)))]
pub(super) async fn list(State(app): State<App>) -> Json<TokenList> {
    Json(TokenList { tokens: app.tokens().list() })
}

/// Creates a token. From the first one on every request needs one.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", operation_id = "createToken",
    request_body = NewToken,
    responses((status = 201, body = CreatedToken), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<App>,
    payload: Payload,
) -> ApiResult<(StatusCode, Json<CreatedToken>)> {
    let NewToken { name } = payload.json()?;
    let (tokens, of) = (app.tokens().clone(), name.clone());
    let token = app.blocking(move |_| tokens.create(&of)).await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { name, token })))
}

/// Revokes a token, from now on.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "tokens",
    operation_id = "revokeToken", params(TokenPath),
    responses((status = 204, description = "Revoked"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<App>,
    ApiPath(path): ApiPath<TokenPath>,
) -> ApiResult<StatusCode> {
    let tokens = app.tokens().clone();
    app.blocking(move |_| tokens.revoke(&path.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

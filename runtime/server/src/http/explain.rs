//! Why windows have fired or not, and what became of a record.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::capsules::place;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery};
use super::functions::FunctionPath;
use super::state::App;
use crate::data::parse_time;
use crate::functions::{Explanation, Question};

/// What is asked; without any of it, where each task stands.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    /// The windows of this key, as text.
    #[param(example = "kitchen")]
    key: Option<String>,
    /// With `key`: only the windows that this time belongs to, RFC 3339 or ms since the Unix epoch.
    #[param(example = "2026-11-23T12:00:00Z")]
    at: Option<String>,
    /// What became of this record, `TOPIC:PARTITION:OFFSET`, and the windows of its key at its time.
    #[param(example = "greetings:0:41")]
    record: Option<String>,
}

/// Explains why windows of a key have fired or not, what holds the watermark back, and what became of a
/// record.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/explain",
    tag = "functions", operation_id = "explain", params(FunctionPath, ExplainQuery),
    responses((status = 200, body = Explanation), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn explain(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    ApiQuery(query): ApiQuery<ExplainQuery>,
) -> ApiResult<Json<Explanation>> {
    let function = path.id()?;
    let ExplainQuery { key, at, record } = query;
    if record.is_some() && (key.is_some() || at.is_some()) {
        let text = "`record` has a key and a time of its own: leave `key` and `at` out";
        return Err(ApiError::user("E-HTTP-QUERY", text.to_owned()));
    }
    if at.is_some() && key.is_none() {
        let text = "`at` is about the windows of a key: give `key` too";
        return Err(ApiError::user("E-HTTP-QUERY", text.to_owned()));
    }
    let at_ms = at.map(|at| {
        parse_time(&at).ok_or_else(|| {
            let text = format!("{at:?} is no time: write RFC 3339, or ms since the Unix epoch");
            ApiError::user("E-HTTP-QUERY", text)
        })
    });
    let record = record.map(|record| place(function.tenant(), &record));
    let question = Question {
        key: key.map(String::into_bytes),
        at_ms: at_ms.transpose()?,
        record: record.transpose()?,
    };
    Ok(Json(app.functions().explain(&function, question).await?))
}

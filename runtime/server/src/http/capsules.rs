//! Capsules: one call of a function in a file.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use pelton_core::TopicName;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery};
use super::functions::FunctionPath;
use super::state::App;
use crate::functions::{CapsuleOf, RecordPlace};

/// What a capsule's file is, as a media type.
const MEDIA_TYPE: &str = "application/vnd.pelton.capsule";

/// Which call: without any of them the newest that gave something up.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichCall {
    /// The call that made this dead letter, `TOPIC:PARTITION:OFFSET`.
    #[serde(rename = "dead-letter")]
    #[param(example = "hello.dead:0:5")]
    dead_letter: Option<String>,
    /// The call that read this record, `TOPIC:PARTITION:OFFSET`.
    #[param(example = "greetings:0:41")]
    record: Option<String>,
}

pub(super) fn place(tenant: &pelton_core::TenantId, text: &str) -> ApiResult<RecordPlace> {
    let wrong = || {
        let text = format!("{text:?} is no place of a record: write TOPIC:PARTITION:OFFSET");
        ApiError::user("E-HTTP-QUERY", text)
    };
    let mut parts = text.rsplitn(3, ':');
    let (offset, partition) = (parts.next(), parts.next());
    let topic = parts.next().ok_or_else(wrong)?;
    let topic = topic.strip_prefix(&format!("{}/", tenant.as_str())).unwrap_or(topic);
    let topic = TopicName::new(tenant.clone(), topic).map_err(|_| wrong())?;
    let partition = partition.and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let offset = offset.and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    Ok(RecordPlace { topic, partition, offset })
}

/// One call with its module, state, records and decisions, as a file that `pelton capsule run` runs.
/// It holds records and state as they are, and no secrets.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/capsule",
    tag = "functions", operation_id = "exportCapsule", params(FunctionPath, WhichCall),
    responses((status = 200, description = "The capsule",
            content((Vec<u8> = "application/vnd.pelton.capsule"))),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn export(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    ApiQuery(which): ApiQuery<WhichCall>,
) -> ApiResult<Response> {
    let function = path.id()?;
    let tenant = function.tenant();
    let of = match (&which.dead_letter, &which.record) {
        (None, None) => CapsuleOf::NewestFault,
        (Some(letter), None) => CapsuleOf::DeadLetter(place(tenant, letter)?),
        (None, Some(record)) => CapsuleOf::Record(place(tenant, record)?),
        (Some(_), Some(_)) => {
            let text = "name a dead letter or a record, not both";
            return Err(ApiError::user("E-HTTP-QUERY", text));
        }
    };
    let capsule = app.functions().capsule(&function, of).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], capsule).into_response())
}

//! What names and places look like, for the OpenAPI document. The checks themselves are where the
//! names are made.

use utoipa::ToSchema;

/// A name of a tenant, topic, group or token: 1 to 120 of a-z A-Z 0-9 . _ -, not starting with a
/// dot or with two underscores.
#[derive(ToSchema)]
#[schema(
    pattern = "^([A-Za-z0-9-][A-Za-z0-9._-]{0,119}|_([A-Za-z0-9.-][A-Za-z0-9._-]{0,118})?)$",
    example = "flights"
)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct Name(String);

/// Where a consumer stands: the offset to be read next, by partition.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*(@[0-9]+)?$", example = "0:12,1:7")]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct CursorText(String);

/// Where to begin: `earliest`, `latest`, an offset (of one partition), `time:MS`, `time:RFC3339`, or
/// a cursor.
#[derive(ToSchema)]
#[schema(
    pattern = "^(earliest|latest|[0-9]+|time:.+|[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*(@[0-9]+)?)$",
    example = "earliest"
)]
#[expect(dead_code, reason = "it only describes")]
pub(super) struct FromText(String);

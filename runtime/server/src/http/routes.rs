//! All routes, and the document that describes them.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{no_method, no_route};
use super::names::{CursorText, FromText, Name};
use super::state::App;
use super::{
    auth, backup, capsules, console, consume, explain, functions, groups, health, history, inspect,
    invoke, metrics, pipelines, produce, redrive, replays, replication, savepoints, shadow, tap,
    token_routes, topics,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Pelton", description = "WebAssembly functions on streams.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")),
    tags(
        (name = "topics", description = "Topics"),
        (name = "records", description = "Producing and consuming"),
        (name = "groups", description = "Consumer groups: positions by name"),
        (name = "pipelines", description = "Functions that are deployed and versioned together"),
        (name = "functions", description = "Functions, their versions and their state"),
        (name = "tokens", description = "Who may call"),
        (name = "replication", description = "Copies of this server at other sites"),
        (name = "server", description = "The server itself"),
    ),
    components(schemas(super::ErrorBody, Name, CursorText, FromText, crate::functions::TapSample)),
    modifiers(&Bearer),
)]
struct Document;

/// The token, where the server asks for one.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        let none = utoipa::openapi::SecurityRequirement::default();
        let token = utoipa::openapi::SecurityRequirement::new("token", [""; 0]);
        document.security = Some(vec![none, token]);
    }
}

/// Every route with its description.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(document))
        .routes(routes!(topics::list, topics::create))
        .routes(routes!(topics::describe, topics::alter, topics::delete))
        .routes(routes!(produce::produce, consume::consume))
        .routes(routes!(groups::list))
        .routes(routes!(groups::describe, groups::delete))
        .routes(routes!(groups::commit))
        .routes(routes!(groups::reset))
        .routes(routes!(functions::upload))
        .routes(routes!(functions::list, functions::deploy))
        .routes(routes!(functions::describe, functions::remove))
        .routes(routes!(functions::versions))
        .routes(routes!(functions::rollback))
        .routes(routes!(functions::pause))
        .routes(routes!(functions::resume))
        .routes(routes!(pipelines::list, pipelines::deploy))
        .routes(routes!(pipelines::describe, pipelines::remove))
        .routes(routes!(pipelines::versions))
        .routes(routes!(pipelines::rollback))
        .routes(routes!(pipelines::pause))
        .routes(routes!(pipelines::resume))
        .routes(routes!(history::graph))
        .routes(routes!(history::of_function))
        .routes(routes!(history::of_node))
        .routes(routes!(savepoints::list, savepoints::create))
        .routes(routes!(savepoints::remove))
        .routes(routes!(savepoints::restore))
        .routes(routes!(replays::list, replays::start))
        .routes(routes!(replays::describe, replays::cancel))
        .routes(routes!(capsules::export))
        .routes(routes!(shadow::describe, shadow::stop))
        .routes(routes!(shadow::differences))
        .routes(routes!(shadow::promote))
        .routes(routes!(inspect::list_state))
        .routes(routes!(inspect::get_state))
        .routes(routes!(explain::explain))
        .routes(routes!(inspect::logs))
        .routes(routes!(invoke::invoke))
        .routes(routes!(tap::tap))
        .routes(routes!(backup::make))
        .routes(routes!(replication::status))
        .routes(routes!(replication::frames))
        .routes(routes!(replication::copy))
        .routes(routes!(replication::snapshot))
        .routes(routes!(replication::artefact))
        .routes(routes!(replication::promote))
        .routes(routes!(replication::fence))
        .routes(routes!(replication::unfence))
        .routes(routes!(redrive::redrive))
        .routes(routes!(token_routes::list, token_routes::create))
        .routes(routes!(token_routes::revoke))
}

/// The OpenAPI document, as JSON with a line break at its end.
#[must_use]
pub fn openapi() -> String {
    let mut text = described().into_openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The document that describes this API.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "server", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json",
            body = serde_json::Value),
        (status = "4XX", body = super::ErrorBody)))]
async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi()).into_response()
}

/// The service that answers all requests.
pub(super) fn router(app: &App) -> Router {
    Router::from(described())
        .merge(console::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(app.clone(), auth::guard))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .with_state(app.clone())
}

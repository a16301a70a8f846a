//! The console's files, which are part of the binary. They are the same for everybody and hold
//! nothing of the server's: no token is asked for.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::extract::no_route;
use super::state::App;

/// Nothing from elsewhere, nothing inline, and in nobody's frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; object-src 'none'";
const HOME: &str = "/console/";

struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    /// Of the bytes, in quotes.
    etag: HeaderValue,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../console/", $name)).as_slice())),*]
    };
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let all = assets![
        "index.html",
        "style.css",
        "icon.svg",
        "main.js",
        "api.js",
        "chart.js",
        "confirm.js",
        "dead_letters.js",
        "dom.js",
        "events.js",
        "format.js",
        "function.js",
        "graph.js",
        "groups.js",
        "layout.js",
        "logs.js",
        "msgpack.js",
        "overview.js",
        "records.js",
        "sign_in.js",
        "state.js",
        "table.js",
        "tap.js",
        "topic.js",
        "topics.js",
        "versions.js",
        "why.js",
    ];
    all.map(|(name, bytes)| {
        let etag = format!("\"{}\"", &blake3::hash(bytes).to_hex()[..16]);
        let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\""));
        Asset { name, bytes, etag }
    })
    .into()
});

/// Whether a path is the console's.
pub(super) fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/console") || path.starts_with(HOME)
}

pub(super) fn routes() -> Router<App> {
    let home = || async { Redirect::temporary(HOME) };
    Router::new()
        .route("/", get(home))
        .route("/console", get(home))
        .route(HOME, get(file))
        .route("/console/{file}", get(file))
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().strip_prefix(HOME).unwrap_or_default();
    let name = if name.is_empty() { "index.html" } else { name };
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return no_route(uri).await.into_response();
    };
    let fixed = |text| HeaderValue::from_static(text);
    let own = [
        (header::ETAG, asset.etag.clone()),
        // Asked for each time, answered from the browser's copy where that is still right.
        (header::CACHE_CONTROL, fixed("no-cache")),
        (header::CONTENT_TYPE, fixed(media_type(name))),
        (header::CONTENT_SECURITY_POLICY, fixed(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
    ];
    if headers.get(header::IF_NONE_MATCH) == Some(&asset.etag) {
        return (StatusCode::NOT_MODIFIED, own).into_response();
    }
    (own, asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_console_is_served_and_every_one_that_a_file_names_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console");
        let mut found: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let mut served: Vec<_> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        served.sort();
        assert_eq!(found, served);
        for asset in &*ASSETS {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            assert!(!text.contains("innerHTML"), "{}: data goes in as text", asset.name);
            let imports = text.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next());
            for import in imports {
                assert!(served.iter().any(|name| name == import), "{}: {import}", asset.name);
            }
        }
    }
}

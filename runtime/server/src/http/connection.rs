//! One connection: its limits, and the end of it when the server shuts down.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service as _;

use super::auth::Peer;
use super::error::ApiError;
use super::rate::Rate;
use super::stall::WriteLimit;
use super::state::App;

/// How long a client that is refused has to read why.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Serves requests until the client leaves, is too slow, or the server shuts down and the request
/// under way is answered.
pub(super) async fn serve(app: App, router: Router, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let config = app.config();
    let peer = Peer { rate: Arc::new(Rate::new(config.connection_rate)) };
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut request, mut router) = (request.map(Body::new), router.clone());
        request.extensions_mut().insert(peer.clone());
        async move { router.call(request).await }
    });
    let io = TokioIo::new(WriteLimit::new(stream, config.write_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_header_size(config.head_bytes_max)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = app.draining().cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Tells a client that there is no room for it, and closes.
pub(super) async fn refuse(mut stream: TcpStream, error: ApiError) {
    let body = serde_json::to_string(&error.body()).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let tell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // A socket that is closed with something unread in it may take the answer back.
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whether it was heard or not, there is nothing more to do.
    let _ = timeout(REFUSAL_TIME, tell).await;
}

//! Taking connections, as many as there is room for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::connection::{refuse, serve};
use super::error::ApiError;
use super::state::App;

/// Clients that are told at the same time that there is no room; others are just closed.
const REFUSALS_MAX: usize = 64;
/// Pause after a connection could not be taken: the process may be out of handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections until the server shuts down. Each is a task of `tasks`.
pub(super) async fn listen(app: App, router: Router, listener: TcpListener, tasks: TaskTracker) {
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let accepted = tokio::select! {
            () = app.draining().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => admit(&app, &router, stream, &tasks, &refusals),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(
    app: &App,
    router: &Router,
    stream: TcpStream,
    tasks: &TaskTracker,
    refusals: &Arc<Semaphore>,
) {
    let max = app.config().connections_max;
    let place = Place::take(app, max);
    if let Some(place) = place {
        let (app, router) = (app.clone(), router.clone());
        tasks.spawn(async move {
            let _place = place;
            serve(app, router, stream).await;
        });
        return;
    }
    app.metrics().connections_refused.inc();
    if let Ok(permit) = Arc::clone(refusals).try_acquire_owned() {
        let text = format!("the server has {max} connections, the limit");
        let error = ApiError::busy("E-HTTP-CONNECTIONS", text);
        tasks.spawn(async move {
            let _permit = permit;
            refuse(stream, error).await;
        });
    }
}

/// One of the places for connections, free again once it is dropped.
struct Place(App);

impl Place {
    fn take(app: &App, max: usize) -> Option<Self> {
        if app.connections().fetch_add(1, Ordering::AcqRel) < max {
            return Some(Self(app.clone()));
        }
        app.connections().fetch_sub(1, Ordering::AcqRel);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections().fetch_sub(1, Ordering::AcqRel);
    }
}

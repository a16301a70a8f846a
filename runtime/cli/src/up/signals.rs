//! SIGTERM and Ctrl-C, of which the first asks the server to end and the second ends it.

use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{CliError, Result};
use crate::exit::Exit;

/// From now on the first of these signals arrives here; the second ends the process.
///
/// # Errors
/// `E-THREADS` where the system has no thread for it.
pub(crate) fn signals() -> Result<Receiver<()>> {
    let (sender, receiver) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    // Registered before this returns: a signal that comes early is not lost.
    let streams = {
        let _inside = runtime.enter();
        signal(SignalKind::terminate())
            .and_then(|term| signal(SignalKind::interrupt()).map(|interrupt| (term, interrupt)))
            .map_err(|error| failed(&error))?
    };
    let listen = move || runtime.block_on(listen(streams, sender));
    let spawned = std::thread::Builder::new().name("signals".into()).spawn(listen);
    spawned.map_err(|error| failed(&error))?;
    Ok(receiver)
}

async fn listen((mut term, mut interrupt): (Signal, Signal), first: Sender<()>) {
    next(&mut term, &mut interrupt).await;
    let _ = first.send(());
    next(&mut term, &mut interrupt).await;
    std::process::exit(Exit::Interrupted as i32);
}

async fn next(term: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn failed(error: &std::io::Error) -> CliError {
    let text = format!("cannot listen to signals: {error}");
    CliError::new("E-THREADS", Exit::Failure, text).next("end other programs, then run it again")
}

use std::io;

use tokio::signal;

use crate::catch_panic::logged;

/// Completes when the process receives SIGTERM, which container platforms and systemd send, or
/// Ctrl-C. Feature `signal`.
///
/// After its first poll these signals no longer end the process by themselves. First stop serving,
/// then [shut down](crate::Lookout::shutdown), so that the last requests are still counted and
/// their alerts delivered. The platform kills a process that takes too long (Kubernetes after 30 s,
/// Docker after 10 s): the drain and [`shutdown_timeout`](crate::LookoutBuilder::shutdown_timeout)
/// together must be shorter.
///
/// If the system does not allow a signal handler, the log has an error, and it never completes.
///
/// # Examples
///
/// ```no_run
/// # async fn run(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// use tower_lookout::{Lookout, shutdown_signal};
///
/// let lookout = Lookout::builder().service("orders").start()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener, app.layer(lookout.layer()))
///     .with_graceful_shutdown(shutdown_signal())
///     .await?;
/// lookout.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub async fn shutdown_signal() {
    if let Err(reason) = told_to_end().await {
        logged(|| tracing::error!(%reason, "no signal can be listened for"));
        std::future::pending().await
    }
}

#[cfg(unix)]
async fn told_to_end() -> io::Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        told = signal::ctrl_c() => told,
    }
}

#[cfg(not(unix))]
async fn told_to_end() -> io::Result<()> {
    signal::ctrl_c().await
}

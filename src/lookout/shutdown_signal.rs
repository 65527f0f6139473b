use std::io;

use tokio::signal;

use crate::catch_panic::logged;

/// Completes when the process receives SIGTERM, which container platforms and systemd send, or
/// Ctrl-C. Feature `signal`.
///
/// After the first poll of the future, these signals no longer end the process by themselves. First
/// stop the server, then [shut down](crate::Lookout::shutdown), so that the last requests are
/// counted and their alerts delivered. The platform kills a process that takes too long (Kubernetes
/// after 30 s, Docker after 10 s), so the drain and
/// [`shutdown_timeout`](crate::LookoutBuilder::shutdown_timeout) together must be shorter.
///
/// If the system does not allow a signal handler, the future logs an error and never completes.
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
    if let Err(reason) = wait_for_signal().await {
        logged(
            || tracing::error!(%reason, "no signal handler could be installed: shutdown_signal() never completes"),
        );
        std::future::pending().await
    }
}

#[cfg(unix)]
async fn wait_for_signal() -> io::Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        result = signal::ctrl_c() => result,
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> io::Result<()> {
    signal::ctrl_c().await
}

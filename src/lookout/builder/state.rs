use std::path::PathBuf;

use super::LookoutBuilder;

/// Alerting: alerts across a restart.
impl LookoutBuilder {
    /// Sets a file that keeps alerts across a restart, and across a `kill -9`: a firing alert is
    /// not sent again, its resolve is sent after the recovery, and undelivered alerts are
    /// delivered. Feature `state`; defaults to none. See the
    /// [guide](crate::guide::operations#keep-alerts-across-a-restart).
    ///
    /// A restored alert keeps its start, its peak and its instance, since receivers identify it by
    /// the instance. Its windows start empty: without traffic it resolves as unknown after the
    /// longest window. It resolves immediately if its rule has been removed. A pending alert starts
    /// over. A report that was sent before continues as a repeat, and resolves five minutes after
    /// the start at the earliest.
    ///
    /// The file is JSON, readable by its owner alone. A separate thread rewrites it when an alert
    /// changes, its peak rises, or a message is delivered; this delays no request and no tick. A
    /// delivered message leaves the file: a process that is killed in the milliseconds between the
    /// delivery and the write sends it twice. The request count of an alert is as old as the last
    /// write, and the count of repeated reports is up to ten seconds old.
    /// [`shutdown`](crate::Lookout::shutdown) writes the file a last time, which may take up to a
    /// second longer, and undelivered alerts wait for the next start.
    ///
    /// The file belongs to one process at a time: give each replica its own, on a volume that
    /// outlives the replica. The lookout sets a file aside as `….set-aside`, with a warning, if it
    /// is damaged, of another version, or of another service. It logs an error if it cannot write
    /// the file. Neither stops the service.
    ///
    /// Without a file, earlier alerts are unknown: a condition that still holds fires as a new
    /// alert, and a receiver that does not expire alerts never gets the resolve of an old one. So
    /// the first alert after such a start notes this (`Alert::unknown_before`).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("lookout-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("lookout.json");
    /// use tower_lookout::{Lookout, Rule};
    ///
    /// let lookout = Lookout::builder()
    ///     .service("orders")
    ///     .rules(Rule::defaults())
    ///     .state_path(path) // such as /var/lib/orders/lookout.json
    ///     .start()?;
    /// # drop(lookout);
    /// # std::fs::remove_dir_all(folder).ok();
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("persist", "restart"))]
    pub fn state_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_path = Some(path.into());
        self
    }
}

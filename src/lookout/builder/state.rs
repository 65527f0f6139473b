use std::path::PathBuf;

use super::LookoutBuilder;

/// What survives a restart.
impl LookoutBuilder {
    /// A file by which alerts survive a restart, a `kill -9` too: what fires is not told a second time,
    /// its end is told when it has recovered, and what was not delivered yet is. Feature `state`;
    /// defaults to none.
    ///
    /// An alert that was firing goes on with its beginning and its peak, and keeps the instance that
    /// raised it, by which receivers know it, until it is resolved. Its windows begin anew: without
    /// traffic it is resolved as unknown when the longest of them has passed, and at once if its rule is
    /// gone. What was pending begins anew. A failure that was reported and told is told as a repeat, and
    /// resolved five minutes after the start at the earliest.
    ///
    /// The file is JSON, readable by its owner alone, and replaced as a whole whenever an alert changes,
    /// its peak rises, or a message is delivered, on a thread that holds up no request and no tick. A
    /// message leaves it once it is delivered: a process that is killed in the milliseconds between the
    /// delivery and the write tells it twice. How many requests an alert has touched is as of the last
    /// write; reports that repeat are counted in it each ten seconds. At the
    /// [`shutdown`](crate::Lookout::shutdown) it is written a last time, for which that may take up to a
    /// second longer, and what is not delivered by then waits for the next start.
    ///
    /// It belongs to one process at a time, so give each replica a file of its own, on a volume that
    /// outlives it. A file that is damaged, of another version or of another service is set aside as
    /// `….set-aside`, with a warning; one that can't be written is told in the log. Neither stops the
    /// service. Without a file nothing is known of what fired before: what still holds is told as a new
    /// alert, and what has recovered meanwhile is never resolved where the receiver does not do it by
    /// itself. So the first alert after such a start says that (`Alert::unknown_before`).
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

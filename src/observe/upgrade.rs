use http::{HeaderMap, header};

use super::facts::Facts;
use crate::series::StreamKind;

/// What a handler of an upgrade watches its connection by, such as that of a WebSocket: the layer puts
/// it into the extensions of a request that asks for one, if
/// [`upgrades`](crate::LookoutBuilder::upgrades) is set.
///
/// The request itself ends with its head (`101`, or a `2xx` for CONNECT); what becomes of the
/// connection is seen by nobody but the handler.
///
/// # Examples
///
/// ```
/// use axum::{Extension, extract::ws::WebSocketUpgrade, response::Response};
/// use tower_lookout::observe::UpgradeWatch;
///
/// async fn live(upgrade: WebSocketUpgrade, Extension(watch): Extension<UpgradeWatch>) -> Response {
///     upgrade.on_upgrade(move |mut socket| async move {
///         let _open = watch.open();
///         while let Some(Ok(_message)) = socket.recv().await {}
///     })
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UpgradeWatch(Facts);

/// An upgraded connection, open until this is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct OpenUpgrade(Facts);

impl UpgradeWatch {
    pub(super) fn new(facts: Facts) -> Self {
        Self(facts)
    }

    /// Counts the connection as open, in the gauge of streams with kind `upgrade`; when what this
    /// gives is dropped, the time since the request goes into the histogram of streams.
    pub fn open(self) -> OpenUpgrade {
        self.0.stream_opened(StreamKind::Upgrade);
        OpenUpgrade(self.0)
    }
}

impl Drop for OpenUpgrade {
    fn drop(&mut self) {
        self.0.stream_closed(StreamKind::Upgrade);
    }
}

/// Whether a request asks for another protocol.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

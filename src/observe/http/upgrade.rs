use http::{Extensions, HeaderMap, header};

use crate::{
    observe::exchange::{local::LookoutId, state::ExchangeState},
    series::StreamKind,
};

/// Watches an upgraded connection, such as a WebSocket, on behalf of its handler.
///
/// If [`upgrades`](crate::LookoutBuilder::upgrades) is set, the layer adds it to the extensions of
/// each request that asks for an upgrade. The request itself ends with the response's head (`101`,
/// or a `2xx` for CONNECT); only the handler knows when the connection closes. An ignored request
/// also gets one, which does nothing.
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
#[doc(alias("websocket"))]
#[derive(Clone, Debug)]
pub struct UpgradeWatch(Vec<ExchangeState>);

/// A guard for an upgraded connection. The connection counts as open until the guard is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct OpenUpgrade(Vec<ExchangeState>);

impl UpgradeWatch {
    /// Adds the watch of a request, which has no state if the request is ignored. Nested layers
    /// share one watch.
    pub(crate) fn add_to(extensions: &mut Extensions, state: Option<ExchangeState>) {
        match extensions.get_mut::<Self>() {
            Some(Self(all)) => all.extend(state),
            None => {
                extensions.insert(Self(state.into_iter().collect()));
            }
        }
    }

    /// Moves the request to another operation, or to `None` if it is ignored from now on.
    pub(crate) fn move_to(
        extensions: &mut Extensions,
        lookout: LookoutId,
        state: Option<ExchangeState>,
    ) {
        let Some(Self(all)) = extensions.get_mut() else { return };
        all.retain_mut(|own| {
            if own.lookout() != lookout {
                return true;
            }
            state.map(|state| own.move_with(&state)).is_some()
        });
    }

    /// Counts the connection as an open stream of kind `upgrade`. When the returned guard is
    /// dropped, the time since the request is recorded in the histogram of streams.
    pub fn open(self) -> OpenUpgrade {
        for state in &self.0 {
            state.stream_opened(StreamKind::Upgrade);
        }
        OpenUpgrade(self.0)
    }
}

impl Drop for OpenUpgrade {
    fn drop(&mut self) {
        for state in &self.0 {
            state.stream_closed(StreamKind::Upgrade);
        }
    }
}

/// Returns whether a request asks for another protocol.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

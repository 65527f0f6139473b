use http::{Extensions, HeaderMap, header};

use crate::observe::{LookoutId, exchange::state::ExchangeState};
use crate::series::StreamKind;

/// Lets the handler of an upgrade, such as a WebSocket, count its connection. The layer puts it
/// into the extensions of a request for an upgrade, if
/// [`upgrades`](crate::LookoutBuilder::upgrades) is set.
///
/// The request itself ends with its head (`101`, or a `2xx` for CONNECT), and only the handler sees
/// the connection. Ignored requests have an `UpgradeWatch` too, which counts nothing.
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

/// An upgraded connection, open until this is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct OpenUpgrade(Vec<ExchangeState>);

impl UpgradeWatch {
    /// Of a request that counts for this; of one that is not watched, it is there and counts nothing.
    /// A layer around another one shares it.
    pub(crate) fn put_into(extensions: &mut Extensions, facts: Option<ExchangeState>) {
        match extensions.get_mut::<Self>() {
            Some(Self(all)) => all.extend(facts),
            None => {
                extensions.insert(Self(facts.into_iter().collect()));
            }
        }
    }

    /// The request counts for another operation now, or for none.
    pub(crate) fn turn_to(
        extensions: &mut Extensions,
        lookout: LookoutId,
        facts: Option<ExchangeState>,
    ) {
        let Some(Self(all)) = extensions.get_mut() else { return };
        all.retain_mut(|own| {
            if own.lookout() != lookout {
                return true;
            }
            facts.map(|facts| own.move_with(&facts)).is_some()
        });
    }

    /// Counts the connection as open, in the gauge of streams with the kind `upgrade`. Dropping the
    /// result records the time since the request in the histogram of streams.
    pub fn open(self) -> OpenUpgrade {
        for facts in &self.0 {
            facts.stream_opened(StreamKind::Upgrade);
        }
        OpenUpgrade(self.0)
    }
}

impl Drop for OpenUpgrade {
    fn drop(&mut self) {
        for facts in &self.0 {
            facts.stream_closed(StreamKind::Upgrade);
        }
    }
}

/// Whether a request asks for another protocol.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

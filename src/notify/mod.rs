//! Notifiers: how an alert reaches people.
//!
//! A notifier is a tower service that takes a [`Notification`]; what retries, limits or times out
//! tower services does so here, too. Each notifier has a queue of at most 16 MiB and a worker of its own on the
//! lookout's thread, so that a dead one delays no other, and no request ever waits for any.
//!
//! What waits is merged: of several changes of one alert the last is told, with their number. A
//! delivery that fails is tried again with what has come since: after what the receiver asked for,
//! else after 1 s, 2 s, 4 s … up to 30 s with jitter, for as long as it takes; see [`DeliveryError`]
//! for the kinds of failure that are treated otherwise. What is given up on is counted in
//! `lookout_notifications_dropped_total` and logged. What was delivered is told once, unless the
//! notifier asks to be told again while the alert fires, with [`Delivered`].
//!
//! ```
//! use tower::service_fn;
//! use tower_lookout::{Lookout, notify::{DeliveryError, Notification}};
//!
//! let pager = service_fn(|notification: Notification| async move {
//!     for alert in &notification.alerts {
//!         println!("{alert}");
//!     }
//!     Ok::<_, DeliveryError>(())
//! });
//! let builder = Lookout::builder().notify_as("pager", pager);
//! ```

#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
mod address;
#[cfg(feature = "alertmanager")]
mod alertmanager;
#[cfg(any(feature = "alertmanager", feature = "webhook"))]
mod annotations;
mod delivered;
#[cfg(feature = "discord")]
mod discord;
mod dispatcher;
#[cfg(feature = "email")]
mod email;
mod error;
mod ext;
mod hook;
#[cfg(feature = "_http")]
mod http;
#[cfg(any(feature = "alertmanager", feature = "webhook"))]
mod known;
mod labels;
mod log;
mod mailbox;
mod matcher;
mod notification;
mod or_else;
#[cfg(feature = "pagerduty")]
mod pagerduty;
#[cfg(feature = "webhook")]
mod ping;
mod repeat_every;
mod repeats;
mod route;
#[cfg(feature = "slack")]
mod slack;
#[cfg(any(feature = "email", feature = "pagerduty"))]
mod stable_hash;
mod stats;
mod status;
#[cfg(feature = "_chat")]
mod story;
#[cfg(feature = "teams")]
mod teams;
mod test_delivery;
#[cfg(any(feature = "_chat", feature = "email", feature = "pagerduty"))]
mod text;
#[cfg(feature = "_tls")]
mod tls;
#[cfg(feature = "webhook")]
mod webhook;
mod when;
mod worker;

#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
pub(crate) use self::address::address_hash;
#[cfg(feature = "alertmanager")]
pub use self::alertmanager::Alertmanager;
#[cfg(feature = "discord")]
pub use self::discord::Discord;
#[cfg(feature = "email")]
pub use self::email::{Email, EmailBuilder, EmailError};
use self::hook::Hook;
#[cfg(feature = "_http")]
pub use self::http::AddressError;
#[cfg(all(feature = "_http", feature = "toml"))]
pub(crate) use self::http::HttpReceiver;
#[cfg(feature = "_http")]
pub(crate) use self::http::check_clients;
#[cfg(feature = "state")]
pub(crate) use self::mailbox::SavedMailbox;
#[cfg(feature = "pagerduty")]
pub use self::pagerduty::PagerDuty;
#[cfg(feature = "slack")]
pub use self::slack::{Slack, SlackBot};
#[cfg(feature = "teams")]
pub use self::teams::Teams;
pub use self::{
    delivered::Delivered,
    error::DeliveryError,
    ext::NotifierExt,
    log::Log,
    matcher::Matcher,
    notification::Notification,
    or_else::OrElse,
    repeat_every::RepeatEvery,
    status::NotifierStatus,
    test_delivery::TestDelivery,
    when::{IntoNotifier, When, kind},
};
pub(crate) use self::{
    dispatcher::{Dispatcher, HAS_ENDED},
    mailbox::Mailbox,
    stats::Stats,
    worker::Worker,
};
#[cfg(feature = "webhook")]
pub use self::{ping::Ping, webhook::Webhook};

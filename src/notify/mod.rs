//! Notifiers, which deliver alerts to people. The [guide](crate::guide::notifiers) lists the
//! receivers, and shows how to route alerts, combine notifiers and test them.
//!
//! A notifier is a tower service that takes a [`Notification`], so tower's layers for retries,
//! limits and timeouts work. Each notifier has a queue of at most 16 MiB and a worker on the
//! lookout's thread. So a broken notifier delays no other, and a request never waits for one.
//!
//! The queue merges the changes of an alert: the worker delivers the last one, with the number of
//! changes. It retries a failed delivery until it succeeds, together with the changes that have
//! arrived since. It waits as long as the receiver asks for, else 1 s, 2 s, 4 s … up to 30 s, with
//! jitter. [`DeliveryError`] describes the failures that are handled differently. The lookout logs
//! each alert that it drops, and counts it in `lookout_notifications_dropped_total`. The worker
//! delivers a change once, unless the notifier asks for repeats while the alert fires, with
//! [`Delivered`].
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

mod combinators;
mod delivered;
mod dispatch;
mod error;
mod notification;
mod receivers;
mod status;
mod test_delivery;

pub(crate) use self::dispatch::{
    dispatcher::{Dispatcher, HAS_ENDED},
    notifier_queue::NotifierQueue,
    stats::Stats,
    worker::Worker,
};
#[cfg(all(test, feature = "toml"))]
pub(crate) use self::receivers::EXAMPLES;
#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
pub(crate) use self::receivers::address_hash;
use self::receivers::closure::ClosureNotifier;
#[cfg(feature = "_http")]
pub use self::receivers::http::AddressError;
#[cfg(feature = "_http")]
pub(crate) use self::receivers::http::check_clients;
#[cfg(feature = "webhook")]
pub use self::receivers::ping::Ping;
#[cfg(any(feature = "_http", feature = "email"))]
pub use self::receivers::public::*;
pub(crate) use self::receivers::receiver_table;
#[cfg(feature = "toml")]
pub(crate) use self::receivers::{KINDS, Kind, Receiver};
#[cfg(feature = "state")]
pub(crate) use self::{
    combinators::matcher::saved::SavedMatcher, dispatch::notifier_queue::SavedQueue,
};
pub use self::{
    combinators::{
        ext::NotifierExt,
        matcher::Matcher,
        or_else::OrElse,
        repeat_every::RepeatEvery,
        when::{IntoNotifier, When, kind},
    },
    delivered::Delivered,
    error::{DeliveryError, DeliveryErrorKind},
    notification::Notification,
    receivers::log::Log,
    status::NotifierStatus,
    test_delivery::TestDelivery,
};

//! Chains of three or more notifiers, nested in either order.

use std::future::pending;

use tower::{ServiceExt, service_fn, util::BoxService};

use super::*;
use crate::{
    alert::{AlertStatus, test_alert},
    notify::NotifierExt,
};

type Boxed = BoxService<Notification, Delivered, BoxError>;

fn hangs() -> Boxed {
    BoxService::new(service_fn(|_| pending()))
}

/// A notifier that accepts each message after a second.
fn accepts() -> Boxed {
    BoxService::new(service_fn(|_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Delivered::default())
    }))
}

#[tokio::test(start_paused = true)]
async fn the_last_notifier_is_called_even_if_all_others_hang() {
    let chains = [
        BoxService::new(hangs().or_else(hangs()).or_else(accepts())),
        BoxService::new(hangs().or_else(hangs().or_else(accepts()))),
        BoxService::new(hangs().or_else(hangs()).or_else(hangs().or_else(accepts()))),
    ];
    for (index, chain) in chains.into_iter().enumerate() {
        let start = Instant::now();
        let notification = Notification::new([test_alert("A", AlertStatus::Firing)]);
        chain.oneshot(notification).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "chain {index}: {:?}", start.elapsed());
    }
}

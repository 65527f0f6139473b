//! Three notifiers and more, however they are put together.

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

/// What takes each message, a second after it was asked.
fn takes() -> Boxed {
    BoxService::new(service_fn(|_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Delivered::default())
    }))
}

#[tokio::test(start_paused = true)]
async fn the_last_of_several_is_asked_though_all_before_it_hang() {
    let chains = [
        BoxService::new(hangs().or_else(hangs()).or_else(takes())),
        BoxService::new(hangs().or_else(hangs().or_else(takes()))),
        BoxService::new(hangs().or_else(hangs()).or_else(hangs().or_else(takes()))),
    ];
    for (place, chain) in chains.into_iter().enumerate() {
        let start = Instant::now();
        let notification = Notification::new([test_alert("A", AlertStatus::Firing)]);
        chain.oneshot(notification).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "chain {place}: {:?}", start.elapsed());
    }
}

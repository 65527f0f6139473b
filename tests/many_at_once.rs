//! A shared dependency fails, and a hundred alerts fire within a second. Each receiver gets every
//! alert.

#![cfg(all(feature = "prometheus", feature = "receivers"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/kind.rs"]
mod kind;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tower::{
    Layer, ServiceExt,
    retry::{Policy, RetryLayer},
    service_fn,
};
use tower_lookout::{
    Lookout, LookoutBuilder, Rule,
    notify::{DeliveryError, Notification, NotifierExt, Slack},
    prometheus::Scrape,
};

use kind::each;
use receiver::Receiver;
use support::{eventually, start, sum};

/// Starts a lookout with a hundred failing routes, each with its own alert.
async fn failing(notify: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> (Lookout, Scrape) {
    let (lookout, scrape) = start(|builder| {
        let rule = Rule::error_ratio().above(0.01).each_route().min_requests(1);
        let rule = rule.over(Duration::from_secs(60)).named("Failing");
        let builder = builder.route_fn(|head| Some(Cow::Owned(head.uri.path().to_owned())));
        notify(builder.rule(rule).shutdown_timeout(Duration::ZERO))
    });
    let service = lookout.layer().layer(service_fn(|_: Request<String>| async {
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok::<_, Infallible>(response)
    }));
    for route in routes() {
        let request = Request::get(route).body(String::new()).unwrap();
        drop(service.clone().oneshot(request).await.unwrap());
    }
    (lookout, scrape)
}

fn routes() -> impl Iterator<Item = String> {
    (100..200).map(|n| format!("/r{n}"))
}

/// Returns the routes that the accepted posts contain.
fn named(receiver: &Receiver) -> BTreeSet<String> {
    let posts: String = receiver.accepted().iter().map(|post| post.body.to_string()).collect();
    routes().filter(|route| posts.contains(route.as_str())).collect()
}

#[tokio::test]
async fn each_of_a_hundred_alerts_is_delivered_without_retries_or_drops() {
    each(|kind| async move {
        let receiver = kind.receiver([]);
        let url = receiver.serve().await;
        let (_lookout, scrape) = failing(|builder| kind.add(builder, &url)).await;
        eventually(60, kind.name, || (named(&receiver).len() == 100).then_some(())).await;
        let counted = kind.counters(&scrape);
        assert_eq!(counted[1..], [0.0; 3], "{}", kind.name);
        assert!(counted[0] <= receiver.posts().len() as f64, "{}: {counted:?}", kind.name);
    })
    .await;
}

#[tokio::test]
async fn alerts_beyond_the_size_of_a_message_wait_for_the_next_message_and_use_no_fallback() {
    let receiver = Receiver::new([]);
    let slack = Slack::new(receiver.serve().await).unwrap();
    let called = Arc::new(AtomicBool::new(false));
    let other = service_fn({
        let called = Arc::clone(&called);
        move |_: Notification| {
            called.store(true, Ordering::Relaxed);
            ready(Ok::<_, DeliveryError>(()))
        }
    });
    let (_lookout, _scrape) = failing(|builder| builder.notify(slack.or_else(other))).await;
    eventually(60, "all alerts", || (named(&receiver).len() == 100).then_some(())).await;
    assert!(!called.load(Ordering::Relaxed));
}

/// A user's retry policy that retries once.
#[derive(Clone)]
struct Once(bool);

impl<T> Policy<Notification, T, DeliveryError> for Once {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _notification: &mut Notification,
        result: &mut Result<T, DeliveryError>,
    ) -> Option<Ready<()>> {
        (result.is_err() && std::mem::take(&mut self.0)).then(|| ready(()))
    }

    fn clone_request(&mut self, notification: &Notification) -> Option<Notification> {
        Some(notification.clone())
    }
}

#[tokio::test]
async fn a_retry_layer_posts_no_delivered_alert_again() {
    let receiver = Receiver::new([]);
    let slack = Slack::new(receiver.serve().await).unwrap();
    let (_lookout, scrape) =
        failing(|builder| builder.notify_as("slack", RetryLayer::new(Once(true)).layer(slack)))
            .await;
    eventually(60, "all alerts", || (named(&receiver).len() == 100).then_some(())).await;
    let posts: String = receiver.accepted().iter().map(|post| post.body.to_string()).collect();
    for route in routes() {
        // An alert names its route in the title and in the list of top routes.
        let count = posts.matches(&route).count();
        assert!(count <= 2, "{route} was posted {count} times");
    }
    let sent = sum(&scrape.render(), "lookout_notifications_sent_total", &[]);
    assert_eq!(sent, receiver.posts().len() as f64);
}

#[tokio::test]
async fn a_rejected_alert_is_dropped_without_the_other_alerts_of_its_message() {
    each(|kind| async move {
        let receiver = kind.receiver([]).rejecting("/r142");
        let url = receiver.serve().await;
        let (_lookout, scrape) = failing(|builder| kind.add(builder, &url)).await;
        eventually(60, kind.name, || (named(&receiver).len() == 99).then_some(())).await;
        let dropped = || (kind.counters(&scrape)[3] == 1.0).then_some(());
        eventually(60, &format!("{} drops one", kind.name), dropped).await;
        assert!(!named(&receiver).contains("/r142"));
    })
    .await;
}

#[tokio::test]
async fn a_healthy_receiver_gets_all_of_two_thousand_alerts_of_one_tick() {
    const ROUTES: usize = 995;
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    let receiver = service_fn({
        let accepted = Arc::clone(&accepted);
        move |notification: Notification| {
            let alerts = notification.alerts.iter();
            let names = alerts.map(|alert| (alert.name.to_string(), alert.title()));
            accepted.lock().unwrap().extend(names);
            ready(Ok::<_, Infallible>(()))
        }
    });
    let (lookout, scrape) = start(|builder| {
        let rules = ["Failing", "AlsoFailing"].map(|name| {
            let rule = Rule::error_ratio().above(0.01).each_route().min_requests(1);
            rule.over(Duration::from_secs(60)).named(name)
        });
        let builder = builder.route_fn(|head| Some(Cow::Owned(head.uri.path().to_owned())));
        builder.rules(rules).notify_as("healthy", receiver)
    });
    let service = lookout.layer().layer(service_fn(|_: Request<String>| async {
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok::<_, Infallible>(response)
    }));
    for route in 0..ROUTES {
        let request = Request::get(format!("/r{route}")).body(String::new()).unwrap();
        drop(service.clone().oneshot(request).await.unwrap());
    }
    let count = || accepted.lock().unwrap().len();
    eventually(30, "all alerts", || (count() == 2 * ROUTES).then_some(())).await;
    assert_eq!(sum(&scrape.render(), "lookout_notifications_dropped_total", &[]), 0.0);
}

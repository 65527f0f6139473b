//! The receiver against a local server that answers as Telegram does.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, Uri},
};
use serde_json::{Value, json};
use telegram_receiver::telegram;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tower::{Service, ServiceExt, service_fn};
use tower_lookout::{
    Alert, Lookout, Report, Rule,
    alert::{AlertStatus, Origin},
    notify::{Delivered, DeliveryError, DeliveryErrorKind, Notification},
};

/// Answers the next call with this, then with a message.
#[derive(Clone, Default)]
struct Telegram {
    answer: Arc<Mutex<Option<(u16, Value)>>>,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Telegram {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let telegram = self.clone();
        let app = Router::new().fallback(move |uri: Uri, body: String| async move {
            let mut calls = telegram.calls.lock().unwrap();
            calls.push((uri.path().to_owned(), serde_json::from_str(&body).unwrap()));
            let message = json!({"ok": true, "result": {"message_id": calls.len()}});
            let answer = telegram.answer.lock().unwrap().take().unwrap_or((200, message));
            (StatusCode::from_u16(answer.0).unwrap(), answer.1.to_string())
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    fn answers(&self, status: u16, description: &str, parameters: Value) {
        let body = json!({"ok": false, "description": description, "parameters": parameters});
        *self.answer.lock().unwrap() = Some((status, body));
    }

    fn calls(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

async fn receiver(
    telegram_: &Telegram,
) -> impl Service<Notification, Response = Delivered, Error = DeliveryError, Future: Send> {
    telegram(reqwest::Client::new(), &telegram_.serve().await, "1:s3cret", "-100")
}

/// A notification as a lookout sends it, of these alerts.
async fn notification(alerts: Vec<Alert>) -> Notification {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let lookout = Lookout::builder()
        .notify_as(
            "capture",
            service_fn(move |notification: Notification| {
                let sender = sender.clone();
                async move { sender.send(notification) }
            }),
        )
        .start()
        .unwrap();
    lookout.reporter().send(Report::new("Lost", "no broker"));
    let sent = timeout(Duration::from_secs(10), receiver.recv()).await;
    let mut notification = sent.unwrap().unwrap();
    notification.changes = vec![1; alerts.len()];
    notification.alerts = alerts;
    notification
}

fn firing(name: &str) -> Alert {
    let rule = Rule::error_ratio().above(0.01).named(name);
    Alert::of_rule(&rule).with_value(0.2).with_origin(Origin::default())
}

fn resolved(name: &str) -> Alert {
    let alert = firing(name);
    let ends_at = alert.starts_at + Duration::from_secs(60);
    alert.resolved_at(ends_at)
}

#[tokio::test]
async fn an_alert_has_one_message_which_is_edited_and_answered_when_it_resolves() {
    let server = Telegram::default();
    let mut receiver = receiver(&server).await;
    let fired = notification(vec![firing("A <b>&")]).await;
    receiver.ready().await.unwrap().call(fired.clone()).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].0, "/bot1:s3cret/sendMessage");
    assert_eq!(calls[0].1["chat_id"], "-100");
    assert_eq!(calls[0].1["parse_mode"], "HTML");
    let text = calls[0].1["text"].as_str().unwrap();
    assert!(text.starts_with("<b>[FIRING] A &lt;b&gt;&amp;"), "{text}");

    let mut over = fired.clone();
    over.alerts = vec![resolved("A <b>&")];
    receiver.ready().await.unwrap().call(over.clone()).await.unwrap();
    let calls = server.calls();
    let methods: Vec<_> = calls.iter().map(|call| call.0.rsplit('/').next().unwrap()).collect();
    assert_eq!(methods, ["editMessageText", "sendMessage"]);
    assert_eq!(calls[0].1["message_id"], 1);
    assert_eq!(calls[1].1["reply_parameters"]["message_id"], 1);
    assert_eq!(over.alerts[0].status, AlertStatus::Resolved);
}

#[tokio::test]
async fn a_message_that_can_not_be_edited_is_replaced() {
    let server = Telegram::default();
    let mut receiver = receiver(&server).await;
    let fired = notification(vec![firing("A")]).await;
    receiver.ready().await.unwrap().call(fired.clone()).await.unwrap();
    server.answers(400, "Bad Request: message to edit not found", json!({}));
    receiver.ready().await.unwrap().call(fired.clone()).await.unwrap();
    assert_eq!(server.calls().len(), 3, "a post, an edit, a post");
    server.answers(400, "Bad Request: message is not modified: …", json!({}));
    receiver.ready().await.unwrap().call(fired).await.unwrap();
    assert_eq!(server.calls().len(), 1, "an edit that changes nothing is a success");
}

#[tokio::test]
async fn each_error_is_classified_and_hides_the_token() {
    let fired = notification(vec![firing("A"), firing("B")]).await;
    let after = DeliveryErrorKind::RetryAfter(Duration::from_secs(7));
    let wrong = DeliveryErrorKind::Misconfigured;
    for (status, description, parameters, expected) in [
        (429, "Too Many Requests: retry after 7", json!({"retry_after": 7}), after),
        (400, "Bad Request: chat not found", json!({}), wrong),
        (401, "Unauthorized", json!({}), wrong),
        (403, "Forbidden: bot was kicked from the group chat", json!({}), wrong),
        (502, "Bad Gateway", json!({}), DeliveryErrorKind::Temporary),
    ] {
        let server = Telegram::default();
        let mut receiver = receiver(&server).await;
        server.answers(status, description, parameters);
        let error = receiver.ready().await.unwrap().call(fired.clone()).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{description}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(server.calls().len(), 1, "the rest of the message waits");
    }
    let server = Telegram::default();
    let mut receiver = receiver(&server).await;
    server.answers(400, "Bad Request: can't parse entities", json!({}));
    let delivered = receiver.ready().await.unwrap().call(fired.clone()).await.unwrap();
    assert_eq!(delivered.left().unwrap().alerts[0].name, fired.alerts[0].name);
    assert_eq!(delivered.error().unwrap().kind(), DeliveryErrorKind::Undeliverable);
    let mut nowhere = telegram(reqwest::Client::new(), "http://127.0.0.1:1", "1:s3cret", "-100");
    let error = nowhere.ready().await.unwrap().call(fired).await.unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn a_message_keeps_to_the_limit() {
    let server = Telegram::default();
    let mut receiver = receiver(&server).await;
    let mut alert = firing(&"🔴".repeat(5_000));
    alert.summary = Some("&🔴".repeat(5_000));
    receiver.ready().await.unwrap().call(notification(vec![alert]).await).await.unwrap();
    let calls = server.calls();
    let text = calls[0].1["text"].as_str().unwrap().replace("&amp;", "&");
    assert!(text.encode_utf16().count() <= 4_096 + "<b></b>".len());
}

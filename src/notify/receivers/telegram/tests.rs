//! The notifier against a local server that behaves like the Bot API.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, Uri},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tower::{Service, ServiceExt};

use super::{Telegram, html::parsed};
use crate::{
    alert::{Alert, AlertStatus, test_alert, test_report},
    notify::{DeliveryError, DeliveryErrorKind, Notification},
};

const TOKEN: &str = "123:s3cret";

/// A chat that keeps its messages, as Telegram does.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The responses to the next calls, with a status. `None` is the usual one.
    script: VecDeque<Option<(u16, Value)>>,
    /// The chat and the text of each message.
    messages: HashMap<i64, (Value, String)>,
    last_id: i64,
    supergroup: Option<i64>,
    calls: Vec<(String, Value)>,
}

impl Server {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = self.clone();
        let app = Router::new().fallback(move |uri: Uri, body: String| async move {
            let body = serde_json::from_str(&body).unwrap();
            let (status, body) = server.0.lock().unwrap().respond(uri.path(), body);
            (StatusCode::from_u16(status).unwrap(), body.to_string())
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    async fn bot(&self, chat: &str) -> Telegram {
        Telegram::new(TOKEN, chat).unwrap().url(self.serve().await).unwrap()
    }

    /// Adds responses to the next calls.
    fn script(&self, responses: impl IntoIterator<Item = Option<(u16, Value)>>) {
        self.0.lock().unwrap().script.extend(responses);
    }

    /// The method, the message and the title of each call.
    fn calls(&self) -> Vec<String> {
        self.bodies().iter().map(|(method, body)| call(method, body)).collect()
    }

    fn bodies(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().calls.clone()
    }

    /// The first line of each message in the chat.
    fn shown(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let mut messages: Vec<_> = state.messages.iter().collect();
        messages.sort_by_key(|(id, _)| **id);
        messages.iter().map(|(_, (_, text))| title(text)).collect()
    }
}

impl State {
    fn respond(&mut self, path: &str, body: Value) -> (u16, Value) {
        let method = path.strip_prefix("/bot123:s3cret/").unwrap().to_owned();
        self.calls.push((method.clone(), body.clone()));
        if let Some(Some(response)) = self.script.pop_front() {
            return response;
        }
        let text = body["text"].as_str().unwrap().to_owned();
        assert_eq!(body["parse_mode"], "HTML");
        assert_eq!(body["link_preview_options"], json!({"is_disabled": true}));
        assert!(parsed(&text).0.encode_utf16().count() <= 4_096);
        match self.supergroup {
            Some(id) if body["chat_id"] != json!(id) => {
                let mut response = error(400, "group chat was upgraded to a supergroup chat");
                response.1["parameters"] = json!({"migrate_to_chat_id": id});
                return response;
            }
            _ => {}
        }
        let id = if method == "editMessageText" {
            let id = body["message_id"].as_i64().unwrap();
            match self.messages.get(&id) {
                Some((chat, _)) if *chat != body["chat_id"] => return error(400, "wrong chat"),
                Some((_, old)) if *old == text => {
                    return error(400, "message is not modified: same");
                }
                Some(_) => id,
                None => return error(400, "message to edit not found"),
            }
        } else {
            assert_eq!(method, "sendMessage");
            self.last_id += 1;
            self.last_id
        };
        self.messages.insert(id, (body["chat_id"].clone(), text));
        let chat = body["chat_id"].as_i64().unwrap_or(-7);
        (200, json!({"ok": true, "result": {"message_id": id, "chat": {"id": chat}}}))
    }
}

fn error(status: u16, description: &str) -> (u16, Value) {
    let description = format!("Bad Request: {description}");
    (status, json!({"ok": false, "error_code": status, "description": description}))
}

fn title(text: &str) -> String {
    parsed(text).0.lines().next().unwrap().to_owned()
}

fn call(method: &str, body: &Value) -> String {
    let id = match &body["message_id"] {
        Value::Null => body["reply_parameters"]["message_id"].as_i64(),
        id => id.as_i64(),
    };
    let id = id.map(|id| format!(" {id}")).unwrap_or_default();
    format!("{method}{id}: {}", title(body["text"].as_str().unwrap()))
}

fn fired(rule: &str) -> Notification {
    Notification::new([test_alert(rule, AlertStatus::Firing)])
}

fn resolved(rule: &str) -> Notification {
    Notification::new([test_alert(rule, AlertStatus::Resolved)])
}

async fn deliver(bot: &mut Telegram, notification: Notification) -> Result<(), DeliveryError> {
    let delivered = bot.ready().await?.call(notification).await?;
    match delivered.error() {
        Some(error) => Err(DeliveryError::new(error.kind(), "left")),
        None => Ok(()),
    }
}

#[tokio::test]
async fn a_resolve_edits_the_alerts_message_and_replies_to_it_silently() {
    let server = Server::default();
    let mut bot = server.bot("-100").await.topic(7);
    deliver(&mut bot, fired("A")).await.unwrap();
    deliver(&mut bot, resolved("A")).await.unwrap();
    assert_eq!(
        server.calls(),
        [
            "sendMessage: 🔴 [FIRING] A · orders",
            "editMessageText 1: 🟢 [RESOLVED] A · orders",
            "sendMessage 1: 🟢 [RESOLVED] A · orders",
        ]
    );
    let bodies = server.bodies();
    let field = |call: usize, name: &str| bodies[call].1[name].clone();
    assert_eq!(field(0, "chat_id"), -100);
    assert_eq!([field(0, "message_thread_id"), field(2, "message_thread_id")], [7, 7]);
    assert_eq!([0, 2].map(|call| field(call, "disable_notification")), [false, true]);
    assert_eq!(field(2, "reply_parameters")["allow_sending_without_reply"], true);
}

#[tokio::test]
async fn a_repeated_report_is_counted_in_its_message() {
    let server = Server::default();
    let mut bot = server.bot("@alerts").await;
    let report = Alert { status: AlertStatus::Firing, ..test_report() };
    let mut again = report.clone();
    again.failure_mut().unwrap().total += 312;
    let name = report.name.clone();
    deliver(&mut bot, Notification::new([report])).await.unwrap();
    deliver(&mut bot, Notification::new([again])).await.unwrap();
    let calls = server.calls();
    assert!(calls[1].starts_with("editMessageText 1: 🔴 [FIRING]"), "{calls:?} {name}");
    let bodies = server.bodies();
    assert_eq!((&bodies[0].1["chat_id"], &bodies[1].1["chat_id"]), (&json!("@alerts"), &json!(-7)));
}

#[tokio::test]
async fn a_message_that_can_not_be_edited_is_replaced() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    deliver(&mut bot, fired("A")).await.unwrap();
    server.0.lock().unwrap().messages.clear();
    deliver(&mut bot, resolved("A")).await.unwrap();
    assert_eq!(server.shown(), ["🟢 [RESOLVED] A · orders"]);
    assert!(server.calls()[2].starts_with("sendMessage: "), "{:?}", server.calls());
}

#[tokio::test]
async fn an_edit_whose_response_was_lost_is_delivered_once() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    deliver(&mut bot, fired("A")).await.unwrap();
    // The first attempt changes the message, but its response is lost.
    let lost = (502, Value::Null);
    server.script([Some(lost)]);
    let error = deliver(&mut bot, resolved("A")).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Temporary);
    server.script([Some(error_of_unchanged())]);
    deliver(&mut bot, resolved("A")).await.unwrap();
    let methods: Vec<_> = server.bodies().into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["sendMessage", "editMessageText", "editMessageText", "sendMessage"]);
}

fn error_of_unchanged() -> (u16, Value) {
    error(400, "message is not modified: specified new message content is exactly the same")
}

#[tokio::test]
async fn a_new_bot_posts_the_resolve_of_an_unknown_message() {
    let server = Server::default();
    deliver(&mut server.bot("-100").await, fired("A")).await.unwrap();
    // As after a restart.
    deliver(&mut server.bot("-100").await, resolved("A")).await.unwrap();
    assert_eq!(server.shown(), ["🔴 [FIRING] A · orders", "🟢 [RESOLVED] A · orders"]);
}

#[tokio::test]
async fn a_rate_limit_half_way_is_honoured_and_nothing_is_posted_twice() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    deliver(&mut bot, fired("A")).await.unwrap();
    let mut limited = error(429, "Too Many Requests: retry after 7");
    limited.1["parameters"] = json!({"retry_after": 7});
    server.script([None, Some(limited)]);
    let error = deliver(&mut bot, resolved("A")).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::RetryAfter(Duration::from_secs(7)));
    deliver(&mut bot, resolved("A")).await.unwrap();
    let methods: Vec<_> = server.bodies().into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["sendMessage", "editMessageText", "sendMessage", "sendMessage"]);
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_followed() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    deliver(&mut bot, fired("A")).await.unwrap();
    server.0.lock().unwrap().supergroup = Some(-100_200);
    deliver(&mut bot, fired("B")).await.unwrap();
    // The message of A is in the former group, where it can't be edited.
    deliver(&mut bot, resolved("A")).await.unwrap();
    deliver(&mut bot.clone(), resolved("B")).await.unwrap();
    assert_eq!(
        server.calls(),
        [
            "sendMessage: 🔴 [FIRING] A · orders",
            "sendMessage: 🔴 [FIRING] B · orders",
            "sendMessage: 🔴 [FIRING] B · orders",
            "sendMessage: 🟢 [RESOLVED] A · orders",
            "editMessageText 2: 🟢 [RESOLVED] B · orders",
            "sendMessage 2: 🟢 [RESOLVED] B · orders",
        ]
    );
    assert_eq!(server.bodies()[2].1["chat_id"], -100_200);
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_before_an_edit_gets_a_new_message() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    deliver(&mut bot, fired("A")).await.unwrap();
    server.0.lock().unwrap().supergroup = Some(-100_200);
    deliver(&mut bot, resolved("A")).await.unwrap();
    let calls = server.calls();
    assert_eq!(
        calls[1..],
        ["editMessageText 1: 🟢 [RESOLVED] A · orders", "sendMessage: 🟢 [RESOLVED] A · orders"]
    );
    assert_eq!(server.bodies()[2].1["chat_id"], -100_200);
}

#[tokio::test]
async fn a_bot_that_was_removed_is_misconfigured_and_no_error_shows_the_token() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    let rest = Notification::new(["A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing)));
    for description in ["bot was kicked from the group chat", "bot was blocked by the user"] {
        server.script([Some(error(403, description))]);
        let error = deliver(&mut bot, rest.clone()).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Misconfigured, "{description}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    assert_eq!(server.calls().len(), 2, "the second alert waits");
    let mut nowhere = Telegram::new(TOKEN, "-100").unwrap().url("http://127.0.0.1:1").unwrap();
    let error = deliver(&mut nowhere, rest).await.unwrap_err();
    assert!(!format!("{error:?} {nowhere:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn an_alert_that_is_rejected_delays_no_other() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    server.script([Some(error(400, "can't parse entities"))]);
    let both = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
    let delivered = bot.ready().await.unwrap().call(Notification::new(both)).await.unwrap();
    assert_eq!(delivered.left().unwrap().alerts[0].name, "A".into());
    assert_eq!(delivered.error().unwrap().kind(), DeliveryErrorKind::Undeliverable);
    assert_eq!(server.shown(), ["🔴 [FIRING] B · orders"]);
}

#[tokio::test]
async fn a_hundred_alerts_are_posted_within_one_delivery() {
    let server = Server::default();
    let mut bot = server.bot("-100").await;
    let long = "<&>".repeat(1_000);
    let alerts = (0..100).map(|n| Alert {
        summary: Some(long.clone()),
        ..test_alert(&format!("R{n}"), AlertStatus::Firing)
    });
    let posted = deliver(&mut bot, Notification::new(alerts));
    timeout(Duration::from_secs(10), posted).await.unwrap().unwrap();
    let texts: String =
        server.bodies().iter().map(|(_, body)| body["text"].as_str().unwrap().to_owned()).collect();
    assert!((0..100).all(|n| texts.contains(&format!("R{n} · orders"))), "{texts}");
}

#[cfg(feature = "state")]
#[test]
fn the_address_in_the_state_file_depends_on_token_chat_and_topic() {
    use crate::notify::address_hash;

    let hash = |token: &str, chat: &str| address_hash(&Telegram::new(token, chat).unwrap());
    let first = hash(TOKEN, "-100");
    assert!(first.is_some());
    assert_eq!(hash(TOKEN, "-100"), first);
    for other in [
        hash("123:other", "-100"),
        hash(TOKEN, "-200"),
        address_hash(&Telegram::new(TOKEN, "-100").unwrap().topic(7)),
    ] {
        assert_ne!(other, first);
    }
}

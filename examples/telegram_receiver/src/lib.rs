//! Delivers alerts to Telegram: a message each, edited when it changes, and a reply when it resolves.

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::{Client, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tower::{Service, service_fn};
use tower_lookout::notify::{Delivered, DeliveryError, Notification};
use tower_lookout::{Alert, alert::AlertStatus};

/// Telegram's limit is 4096 UTF-16 units after the HTML is parsed. The title and the text share it.
const TITLE: usize = 1_000;
const TEXT: usize = 3_000;

/// A notifier that posts to a chat, by its ID or `@name`, as the bot with this token. The client
/// brings TLS, a proxy and timeouts; `server` is `https://api.telegram.org`, or one of your own.
pub fn telegram(
    client: Client,
    server: &str,
    token: &str,
    chat: &str,
) -> impl Service<Notification, Response = Delivered, Error = DeliveryError, Future: Send> + use<> {
    let base = format!("{server}/bot{token}");
    let chat = Arc::new(Chat { client, base, id: chat.to_owned(), messages: Mutex::default() });
    service_fn(move |notification| {
        let chat = Arc::clone(&chat);
        async move { chat.deliver(notification).await }
    })
}

struct Chat {
    client: Client,
    /// Contains the token.
    base: String,
    id: String,
    /// The ID of each alert's message, by the alert's fingerprint: at most a thousand.
    messages: Mutex<HashMap<u64, i64>>,
}

impl Chat {
    /// Delivers one alert after the other. An error contains those that failed.
    async fn deliver(&self, mut notification: Notification) -> Result<Delivered, DeliveryError> {
        let mut messages = self.messages.lock().await;
        let (mut left, mut failure) = (Vec::new(), None);
        for (alert, changes) in notification.iter() {
            // A failure of the chat concerns the rest, too.
            if !matches!(failure, Some(Failure::Chat(_))) {
                match self.deliver_one(&mut messages, alert, changes).await {
                    Ok(()) => continue,
                    Err(error) => failure = Some(error),
                }
            }
            left.push(alert.fingerprint());
        }
        let Some(Failure::Chat(error) | Failure::Message(error)) = failure else {
            return Ok(Delivered::default());
        };
        let total = notification.alerts.len();
        notification.retain(|alert| left.contains(&alert.fingerprint()));
        Delivered::default().except(notification, total, error)
    }

    async fn deliver_one(
        &self,
        messages: &mut HashMap<u64, i64>,
        alert: &Alert,
        changes: u32,
    ) -> Result<(), Failure> {
        let (key, text) = (alert.fingerprint(), html(alert, changes));
        if let Some(id) = messages.get(&key) {
            match self.call("editMessageText", json!({"message_id": id, "text": text})).await {
                Ok(_) if alert.status == AlertStatus::Firing => return Ok(()),
                Ok(_) => {
                    let text = escape(&cut(&alert.to_string(), TEXT));
                    let reply = json!({"message_id": id, "allow_sending_without_reply": true});
                    let body = json!({"text": text, "reply_parameters": reply});
                    self.call("sendMessage", body).await?;
                    messages.remove(&key);
                    return Ok(());
                }
                // It is gone, or too old to be edited: the alert gets a new message.
                Err(Failure::Message(_)) => messages.remove(&key),
                Err(error) => return Err(error),
            };
        }
        let id = self.call("sendMessage", json!({"text": text})).await?;
        let is_kept = alert.status == AlertStatus::Firing && messages.len() < 1_000;
        messages.extend(id.filter(|_| is_kept).map(|id| (key, id)));
        Ok(())
    }

    /// Calls a method, and returns the ID of the message.
    async fn call(&self, method: &str, mut body: Value) -> Result<Option<i64>, Failure> {
        body["chat_id"] = json!(self.id);
        body["parse_mode"] = json!("HTML");
        body["link_preview_options"] = json!({"is_disabled": true});
        let request = self.client.post(format!("{}/{method}", self.base)).body(body.to_string());
        // The URL contains the token.
        let response = request.header(CONTENT_TYPE, "application/json").send().await;
        let response = response
            .map_err(|error| Failure::Chat(DeliveryError::temporary(error.without_url())))?;
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        classify(status, &serde_json::from_str(&text).unwrap_or_default())
    }
}

/// Whether a failure concerns one message, or the whole chat.
enum Failure {
    Message(DeliveryError),
    Chat(DeliveryError),
}

fn classify(status: StatusCode, body: &Value) -> Result<Option<i64>, Failure> {
    let description = body["description"].as_str().unwrap_or_default();
    let reason = format!("{status} {description}");
    let concerns_chat = ["chat not found", "upgraded to a supergroup"];
    Err(match status.as_u16() {
        200..300 => return Ok(body["result"]["message_id"].as_i64()),
        400 if description.contains("message is not modified") => return Ok(None),
        429 => {
            let seconds = body["parameters"]["retry_after"].as_u64().unwrap_or(1);
            Failure::Chat(DeliveryError::retry_after(Duration::from_secs(seconds), reason))
        }
        400 if !concerns_chat.iter().any(|part| description.contains(part)) => {
            Failure::Message(DeliveryError::undeliverable(reason))
        }
        400..=407 | 409..500 => Failure::Chat(DeliveryError::misconfigured(reason)),
        _ => Failure::Chat(DeliveryError::temporary(reason)),
    })
}

fn html(alert: &Alert, changes: u32) -> String {
    let mut text = format!("{} ({})", alert.measured(), alert.condition());
    text.extend(alert.summary.iter().map(|summary| format!("\n{summary}")));
    text.extend((changes > 1).then(|| format!("\n{changes} changes while this message waited")));
    format!("<b>{}</b>\n{}", escape(&cut(&alert.title(), TITLE)), escape(&cut(&text, TEXT)))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most `most` UTF-16 units.
fn cut(text: &str, most: usize) -> String {
    let mut room = most;
    let fits = |part: &char| room.checked_sub(part.len_utf16()).map(|left| room = left).is_some();
    text.chars().take_while(fits).collect()
}

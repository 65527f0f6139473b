use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    payload::{is_silent, text},
    response::{Failure, MessageRef, classify},
};
use crate::{
    catch_panic::logged,
    notify::{
        DeliveryError, Notification,
        receivers::{
            chat::bot::{Bot, Rejection},
            http::{AddressError, Endpoint},
        },
    },
};

/// The methods of the Bot API that send and edit messages, with a token and a chat.
#[derive(Clone)]
pub(super) struct Api {
    chat: String,
    topic: Option<u32>,
    /// A secret. It is also a part of the endpoints' addresses.
    token: String,
    send: Endpoint,
    edit: Endpoint,
    /// The ID of the supergroup that the chat has become. A group becomes one only once.
    supergroup: Arc<OnceLock<i64>>,
}

/// The receiver's name in errors.
const NAME: &str = "Telegram bot";

/// The base URL of the Bot API.
const BASE: &str = "https://api.telegram.org";

/// A response repeats the message, with escapes of up to six bytes per UTF-16 code unit.
const RESPONSE_LIMIT: usize = 64 * 1_024;

/// The method that edits a message.
const EDIT: &str = "editMessageText";

/// The reason why a message of the former group gets a new one.
const MIGRATED: &str = "the group became a supergroup";

impl Api {
    #[cfg(feature = "state")]
    pub(super) fn address(&self) -> Vec<String> {
        let topic = self.topic.map(|topic| topic.to_string()).unwrap_or_default();
        vec![self.send.address(), self.chat.clone(), topic]
    }

    pub(super) fn new(token: &str, chat: &str) -> Result<Self, AddressError> {
        let (token, chat) = (token.trim(), chat.trim());
        if let Some(problem) = problem_of(token) {
            return Err(AddressError::Key { receiver: NAME, problem });
        }
        if !is_chat(chat) {
            let problem = if chat.is_empty() { "is empty" } else { "is neither an ID nor a name" };
            let example = "-1001234567890 or @alerts";
            return Err(AddressError::Channel { receiver: NAME, problem, example });
        }
        let (send, edit) = endpoints(BASE, token, None)?;
        let (chat, token) = (chat.to_owned(), token.to_owned());
        Ok(Self { chat, topic: None, token, send, edit, supergroup: Arc::default() })
    }

    pub(super) fn at(self, base: &str) -> Result<Self, AddressError> {
        let (send, edit) = endpoints(base, &self.token, Some(&self.send))?;
        Ok(Self { send, edit, ..self })
    }

    pub(super) fn topic(self, id: u32) -> Self {
        Self { topic: Some(id), ..self }
    }

    /// Applies `change` once: both methods share a client.
    pub(super) fn each_endpoint(&mut self, change: &mut dyn FnMut(&mut Endpoint)) {
        change(&mut self.send);
        self.edit = self.send.sibling(EDIT);
    }

    fn chat_id(&self) -> Value {
        match (self.supergroup.get(), self.chat.parse::<i64>()) {
            (Some(supergroup), _) => json!(supergroup),
            (None, Ok(id)) => json!(id),
            (None, Err(_)) => json!(self.chat),
        }
    }

    /// Whether a message is in the group that became a supergroup. There its ID may belong to
    /// another message.
    fn is_in_former_group(&self, message: &MessageRef) -> bool {
        self.supergroup.get().is_some_and(|supergroup| *supergroup != message.chat)
    }

    /// Notes the supergroup that the chat has become.
    fn migrate(&self, supergroup: i64) -> Result<(), DeliveryError> {
        if self.supergroup.set(supergroup).is_err() {
            return Err(DeliveryError::misconfigured(format!("{MIGRATED}: use {supergroup}")));
        }
        logged(|| {
            tracing::warn!(
                chat = self.chat,
                supergroup,
                "Telegram group became a supergroup: set the new ID in the configuration"
            );
        });
        Ok(())
    }

    async fn call(&self, method: &Endpoint, body: &Value) -> Result<Option<MessageRef>, Failure> {
        let response = method.clone().post(HeaderMap::new(), body.to_string()).await;
        classify(&response.map_err(Rejection::Failed)?, SystemTime::now())
    }
}

impl Bot for Api {
    type Message = MessageRef;

    const NAME: &'static str = NAME;

    /// Telegram's rate limit for one chat. A group has another one, of 20 messages a minute, which
    /// responses report.
    const POST_INTERVAL: Duration = Duration::from_secs(1);

    fn fitting(&self, notification: &Notification) -> usize {
        text(notification, SystemTime::now()).1
    }

    async fn post(
        &self,
        reply_to: Option<&MessageRef>,
        notification: &Notification,
    ) -> Result<Option<MessageRef>, Rejection> {
        let mut body = message(notification);
        body["disable_notification"] = json!(is_silent(notification));
        if let Some(topic) = self.topic {
            body["message_thread_id"] = json!(topic);
        }
        loop {
            body["chat_id"] = self.chat_id();
            body["reply_parameters"] = match reply_to {
                Some(message) if !self.is_in_former_group(message) => {
                    json!({"message_id": message.id, "allow_sending_without_reply": true})
                }
                _ => Value::Null,
            };
            match self.call(&self.send, &body).await {
                Err(Failure::Migrated(supergroup)) => self.migrate(supergroup)?,
                Err(Failure::Rejected(rejection)) => return Err(rejection),
                Ok(message) => return Ok(message),
            }
        }
    }

    async fn edit(
        &self,
        message_ref: &MessageRef,
        notification: &Notification,
    ) -> Result<(), Rejection> {
        if self.is_in_former_group(message_ref) {
            return Err(Rejection::Other(MIGRATED.to_owned()));
        }
        let mut body = message(notification);
        body["chat_id"] = json!(message_ref.chat);
        body["message_id"] = json!(message_ref.id);
        match self.call(&self.edit, &body).await {
            Err(Failure::Migrated(supergroup)) => {
                self.migrate(supergroup)?;
                Err(Rejection::Other(MIGRATED.to_owned()))
            }
            Err(Failure::Rejected(rejection)) => Err(rejection),
            Ok(_) => Ok(()),
        }
    }
}

/// The fields that both methods have.
fn message(notification: &Notification) -> Value {
    json!({
        "text": text(notification, SystemTime::now()).0,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": true},
    })
}

/// The endpoints that send and edit, with the certificates of `previous`.
fn endpoints(
    base: &str,
    token: &str,
    previous: Option<&Endpoint>,
) -> Result<(Endpoint, Endpoint), AddressError> {
    let send = Endpoint::under(base, &format!("bot{token}/sendMessage"), NAME, BASE)?;
    let mut send = send.with_response_limit(RESPONSE_LIMIT);
    if let Some(previous) = previous {
        send = send.with_trust_of(previous);
    }
    let edit = send.sibling(EDIT);
    Ok((send, edit))
}

/// The problem with a token, if it is invalid.
fn problem_of(token: &str) -> Option<&'static str> {
    if token.is_empty() {
        return Some("is empty: use the bot's token, such as 123456789:…");
    }
    let is_valid = token.split_once(':').is_some_and(|(bot, secret)| {
        let is_secret = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !bot.is_empty()
            && bot.bytes().all(|byte| byte.is_ascii_digit())
            && secret.bytes().all(is_secret)
    });
    (!is_valid).then_some("is not a bot token: use one such as 123456789:…")
}

/// Whether a text is the ID of a chat, or the name of a public one.
fn is_chat(chat: &str) -> bool {
    match chat.strip_prefix('@') {
        Some(name) => {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !name.is_empty() && name.bytes().all(is_part)
        }
        None => chat.parse::<i64>().is_ok_and(|id| id != 0),
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chat, topic, .. } = self;
        f.debug_struct("Api").field("chat", chat).field("topic", topic).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_token_is_rejected_without_showing_it() {
        for (token, expected) in [
            (" ", "is empty"),
            ("s3cret", "is not a bot token"),
            (":s3cret", "is not a bot token"),
            ("bot123:s3cret", "is not a bot token"),
            ("123:s3cret/getMe", "is not a bot token"),
            ("123:s3cret 4", "is not a bot token"),
        ] {
            let error = Api::new(token, "-100").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn an_invalid_chat_is_rejected() {
        for (chat, expected) in
            [(" ", "is empty"), ("0", "neither"), ("alerts", "neither"), ("@", "neither")]
        {
            let error = Api::new("123:s3cret", chat).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("such as -100"), "{error}");
        }
    }

    #[test]
    fn the_base_url_changes_both_methods_and_is_not_shown() {
        let api = || Api::new("123:s3cret", "@alerts").unwrap();
        let error = api().at("https://x/?key=s3cret").unwrap_err().to_string();
        assert!(error.contains("has a query") && !error.contains("s3cret"), "{error}");
        let api = api().at("https://bots.internal/api/").unwrap();
        let debug = format!("{api:?} {:?}", api.send);
        assert!(debug.contains("@alerts") && !debug.contains("s3cret"), "{debug}");
    }
}

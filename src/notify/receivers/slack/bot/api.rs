use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::response::{MessageRef, classify};
use crate::notify::{
    Notification,
    receivers::{
        chat::{
            bot::{Bot, Rejection},
            render::is_urgent,
        },
        http::{AddressError, Endpoint, Headers},
        slack::{mention::Mention, payload::payload},
    },
};

/// The methods of Slack's Web API that post and edit messages, with a token and a channel.
#[derive(Clone, Debug)]
pub(super) struct Api {
    channel: String,
    mention: Option<Mention>,
    /// Contains the token.
    headers: Headers,
    post: Endpoint,
    update: Endpoint,
}

/// The receiver's name in errors.
const NAME: &str = "Slack bot";

/// The base URL of Slack's Web API.
const BASE: &str = "https://slack.com/api";

/// Slack's response repeats the message, with escapes of up to six bytes per character.
const RESPONSE_LIMIT: usize = 256 * 1_024;

impl Api {
    #[cfg(feature = "state")]
    pub(super) fn address(&self) -> Vec<String> {
        vec![self.post.address(), self.channel.clone()]
    }

    pub(super) fn new(token: &str, channel: &str) -> Result<Self, AddressError> {
        let (token, channel) = (token.trim(), channel.trim());
        if let Some(problem) = problem_of(token) {
            return Err(AddressError::Key { receiver: NAME, problem });
        }
        let invalid = |problem| {
            Err(AddressError::Channel {
                receiver: NAME,
                problem,
                example: "#alerts or C0123456789",
            })
        };
        if channel.is_empty() {
            return invalid("is empty");
        }
        if channel.contains(|part: char| part.is_whitespace() || part.is_control()) {
            return invalid("contains whitespace");
        }
        let mut headers = Headers::default();
        headers.set("authorization", &format!("Bearer {token}"), NAME)?;
        // Slack adds a warning to responses if the charset is missing.
        headers.set("content-type", "application/json; charset=utf-8", NAME)?;
        let (post, update) = endpoints(BASE, None)?;
        Ok(Self { channel: channel.to_owned(), mention: None, headers, post, update })
    }

    pub(super) fn at(self, base: &str) -> Result<Self, AddressError> {
        let (post, update) = endpoints(base, Some(&self.post))?;
        Ok(Self { post, update, ..self })
    }

    pub(super) fn mention(self, mention: &str) -> Result<Self, AddressError> {
        Ok(Self { mention: Some(Mention::parse(mention, NAME)?), ..self })
    }

    /// Applies `change` once: both methods share a client.
    pub(super) fn each_endpoint(&mut self, change: &mut dyn FnMut(&mut Endpoint)) {
        change(&mut self.post);
        self.update = self.post.sibling(UPDATE);
    }

    async fn call(&self, method: &Endpoint, body: &Value) -> Result<Option<MessageRef>, Rejection> {
        let response = method.clone().post(self.headers.clone().into(), body.to_string());
        classify(&response.await.map_err(Rejection::Failed)?, SystemTime::now())
    }
}

impl Bot for Api {
    type Message = MessageRef;

    const NAME: &'static str = NAME;

    /// Slack's rate limit for posts to a channel. Edits have a separate one, which responses report.
    const POST_INTERVAL: Duration = Duration::from_secs(1);

    fn fitting(&self, notification: &Notification) -> usize {
        payload(notification, SystemTime::now()).1
    }

    /// A reply is a post to the message's thread.
    async fn post(
        &self,
        reply_to: Option<&MessageRef>,
        notification: &Notification,
    ) -> Result<Option<MessageRef>, Rejection> {
        let (mut body, named) = payload(notification, SystemTime::now());
        // The first message of a thread has mentioned them already.
        let mentions = reply_to.is_none() && is_urgent(notification, named);
        if let Some(mention) = self.mention.as_ref().filter(|_| mentions) {
            mention.add_to(&mut body);
        }
        body["channel"] = json!(reply_to.map_or(&self.channel, |thread| &thread.channel));
        if let Some(thread) = reply_to {
            body["thread_ts"] = json!(thread.ts);
        }
        self.call(&self.post, &body).await
    }

    async fn edit(
        &self,
        message: &MessageRef,
        notification: &Notification,
    ) -> Result<(), Rejection> {
        let (mut body, _) = payload(notification, SystemTime::now());
        let body = json!({
            "channel": message.channel,
            "ts": message.ts,
            "text": body["text"].take(),
            "blocks": body["blocks"].take(),
            // Without this, an edit turns names into links. A post does not.
            "parse": "none",
        });
        self.call(&self.update, &body).await.map(|_| ())
    }
}

/// The method that edits a message.
const UPDATE: &str = "chat.update";

/// The endpoints that post and edit, with the certificates of `previous`.
fn endpoints(
    base: &str,
    previous: Option<&Endpoint>,
) -> Result<(Endpoint, Endpoint), AddressError> {
    let mut post =
        Endpoint::under(base, "chat.postMessage", NAME, BASE)?.with_response_limit(RESPONSE_LIMIT);
    if let Some(previous) = previous {
        post = post.with_trust_of(previous);
    }
    let update = post.sibling(UPDATE);
    Ok((post, update))
}

/// The problem with a token, if it is invalid.
fn problem_of(token: &str) -> Option<&'static str> {
    if token.is_empty() {
        Some("is empty: use the app's bot token, which begins with xoxb-")
    } else if !["xoxb-", "xoxe.xoxb-"].iter().any(|start| token.starts_with(start)) {
        Some("is not a bot token: use the app's token that begins with xoxb-")
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("has an invalid character: use the app's bot token, which begins with xoxb-")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_token_is_rejected_without_showing_it() {
        for (token, expected) in [
            (" ", "is empty"),
            ("xapp-1-s3cret", "is not a bot token"),
            ("https://hooks.slack.com/services/s3cret", "is not a bot token"),
            ("xoxb-1 s3cret", "has an invalid character"),
        ] {
            let error = Api::new(token, "#alerts").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("xoxb-"), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn an_invalid_channel_is_rejected() {
        for (channel, expected) in [(" ", "channel is empty"), ("#my alerts", "whitespace")] {
            let error = Api::new("xoxb-1-s3cret", channel).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("such as #alerts"), "{error}");
        }
    }

    #[test]
    fn a_base_url_has_no_query() {
        let api = || Api::new("xoxb-1-s3cret", "#alerts").unwrap();
        for (base, expected) in [("", "is empty"), ("https://x/api?key=s3cret", "has a query")] {
            let error = api().at(base).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        let debug = format!("{:?}", api().at("https://slack-gov.com/api/").unwrap());
        assert!(debug.contains("#alerts") && !debug.contains("s3cret"), "{debug}");
    }
}

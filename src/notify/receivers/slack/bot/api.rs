use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{
    posted::MessageRef,
    response::{Rejection, classify},
};
use crate::notify::{
    Notification,
    receivers::{
        chat::render::is_urgent,
        http::{AddressError, Endpoint, Headers},
        slack::{mention::Mention, payload::payload},
    },
};

/// The methods of Slack's Web API that messages need, with a token and a channel.
#[derive(Clone, Debug)]
pub(super) struct Api {
    channel: String,
    mention: Option<Mention>,
    /// With the token.
    headers: Headers,
    post: Endpoint,
    update: Endpoint,
}

/// How errors name it.
const NAME: &str = "Slack bot";

/// Where Slack's methods are.
const BASE: &str = "https://slack.com/api";

/// Slack's answer repeats the message, with escapes of up to six bytes a character.
const RESPONSE_LIMIT: usize = 256 * 1_024;

/// Slack's limit for the messages of a channel; edits have one of their own, which the answers tell.
const BETWEEN_POSTS: Duration = Duration::from_secs(1);

/// When the next message may be posted.
#[derive(Debug, Default)]
pub(super) struct NextPost(Option<Instant>);

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
        let refused = |problem| {
            Err(AddressError::Channel {
                receiver: NAME,
                problem,
                example: "#alerts or C0123456789",
            })
        };
        if channel.is_empty() {
            return refused("is empty");
        }
        if channel.contains(|part: char| part.is_whitespace() || part.is_control()) {
            return refused("holds a blank");
        }
        let mut headers = Headers::default();
        headers.set("authorization", &format!("Bearer {token}"), NAME)?;
        // Slack warns where it is not told.
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

    /// Both methods share a client.
    pub(super) fn each_endpoint(&mut self, change: &mut dyn FnMut(&mut Endpoint)) {
        change(&mut self.post);
        self.update = self.post.sibling(UPDATE);
    }

    /// Posts a message to the channel, or to a thread.
    pub(super) async fn post(
        &self,
        next: &mut NextPost,
        thread: Option<&MessageRef>,
        notification: &Notification,
    ) -> Result<Option<MessageRef>, Rejection> {
        if let Some(next) = next.0 {
            sleep_until(next).await;
        }
        next.0 = Some(Instant::now() + BETWEEN_POSTS);
        let (mut body, named) = payload(notification, SystemTime::now());
        // A thread belongs to a message that has notified them.
        let is_news = thread.is_none() && is_urgent(notification, named);
        if let Some(mention) = self.mention.as_ref().filter(|_| is_news) {
            mention.add_to(&mut body);
        }
        body["channel"] = json!(thread.map_or(&self.channel, |thread| &thread.channel));
        if let Some(thread) = thread {
            body["thread_ts"] = json!(thread.ts);
        }
        let answer = self.call(&self.post, &body).await;
        // From the answer on: Slack counts by when a post arrives, which may be late.
        next.0 = Some(Instant::now() + BETWEEN_POSTS);
        answer
    }

    /// Has a message say something else.
    pub(super) async fn update(
        &self,
        place: &MessageRef,
        notification: &Notification,
    ) -> Result<Option<MessageRef>, Rejection> {
        let (mut body, _) = payload(notification, SystemTime::now());
        let body = json!({
            "channel": place.channel,
            "ts": place.ts,
            "text": body["text"].take(),
            "blocks": body["blocks"].take(),
            // Else an edit makes links of names, which a post does not.
            "parse": "none",
        });
        self.call(&self.update, &body).await
    }

    async fn call(&self, method: &Endpoint, body: &Value) -> Result<Option<MessageRef>, Rejection> {
        let answer = method.clone().post(self.headers.clone().into(), body.to_string());
        classify(&answer.await.map_err(Rejection::Failed)?, SystemTime::now())
    }
}

/// The method that edits, beside the one that posts.
const UPDATE: &str = "chat.update";

/// With the certificates of those before, if there are any.
fn endpoints(base: &str, before: Option<&Endpoint>) -> Result<(Endpoint, Endpoint), AddressError> {
    let mut post =
        Endpoint::under(base, "chat.postMessage", NAME, BASE)?.with_response_limit(RESPONSE_LIMIT);
    if let Some(before) = before {
        post = post.with_trust_of(before);
    }
    let update = post.sibling(UPDATE);
    Ok((post, update))
}

/// What is wrong with a token, if anything.
fn problem_of(token: &str) -> Option<&'static str> {
    if token.is_empty() {
        Some("is empty: use the app's bot token, which begins with xoxb-")
    } else if !["xoxb-", "xoxe.xoxb-"].iter().any(|start| token.starts_with(start)) {
        Some("is no bot token: use the one of the app that begins with xoxb-")
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("holds what is in no token: use the app's bot token, which begins with xoxb-")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_can_not_be_one_is_refused_without_being_told() {
        for (token, says) in [
            (" ", "is empty"),
            ("xapp-1-s3cret", "is no bot token"),
            ("https://hooks.slack.com/services/s3cret", "is no bot token"),
            ("xoxb-1 s3cret", "holds what is in no token"),
        ] {
            let error = Api::new(token, "#alerts").unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.to_string().contains("xoxb-"), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_channel_that_can_not_be_one_is_refused() {
        for (channel, says) in [(" ", "channel is empty"), ("#my alerts", "holds a blank")] {
            let error = Api::new("xoxb-1-s3cret", channel).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("such as #alerts"), "{error}");
        }
    }

    #[test]
    fn an_api_elsewhere_has_a_path_at_most() {
        let api = || Api::new("xoxb-1-s3cret", "#alerts").unwrap();
        for (base, says) in [("", "is empty"), ("https://x/api?key=s3cret", "more than a path")] {
            let error = api().at(base).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
        }
        let debug = format!("{:?}", api().at("https://slack-gov.com/api/").unwrap());
        assert!(debug.contains("#alerts") && !debug.contains("s3cret"), "{debug}");
    }
}

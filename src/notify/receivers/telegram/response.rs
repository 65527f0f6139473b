use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::notify::{
    DeliveryError,
    receivers::{
        chat::bot::Rejection,
        http::{ApiResponse, retry_delay},
    },
};

/// Telegram's reference to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageRef {
    pub(super) chat: i64,
    pub(super) id: i64,
}

/// The reason why a call of the Bot API failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The group became the supergroup with this ID.
    Migrated(i64),
    Rejected(Rejection),
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// The delay after a rate limit without `retry_after`.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);

/// Classifies the response to a post or an edit. Returns a reference to the message, if the
/// response contains one.
///
/// An error has the same code as the response's status, and a description:
/// <https://core.telegram.org/bots/api#making-requests>.
pub(super) fn classify(
    response: &ApiResponse,
    now: SystemTime,
) -> Result<Option<MessageRef>, Failure> {
    let text = response.text.trim();
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    if response.status.is_success() {
        return match body["ok"].as_bool() {
            Some(true) => Ok(MessageRef::parse(&body["result"])),
            // Most likely posted: a retry might post the message again and again.
            None if response.is_truncated || text.is_empty() => Ok(None),
            // Something other than Telegram accepted the message, and would accept a retry, too.
            _ => {
                let reason =
                    format!("{} with {} bytes not from Telegram", response.status, text.len());
                Err(failed(DeliveryError::undeliverable(reason)))
            }
        };
    }
    let parameters = &body["parameters"];
    if let Some(supergroup) = parameters["migrate_to_chat_id"].as_i64() {
        return Err(Failure::Migrated(supergroup));
    }
    let description = body["description"].as_str().unwrap_or_default();
    let reason = reason(response, description);
    match (response.status.as_u16(), fix(response.status.as_u16(), description)) {
        (429, _) => {
            let delay = parameters["retry_after"].as_f64().and_then(retry_delay);
            let delay = delay.or_else(|| response.retry_after(now)).unwrap_or(DEFAULT_DELAY);
            Err(failed(DeliveryError::retry_after(delay, reason)))
        }
        (_, Some(fix)) => Err(failed(DeliveryError::misconfigured(format!("{reason}: {fix}")))),
        (400, None) if description.contains("message is not modified") => Ok(None),
        (400, None) if rejects_content(description) => Err(failed(DeliveryError::rejected(reason))),
        (400, None) if !description.is_empty() => Err(Rejection::Other(reason).into()),
        _ => response.classify_by_status(now, reason).map(|()| None).map_err(failed),
    }
}

fn failed(error: DeliveryError) -> Failure {
    Failure::Rejected(Rejection::Failed(error))
}

/// The status, with the description if it is a plain sentence. It may contain a part of the
/// message.
fn reason(response: &ApiResponse, description: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ,.:'_-".contains(&byte);
    match description.len() {
        1..=200 if description.bytes().all(is_plain) => {
            format!("{} {description}", response.status)
        }
        _ => response.status.to_string(),
    }
}

/// How to fix a misconfiguration, for the errors that report one.
fn fix(status: u16, description: &str) -> Option<&'static str> {
    let fixes: &[(&str, &str)] = match status {
        400 => &[
            ("chat not found", "check the chat's ID or name, and add the bot to the chat"),
            ("message thread not found", "check the ID of the topic"),
            ("TOPIC_CLOSED", "the topic is closed: reopen it, or use another one"),
            ("TOPIC_DELETED", "the topic is deleted: use another one"),
            ("not enough rights", RIGHTS),
            ("have no rights", RIGHTS),
            ("CHAT_WRITE_FORBIDDEN", RIGHTS),
            ("CHANNEL_PRIVATE", "add the bot to the channel"),
        ],
        401 | 404 if !description.is_empty() => &[("", "use the bot's current token")],
        403 => &[
            ("blocked by the user", "the user blocked the bot, and has to unblock it"),
            ("can't initiate conversation", "the user has to start the bot first"),
            ("was kicked", "add the bot to the chat again"),
            ("not a member", "add the bot to the chat"),
            ("rights", RIGHTS),
        ],
        _ => &[],
    };
    fixes.iter().find(|(part, _)| description.contains(part)).map(|(_, fix)| *fix)
}

const RIGHTS: &str = "let the bot send messages, as an administrator if the chat is a channel";

/// Whether the description rejects the message's content, which a retry would not change.
fn rejects_content(description: &str) -> bool {
    let parts =
        ["can't parse entities", "message is too long", "text is empty", "must be non-empty"];
    parts.iter().any(|part| description.contains(part))
}

impl MessageRef {
    fn parse(message: &Value) -> Option<Self> {
        Some(Self { chat: message["chat"]["id"].as_i64()?, id: message["message_id"].as_i64()? })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::{causes::one_line, notify::DeliveryErrorKind};

    fn response(status: u16, text: &str) -> ApiResponse {
        ApiResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            text: text.to_owned(),
            is_truncated: false,
        }
    }

    fn error(status: u16, description: &str) -> ApiResponse {
        let body =
            serde_json::json!({"ok": false, "error_code": status, "description": description});
        response(status, &body.to_string())
    }

    fn rejection(response: &ApiResponse) -> Rejection {
        match classify(response, SystemTime::now()) {
            Err(Failure::Rejected(rejection)) => rejection,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_success_returns_the_message_reference() {
        let reference = |text| classify(&response(200, text), SystemTime::now()).unwrap();
        let sent = r#"{"ok":true,"result":{"message_id":42,"chat":{"id":-1001234567890}}}"#;
        assert_eq!(reference(sent), Some(MessageRef { chat: -1_001_234_567_890, id: 42 }));
        assert_eq!([reference(r#"{"ok":true}"#), reference("")], [None, None]);
        let cut = ApiResponse { is_truncated: true, ..response(200, &sent[..30]) };
        assert_eq!(classify(&cut, SystemTime::now()).unwrap(), None);
        let foreign = rejection(&response(200, "<html>sign in</html>"));
        assert_eq!(DeliveryError::from(foreign).kind(), DeliveryErrorKind::Undeliverable);
    }

    #[test]
    fn each_description_is_classified() {
        use DeliveryErrorKind::{Misconfigured, Rejected, Temporary};
        for (status, description, expected, expected_text) in [
            (400, "Bad Request: chat not found", Misconfigured, "check the chat's ID or name"),
            (400, "Bad Request: message thread not found", Misconfigured, "ID of the topic"),
            (400, "Bad Request: TOPIC_CLOSED", Misconfigured, "reopen it"),
            (
                400,
                "Bad Request: not enough rights to send text messages to the chat",
                Misconfigured,
                "as an administrator",
            ),
            (401, "Unauthorized", Misconfigured, "use the bot's current token"),
            (403, "Forbidden: bot was blocked by the user", Misconfigured, "has to unblock it"),
            (403, "Forbidden: bot was kicked from the group chat", Misconfigured, "again"),
            (403, "Forbidden: a reason of tomorrow", Misconfigured, "a reason of tomorrow"),
            (404, "Not Found", Misconfigured, "use the bot's current token"),
            (404, "", Misconfigured, "404 Not Found"),
            (400, "Bad Request: message is too long", Rejected, "message is too long"),
            (400, "Bad Request: can't parse entities: <b> s3cret", Rejected, "400 Bad Request"),
            (400, "", Rejected, "400 Bad Request"),
            (502, "Bad Gateway", Temporary, "502"),
        ] {
            let error = DeliveryError::from(rejection(&error(status, description)));
            let text = one_line(&error);
            assert_eq!(error.kind(), expected, "{text}");
            assert!(text.contains(expected_text) && !text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn the_delay_is_that_of_the_body_else_that_of_the_header() {
        for (body, header, expected) in [
            (r#"{"ok":false,"parameters":{"retry_after":7}}"#, "3", 7),
            (r#"{"ok":false}"#, "3", 3),
            ("", "", 1),
            (r#"{"parameters":{"retry_after":1000000}}"#, "", 3_600),
        ] {
            let mut response = response(429, body);
            if !header.is_empty() {
                response.headers.insert(header::RETRY_AFTER, header.parse().unwrap());
            }
            let kind = DeliveryError::from(rejection(&response)).kind();
            assert_eq!(kind, DeliveryErrorKind::RetryAfter(Duration::from_secs(expected)));
        }
    }

    #[test]
    fn an_edit_that_changes_nothing_is_a_success() {
        let description = "Bad Request: message is not modified: specified new message content and \
                           reply markup are exactly the same";
        assert_eq!(classify(&error(400, description), SystemTime::now()).unwrap(), None);
    }

    #[test]
    fn an_unknown_rejection_allows_a_new_message_and_drops_no_alert() {
        for description in ["Bad Request: message to edit not found", "Bad Request: of tomorrow"] {
            let rejection = rejection(&error(400, description));
            assert!(rejection.allows_new_message(), "{description}");
            assert_eq!(DeliveryError::from(rejection).kind(), DeliveryErrorKind::Misconfigured);
        }
    }

    #[test]
    fn a_migrated_group_names_its_supergroup() {
        let text = r#"{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1005}}"#;
        let failure = classify(&response(400, text), SystemTime::now());
        assert!(matches!(failure, Err(Failure::Migrated(-1005))), "{failure:?}");
    }
}

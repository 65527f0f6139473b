use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::notify::{
    DeliveryError,
    receivers::{chat::bot::Rejection, http::ApiResponse, slack::classify::is_error_code},
};

/// Slack's reference to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageRef {
    /// The channel's ID: an edit does not accept the name.
    pub(super) channel: String,
    pub(super) ts: String,
}

impl MessageRef {
    /// Reads the reference from the response to a post.
    fn parse(response: &Value) -> Option<Self> {
        let text = |name: &str| Some(response[name].as_str()?.to_owned());
        Some(Self { channel: text("channel")?, ts: text("ts")? })
    }
}

/// The delay after a rate limit without `Retry-After`.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);

/// Classifies the response to a post or an edit. Returns a reference to the message, if the
/// response contains one.
///
/// Slack responds with 200 and an error code in the body:
/// <https://docs.slack.dev/reference/methods/chat.postMessage#errors>. If the body is incomplete,
/// its beginning decides: a failure is retried, anything else counts as posted.
pub(super) fn classify(
    response: &ApiResponse,
    now: SystemTime,
) -> Result<Option<MessageRef>, Rejection> {
    let text = response.text.trim();
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let code = body["error"].as_str().filter(|code| is_error_code(code));
    if !response.status.is_success() {
        let reason = match code {
            Some(code) => format!("{} {code}", response.status),
            None => response.status.to_string(),
        };
        return response.classify_by_status(now, reason).map(|()| None).map_err(Rejection::Failed);
    }
    match (body["ok"].as_bool(), code) {
        (Some(true), _) => Ok(MessageRef::parse(&body)),
        (Some(false), Some(code)) => Err(classify_code(code, response.retry_after(now))),
        (Some(false), None) => {
            Err(Rejection::Failed(DeliveryError::misconfigured("not a Slack error code")))
        }
        (None, _) if response.is_truncated && begins_with_failure(text) => {
            let reason = format!("{} with an incomplete error", response.status);
            Err(Rejection::Failed(DeliveryError::temporary(reason)))
        }
        // Most likely posted: a retry might post the message again and again.
        (None, _) if response.is_truncated || text.is_empty() => Ok(None),
        // Something other than Slack accepted the message, and would accept a retry, too.
        (None, _) => {
            let reason = format!("{} with {} bytes not from Slack", response.status, text.len());
            Err(Rejection::Failed(DeliveryError::undeliverable(reason)))
        }
    }
}

/// Whether an incomplete body reports a failure. Slack sends `ok` first.
fn begins_with_failure(text: &str) -> bool {
    let begins: String = text.chars().filter(|part| !part.is_whitespace()).take(11).collect();
    begins == r#"{"ok":false"#
}

fn classify_code(code: &str, delay: Option<Duration>) -> Rejection {
    Rejection::Failed(match code {
        "ratelimited" | "rate_limited" => {
            DeliveryError::retry_after(delay.unwrap_or(DEFAULT_DELAY), code)
        }
        code if TRANSIENT.contains(&code) => DeliveryError::temporary(code),
        code if rejects_content(code) => DeliveryError::rejected(code),
        code => match fix(code) {
            Some(fix) => DeliveryError::misconfigured(format!("{code}: {fix}")),
            None => return Rejection::Other(code.to_owned()),
        },
    })
}

/// The codes of transient errors.
const TRANSIENT: [&str; 7] = [
    "external_channel_migrating",
    "fatal_error",
    "internal_error",
    "org_login_required",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// How to fix a misconfiguration, for the codes that report one.
fn fix(code: &str) -> Option<&'static str> {
    Some(match code {
        "not_in_channel" => "invite the bot to the channel",
        "channel_not_found" => {
            "check the channel's name or ID, and invite the bot if the channel is private"
        }
        "is_archived" | "is_inactive" => "the channel is archived: use another one",
        "account_inactive" | "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" => {
            "use the app's current bot token"
        }
        "missing_scope" | "no_permission" => "add the scope chat:write, and reinstall the app",
        "not_allowed_token_type" => "use the app's bot token, which begins with xoxb-",
        "restricted_action" | "restricted_action_read_only_channel" => {
            "let the bot post, in the settings of the channel or the workspace"
        }
        _ => return None,
    })
}

/// Whether the code rejects the message's content, which a retry would not change.
fn rejects_content(code: &str) -> bool {
    let begins = ["invalid_", "msg_", "too_many_"].iter().any(|start| code.starts_with(start));
    (begins && code != "invalid_auth") || code == "no_text"
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::{causes::one_line, notify::DeliveryErrorKind};

    fn response(status: u16, retry_after: Option<&str>, text: &str) -> ApiResponse {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        ApiResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            text: text.to_owned(),
            is_truncated: false,
        }
    }

    fn failed(response: &ApiResponse) -> (DeliveryErrorKind, String) {
        match classify(response, SystemTime::now()) {
            Err(Rejection::Failed(error)) => (error.kind(), one_line(&error)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_success_returns_the_message_reference() {
        let reference = |text| classify(&response(200, None, text), SystemTime::now()).unwrap();
        let posted = r#"{"ok": true, "channel": "C1", "ts": "1503435956.000247", "message": {}}"#;
        let message = reference(posted).unwrap();
        assert_eq!((&*message.channel, &*message.ts), ("C1", "1503435956.000247"));
        assert!(reference(r#"{"ok": true}"#).is_none() && reference("").is_none());
    }

    #[test]
    fn an_incomplete_response_counts_as_posted_unless_it_begins_with_a_failure() {
        let classify = |text| {
            let response = ApiResponse { is_truncated: true, ..response(200, None, text) };
            classify(&response, SystemTime::now())
        };
        for text in ["", "{", r#"{"ok":t"#, r#"{"ok":true,"channel":"C1"#, "<html>sign"] {
            assert!(matches!(classify(text), Ok(None)), "{text}");
        }
        for text in [r#"{"ok":false"#, r#"{ "ok": false, "error": "internal_er"#] {
            let error = DeliveryError::from(classify(text).unwrap_err());
            assert_eq!(error.kind(), DeliveryErrorKind::Temporary, "{text}");
        }
    }

    #[test]
    fn each_error_code_is_classified() {
        let after = |seconds| DeliveryErrorKind::RetryAfter(Duration::from_secs(seconds));
        for (code, retry_after, expected, expected_text) in [
            ("ratelimited", Some("30"), after(30), "ratelimited"),
            ("rate_limited", None, after(1), "rate_limited"),
            ("internal_error", None, DeliveryErrorKind::Temporary, "internal_error"),
            ("service_unavailable", None, DeliveryErrorKind::Temporary, "service_unavailable"),
            (
                "invalid_auth",
                None,
                DeliveryErrorKind::Misconfigured,
                "use the app's current bot token",
            ),
            (
                "token_revoked",
                None,
                DeliveryErrorKind::Misconfigured,
                "use the app's current bot token",
            ),
            ("missing_scope", None, DeliveryErrorKind::Misconfigured, "chat:write"),
            (
                "channel_not_found",
                None,
                DeliveryErrorKind::Misconfigured,
                "check the channel's name or ID",
            ),
            (
                "not_in_channel",
                None,
                DeliveryErrorKind::Misconfigured,
                "invite the bot to the channel",
            ),
            ("is_archived", None, DeliveryErrorKind::Misconfigured, "archived"),
            (
                "restricted_action_read_only_channel",
                None,
                DeliveryErrorKind::Misconfigured,
                "settings",
            ),
            ("S3cret of xoxb-1", None, DeliveryErrorKind::Misconfigured, "not a Slack error code"),
            ("invalid_blocks", None, DeliveryErrorKind::Rejected, "invalid_blocks"),
            ("msg_blocks_too_long", None, DeliveryErrorKind::Rejected, "msg_blocks_too_long"),
            ("no_text", None, DeliveryErrorKind::Rejected, "no_text"),
        ] {
            let text = format!(r#"{{"ok": false, "error": "{code}"}}"#);
            let (remedy, reason) = failed(&response(200, retry_after, &text));
            assert_eq!(remedy, expected, "{code}");
            assert!(reason.contains(expected_text) && !reason.contains("xoxb-1"), "{reason}");
        }
    }

    #[test]
    fn an_unknown_error_code_drops_no_alert() {
        for code in [
            "cant_update_message",
            "edit_window_closed",
            "message_not_found",
            "restricted_action_non_threadable_channel",
            "thread_not_found",
            "unknown_code",
        ] {
            let text = format!(r#"{{"ok": false, "error": "{code}"}}"#);
            let rejection = classify(&response(200, None, &text), SystemTime::now()).unwrap_err();
            assert!(matches!(&rejection, Rejection::Other(other) if other == code));
            assert!(rejection.allows_new_message());
            assert_eq!(DeliveryError::from(rejection).kind(), DeliveryErrorKind::Misconfigured);
        }
    }

    #[test]
    fn a_response_not_from_slack_is_classified_by_its_status() {
        let after = DeliveryErrorKind::RetryAfter(Duration::from_secs(7));
        for (status, retry_after, text, expected) in [
            (429, Some("7"), r#"{"ok": false, "error": "ratelimited"}"#, after),
            (503, None, "", DeliveryErrorKind::Temporary),
            (404, None, "<html>no such page</html>", DeliveryErrorKind::Misconfigured),
            (413, None, "", DeliveryErrorKind::Rejected),
            (200, None, "<html>sign in</html>", DeliveryErrorKind::Undeliverable),
        ] {
            let (remedy, reason) = failed(&response(status, retry_after, text));
            assert_eq!(remedy, expected, "{status}");
            assert!(!reason.contains("html"), "{reason}");
        }
    }
}

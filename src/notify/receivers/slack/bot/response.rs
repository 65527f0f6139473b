use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::posted::MessageRef;
use crate::notify::{
    DeliveryError,
    error::Remedy,
    receivers::{http::ApiResponse, slack::classify::is_word},
};

/// Why Slack did not do as it was asked.
#[derive(Debug)]
pub(super) enum Rejection {
    /// For what is known of all messages, or of this one.
    Failed(DeliveryError),
    /// By another word of Slack's: where a message was to be edited or answered, a new one may be taken.
    Other(String),
}

impl Rejection {
    /// Whether a new message may be taken where an edit was not.
    pub(super) fn is_of_the_message(&self) -> bool {
        match self {
            Self::Failed(error) => error.remedy() == Remedy::Rejected,
            Self::Other(_) => true,
        }
    }
}

impl From<Rejection> for DeliveryError {
    fn from(refused: Rejection) -> Self {
        match refused {
            Rejection::Failed(error) => error,
            // What is not known is not dropped.
            Rejection::Other(word) => Self::broken(word),
        }
    }
}

/// What is waited after a limit that says nothing of it.
const WAIT: Duration = Duration::from_secs(1);

/// Where the message stands that was posted or edited, if the answer says so.
///
/// Slack answers with 200 and names an error by a word:
/// <https://docs.slack.dev/reference/methods/chat.postMessage#errors>. Where the body breaks off, or does
/// not end in time, what has come of it decides: a refusal is retried, anything else counts as posted.
pub(super) fn classify(
    answer: &ApiResponse,
    now: SystemTime,
) -> Result<Option<MessageRef>, Rejection> {
    let text = answer.text.trim();
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let word = body["error"].as_str().filter(|word| is_word(word));
    if !answer.status.is_success() {
        let told = match word {
            Some(word) => format!("{} {word}", answer.status),
            None => answer.status.to_string(),
        };
        return answer.classify_by_status(now, told).map(|()| None).map_err(Rejection::Failed);
    }
    match (body["ok"].as_bool(), word) {
        (Some(true), _) => Ok(MessageRef::of(&body)),
        (Some(false), Some(word)) => Err(by_word(word, answer.retry_after(now))),
        (Some(false), None) => {
            Err(Rejection::Failed(DeliveryError::broken("an error that is no word of Slack's")))
        }
        // Nothing was posted.
        (None, _) if answer.is_truncated && is_refusal(text) => {
            let reason = format!("{} with an error that broke off", answer.status);
            Err(Rejection::Failed(DeliveryError::retry(reason)))
        }
        // Most likely posted: another try might post twice, again and again.
        (None, _) if answer.is_truncated || text.is_empty() => Ok(None),
        // Taken by something that is not Slack: a second try would most likely be taken, too.
        (None, _) => {
            let told =
                format!("{} with {} bytes that Slack does not say", answer.status, text.len());
            Err(Rejection::Failed(DeliveryError::astray(told)))
        }
    }
}

/// Whether this is the beginning of an answer that refuses: `ok` comes first.
fn is_refusal(text: &str) -> bool {
    let begins: String = text.chars().filter(|part| !part.is_whitespace()).take(11).collect();
    begins == r#"{"ok":false"#
}

fn by_word(word: &str, wait: Option<Duration>) -> Rejection {
    Rejection::Failed(match word {
        "ratelimited" | "rate_limited" => DeliveryError::retry_after(wait.unwrap_or(WAIT), word),
        word if PASSES.contains(&word) => DeliveryError::retry(word),
        word if is_of_the_text(word) => DeliveryError::rejected(word),
        word => match mend(word) {
            Some(mend) => DeliveryError::broken(format!("{word}: {mend}")),
            None => return Rejection::Other(word.to_owned()),
        },
    })
}

/// The words of what is over in a while.
const PASSES: [&str; 7] = [
    "external_channel_migrating",
    "fatal_error",
    "internal_error",
    "org_login_required",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// What a person is to do, where nothing is taken any more.
fn mend(word: &str) -> Option<&'static str> {
    Some(match word {
        "not_in_channel" => "invite the bot to the channel",
        "channel_not_found" => {
            "check the channel's name or ID, and invite the bot if the channel is private"
        }
        "is_archived" | "is_inactive" => "the channel is archived: name another one",
        "account_inactive" | "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" => {
            "take the bot token that the app has now"
        }
        "missing_scope" | "no_permission" => {
            "give the app the scope chat:write, and install it again"
        }
        "not_allowed_token_type" => "take the app's bot token, which begins with xoxb-",
        "restricted_action" | "restricted_action_read_only_channel" => {
            "let the bot post by the settings of the channel or the workspace"
        }
        _ => return None,
    })
}

/// What is wrong with it would be so with each try.
fn is_of_the_text(word: &str) -> bool {
    let begins = ["invalid_", "msg_", "too_many_"].iter().any(|start| word.starts_with(start));
    (begins && word != "invalid_auth") || word == "no_text"
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::notify::error::chain;

    fn answer(status: u16, retry_after: Option<&str>, text: &str) -> ApiResponse {
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

    fn failed(answer: &ApiResponse) -> (Remedy, String) {
        match classify(answer, SystemTime::now()) {
            Err(Rejection::Failed(error)) => (error.remedy(), chain(&error)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_success_tells_where_the_message_stands() {
        let place = |text| classify(&answer(200, None, text), SystemTime::now()).unwrap();
        let posted = r#"{"ok": true, "channel": "C1", "ts": "1503435956.000247", "message": {}}"#;
        let stands = place(posted).unwrap();
        assert_eq!((&*stands.channel, &*stands.ts), ("C1", "1503435956.000247"));
        assert!(place(r#"{"ok": true}"#).is_none() && place("").is_none());
    }

    #[test]
    fn an_answer_that_broke_off_counts_as_posted_unless_it_begins_with_a_refusal() {
        let classify = |text| {
            let answer = ApiResponse { is_truncated: true, ..answer(200, None, text) };
            classify(&answer, SystemTime::now())
        };
        for text in ["", "{", r#"{"ok":t"#, r#"{"ok":true,"channel":"C1"#, "<html>sign"] {
            assert!(matches!(classify(text), Ok(None)), "{text}");
        }
        for text in [r#"{"ok":false"#, r#"{ "ok": false, "error": "internal_er"#] {
            let error = DeliveryError::from(classify(text).unwrap_err());
            assert_eq!(error.remedy(), Remedy::Retry, "{text}");
        }
    }

    #[test]
    fn every_word_has_its_remedy() {
        let after = |seconds| Remedy::RetryAfter(Duration::from_secs(seconds));
        for (word, retry_after, expected, tells) in [
            ("ratelimited", Some("30"), after(30), "ratelimited"),
            ("rate_limited", None, after(1), "rate_limited"),
            ("internal_error", None, Remedy::Retry, "internal_error"),
            ("service_unavailable", None, Remedy::Retry, "service_unavailable"),
            (
                "invalid_auth",
                None,
                Remedy::Misconfigured,
                "take the bot token that the app has now",
            ),
            (
                "token_revoked",
                None,
                Remedy::Misconfigured,
                "take the bot token that the app has now",
            ),
            ("missing_scope", None, Remedy::Misconfigured, "chat:write"),
            ("channel_not_found", None, Remedy::Misconfigured, "check the channel's name or ID"),
            ("not_in_channel", None, Remedy::Misconfigured, "invite the bot to the channel"),
            ("is_archived", None, Remedy::Misconfigured, "archived"),
            ("restricted_action_read_only_channel", None, Remedy::Misconfigured, "settings"),
            ("S3cret of xoxb-1", None, Remedy::Misconfigured, "no word of Slack's"),
            ("invalid_blocks", None, Remedy::Rejected, "invalid_blocks"),
            ("msg_blocks_too_long", None, Remedy::Rejected, "msg_blocks_too_long"),
            ("no_text", None, Remedy::Rejected, "no_text"),
        ] {
            let text = format!(r#"{{"ok": false, "error": "{word}"}}"#);
            let (remedy, told) = failed(&answer(200, retry_after, &text));
            assert_eq!(remedy, expected, "{word}");
            assert!(told.contains(tells) && !told.contains("xoxb-1"), "{told}");
        }
    }

    #[test]
    fn any_other_word_may_be_of_one_message_and_drops_nothing() {
        for word in [
            "cant_update_message",
            "edit_window_closed",
            "message_not_found",
            "restricted_action_non_threadable_channel",
            "thread_not_found",
            "a_word_of_tomorrow",
        ] {
            let text = format!(r#"{{"ok": false, "error": "{word}"}}"#);
            let refused = classify(&answer(200, None, &text), SystemTime::now()).unwrap_err();
            assert!(matches!(&refused, Rejection::Other(said) if said == word));
            assert!(refused.is_of_the_message());
            assert_eq!(DeliveryError::from(refused).remedy(), Remedy::Misconfigured);
        }
    }

    #[test]
    fn an_answer_before_slack_is_judged_by_its_status() {
        let after = Remedy::RetryAfter(Duration::from_secs(7));
        for (status, retry_after, text, expected) in [
            (429, Some("7"), r#"{"ok": false, "error": "ratelimited"}"#, after),
            (503, None, "", Remedy::Retry),
            (404, None, "<html>no such page</html>", Remedy::Misconfigured),
            (413, None, "", Remedy::Rejected),
            (200, None, "<html>sign in</html>", Remedy::Rejected),
        ] {
            let (remedy, told) = failed(&answer(status, retry_after, text));
            assert_eq!(remedy, expected, "{status}");
            assert!(!told.contains("html"), "{told}");
        }
    }
}

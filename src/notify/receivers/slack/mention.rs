use serde_json::{Value, json};

use crate::notify::receivers::http::AddressError;

/// The user, group or channel that a critical alert mentions, in Slack's syntax.
#[derive(Clone, Debug)]
pub(super) struct Mention(String);

impl Mention {
    /// Parses a mention. An error names the receiver.
    pub(super) fn parse(text: &str, receiver: &'static str) -> Result<Self, AddressError> {
        let text = text.trim();
        let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        let is_id =
            |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_valid = inner.is_some_and(|inner| {
            let id = inner.strip_prefix('@').or_else(|| inner.strip_prefix("!subteam^"));
            matches!(inner, "!here" | "!channel" | "!everyone") || id.is_some_and(is_id)
        });
        if !is_valid {
            let (problem, example) = ("is not a Slack mention", "<!here> or <@U0123456789>");
            return Err(AddressError::Mention { receiver, problem, example });
        }
        Ok(Self(text.to_owned()))
    }

    /// Adds a block with the mention. Only mentions in blocks notify anybody.
    pub(super) fn add_to(&self, message: &mut Value) {
        if let Some(blocks) = message["blocks"].as_array_mut() {
            let text = json!({"type": "mrkdwn", "text": self.0, "verbatim": true});
            blocks.insert(0, json!({"type": "section", "text": text}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_groups_and_the_channel_can_be_mentioned() {
        for text in ["<!here>", " <!channel>", "<@U0123>", "<@W0123>", "<!subteam^S0123>"] {
            Mention::parse(text, "Slack").unwrap();
        }
        for text in ["", "@here", "here", "<@>", "<@U1> <@U2>", "<https://x|y>", "<!date^1^x|y>"] {
            let error = Mention::parse(text, "Slack bot").unwrap_err().to_string();
            assert_eq!(
                error,
                "the Slack bot mention is not a Slack mention: use one such as <!here> or \
                 <@U0123456789>"
            );
        }
    }
}

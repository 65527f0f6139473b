use serde_json::{Value, json};

use crate::notify::receivers::http::AddressError;

/// People that a message about a critical alert notifies, in Slack's own form.
#[derive(Clone, Debug)]
pub(super) struct Mention(String);

impl Mention {
    /// `receiver` is the name in an error.
    pub(super) fn parse(text: &str, receiver: &'static str) -> Result<Self, AddressError> {
        let text = text.trim();
        let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        let is_id =
            |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_known = inner.is_some_and(|inner| {
            let id = inner.strip_prefix('@').or_else(|| inner.strip_prefix("!subteam^"));
            matches!(inner, "!here" | "!channel" | "!everyone") || id.is_some_and(is_id)
        });
        if !is_known {
            let (problem, example) = ("notifies nobody in Slack", "<!here> or <@U0123456789>");
            return Err(AddressError::Mention { receiver, problem, example });
        }
        Ok(Self(text.to_owned()))
    }

    /// Puts it first: only what a block says notifies anybody.
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
    fn people_groups_and_the_channel_can_be_mentioned_and_nothing_else() {
        for text in ["<!here>", " <!channel>", "<@U0123>", "<@W0123>", "<!subteam^S0123>"] {
            Mention::parse(text, "Slack").unwrap();
        }
        for text in ["", "@here", "here", "<@>", "<@U1> <@U2>", "<https://x|y>", "<!date^1^x|y>"] {
            let refused = Mention::parse(text, "Slack").unwrap_err().to_string();
            assert_eq!(
                refused,
                "the Slack mention notifies nobody in Slack: use one such as <!here> or <@U0123456789>"
            );
        }
    }
}

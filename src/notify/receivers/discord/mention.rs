use serde_json::{Value, json};

use crate::notify::receivers::http::AddressError;

/// People that a message about a critical alert notifies, in Discord's own form, and the permission for that.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    text: String,
    allowed: Value,
}

impl Mention {
    pub(super) fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let inner = text.strip_prefix("<@").and_then(|text| text.strip_suffix('>'));
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let allowed = match (text, inner.map(|inner| inner.strip_prefix('&').ok_or(inner))) {
            ("@here" | "@everyone", _) => json!({"parse": ["everyone"]}),
            (_, Some(Ok(role))) if is_id(role) => json!({"parse": [], "roles": [role]}),
            (_, Some(Err(user))) if is_id(user) => json!({"parse": [], "users": [user]}),
            _ => {
                let problem = "notifies nobody in Discord";
                let example = "<@&role ID>, <@user ID> or @here";
                return Err(AddressError::Mention { receiver: "Discord", problem, example });
            }
        };
        Ok(Self { text: text.to_owned(), allowed })
    }

    /// Before the embeds, which notify nobody; the message may notify nobody else.
    pub(super) fn add_to(&self, message: &mut Value) {
        message["content"] = json!(self.text);
        message["allowed_mentions"] = self.allowed.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_may_notify_the_mentioned_and_nobody_else() {
        for (text, allowed) in [
            ("<@&123>", json!({"parse": [], "roles": ["123"]})),
            ("<@45>", json!({"parse": [], "users": ["45"]})),
            (" @here ", json!({"parse": ["everyone"]})),
        ] {
            let mut message = json!({"embeds": [], "allowed_mentions": {"parse": []}});
            Mention::parse(text).unwrap().add_to(&mut message);
            let expected =
                json!({"content": text.trim(), "embeds": [], "allowed_mentions": allowed});
            assert_eq!(message, expected);
        }
        for text in ["", "here", "<@>", "<@&>", "<@&12x>", "<@1> <@2>"] {
            let refused = Mention::parse(text).unwrap_err().to_string();
            assert!(
                refused.contains("notifies nobody in Discord: use one such as <@&"),
                "{refused}"
            );
        }
    }
}

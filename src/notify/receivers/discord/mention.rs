use serde_json::{Value, json};

use crate::notify::receivers::http::AddressError;

/// The role, user or channel that a critical alert mentions, in Discord's syntax, with the
/// `allowed_mentions` that permit it.
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
                let problem = "is not a Discord mention";
                let example = "<@&role ID>, <@user ID> or @here";
                return Err(AddressError::Mention { receiver: "Discord", problem, example });
            }
        };
        Ok(Self { text: text.to_owned(), allowed })
    }

    /// Adds the mention before the embeds, in which a mention notifies nobody. No other mention is
    /// allowed.
    pub(super) fn add_to(&self, message: &mut Value) {
        message["content"] = json!(self.text);
        message["allowed_mentions"] = self.allowed.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mention_itself_is_allowed() {
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
            let error = Mention::parse(text).unwrap_err().to_string();
            assert!(error.contains("is not a Discord mention: use one such as <@&"), "{error}");
        }
    }
}

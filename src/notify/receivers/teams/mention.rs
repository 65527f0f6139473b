use serde_json::{Value, json};

use crate::notify::receivers::http::AddressError;

/// The user that a critical alert mentions: a user principal name or an Entra ID.
#[derive(Clone, Debug)]
pub(super) struct Mention(String);

/// Longer than any user principal name, in bytes.
const MAX_LENGTH: usize = 200;

impl Mention {
    pub(super) fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        // No character may end the tag, or be markup.
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_+'".contains(&byte);
        let is_name = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_part);
        if !is_name {
            let (problem, example) = ("is not a Teams user", "ada@example.com");
            return Err(AddressError::Mention { receiver: "Teams", problem, example });
        }
        Ok(Self(text.to_owned()))
    }

    /// Adds the mention at the top of the card, and the entity that it refers to.
    pub(super) fn add_to(&self, message: &mut Value) {
        let card = &mut message["attachments"][0]["content"];
        let text = format!("<at>{}</at>", self.0);
        if let Some(body) = card["body"].as_array_mut() {
            body.insert(0, json!({"type": "TextBlock", "text": text, "wrap": true}));
        }
        let mentioned = json!({"id": self.0, "name": self.0});
        card["msteams"]["entities"] =
            json!([{"type": "mention", "text": text, "mentioned": mentioned}]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_adds_a_block_and_an_entity() {
        let card = json!({"body": [], "msteams": {"width": "full"}});
        let mut message = json!({"attachments": [{"content": card}]});
        Mention::parse(" ada@example.com").unwrap().add_to(&mut message);
        let text = "<at>ada@example.com</at>";
        let mentioned = json!({"id": "ada@example.com", "name": "ada@example.com"});
        assert_eq!(
            message["attachments"][0]["content"],
            json!({
                "body": [{"type": "TextBlock", "text": text, "wrap": true}],
                "msteams": {
                    "width": "full",
                    "entities": [{"type": "mention", "text": text, "mentioned": mentioned}],
                },
            })
        );
        for text in ["", "<at>ada</at>", "Ada Lovelace", "a\"b@x"] {
            let error = Mention::parse(text).unwrap_err().to_string();
            assert!(error.ends_with("a Teams user: use one such as ada@example.com"), "{error}");
        }
    }
}

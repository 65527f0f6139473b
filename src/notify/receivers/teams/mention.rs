use serde_json::{Value, json};

use crate::notify::receivers::http::AddressError;

/// A person that a message about a critical alert notifies: a user principal name, or an ID of Entra.
#[derive(Clone, Debug)]
pub(super) struct Mention(String);

/// Longer than any user principal name.
const LONGEST: usize = 200;

impl Mention {
    pub(super) fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        // Nothing that could end the tag, or be markup.
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_+'".contains(&byte);
        let is_name = (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_part);
        if !is_name {
            let (problem, example) = ("notifies nobody in Teams", "ada@example.com");
            return Err(AddressError::Mention { receiver: "Teams", problem, example });
        }
        Ok(Self(text.to_owned()))
    }

    /// Puts it first in the card, and says whom it means.
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
    fn the_card_names_a_person_and_says_whom_it_means() {
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
            let refused = Mention::parse(text).unwrap_err().to_string();
            assert!(refused.ends_with("in Teams: use one such as ada@example.com"), "{refused}");
        }
    }
}

use toml::de::DeValue;

use super::Telegram;
use crate::{
    document::{FIX, Secrets, Section, value},
    notify::receivers::config::{FromSection, http, made, set},
};

impl FromSection for Telegram {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let token = section.require("token", FIX, |value| secrets.secret(value));
        let chat = section.require("chat", "set one such as \"-1001234567890\"", value::text);
        let telegram = token.zip(chat).map(|(token, chat)| Self::new(token, chat));
        let telegram = telegram.and_then(|telegram| made(section, telegram));
        let topic = |value: &DeValue<'_>| {
            u32::try_from(value::count(value)?).map_err(|_| "is too large".to_owned())
        };
        let with_topic = |telegram: Self, id| Ok::<_, String>(telegram.topic(id));
        let telegram = set(section, telegram, "topic", topic, with_topic);
        let url = |value: &DeValue<'_>| secrets.public(value);
        let telegram = set(section, telegram, "url", url, Self::url);
        http(section, secrets, telegram)
    }
}

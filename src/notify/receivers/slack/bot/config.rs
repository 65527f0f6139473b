use toml::de::DeValue;

use super::SlackBot;
use crate::{
    document::{FIX, Secrets, Section, value},
    notify::receivers::config::{FromSection, http, made, set},
};

impl FromSection for SlackBot {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let token = section.require("token", FIX, |value| secrets.secret(value));
        let channel = section.require("channel", "set one such as \"#alerts\"", value::text);
        let bot = token.zip(channel).map(|(token, channel)| Self::new(token, channel));
        let bot = bot.and_then(|bot| made(section, bot));
        let read = |value: &DeValue<'_>| secrets.public(value);
        let bot = set(section, bot, "mention", value::text, Self::mention);
        let bot = set(section, bot, "url", read, Self::url);
        http(section, secrets, bot)
    }
}

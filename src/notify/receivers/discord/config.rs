use super::Discord;
use crate::{
    document::{Secrets, Section, value},
    notify::receivers::config::{FromSection, by_secret, http, set},
};

impl FromSection for Discord {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let discord = by_secret(section, secrets, "url", Self::new);
        let discord = set(section, discord, "mention", value::text, Self::mention);
        http(section, secrets, discord)
    }
}

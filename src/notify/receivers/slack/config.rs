use super::Slack;
use crate::{
    document::{Secrets, Section, value},
    notify::receivers::config::{FromSection, by_secret, http, set},
};

impl FromSection for Slack {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let slack = by_secret(section, secrets, "url", Self::new);
        let slack = set(section, slack, "mention", value::text, Self::mention);
        http(section, secrets, slack)
    }
}

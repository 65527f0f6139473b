use super::Teams;
use crate::{
    document::{Secrets, Section, value},
    notify::receivers::config::{FromSection, by_secret, http, set},
};

impl FromSection for Teams {
    fn from_section(section: &mut Section<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let teams = by_secret(section, secrets, "url", Self::new);
        let teams = set(section, teams, "mention", value::text, Self::mention);
        http(section, secrets, teams)
    }
}

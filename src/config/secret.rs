use std::{
    cell::RefCell,
    env,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use toml::de::{DeTable, DeValue};

use super::value;
use crate::files;

/// Reads secrets from where they are. What is wrong with one is told without it, and without what may
/// be one that was put into the wrong place.
pub(super) struct Secrets<'a> {
    /// Where relative paths begin.
    folder: &'a Path,
    is_inline_allowed: bool,
    /// Of all that was read, to see that a later file has others.
    read: RefCell<DefaultHasher>,
}

/// The longest file that is read for a secret, in bytes: a list of certificates has a few hundred thousand.
const LONGEST: u64 = 1 << 20;

/// What to do where there is none.
pub(super) const MEND: &str = "give it as { env = \"NAME\" } or { file = \"path\" }";

impl<'a> Secrets<'a> {
    pub(super) fn new(folder: &'a Path, is_inline_allowed: bool) -> Self {
        Self { folder, is_inline_allowed, read: RefCell::default() }
    }

    pub(super) fn secret(&self, value: &DeValue<'_>) -> Result<String, String> {
        let secret = match value {
            DeValue::String(text) if self.is_inline_allowed => text.clone().into_owned(),
            DeValue::String(_) => {
                let unless = "or set allow_inline_secrets = true at the top of the file";
                return Err(format!("is a secret in the file: {MEND}, {unless}"));
            }
            DeValue::Table(table) => self.from(table)?,
            _ => return Err(format!("is not a secret: {MEND}")),
        };
        secret.hash(&mut *self.read.borrow_mut());
        let secret = secret.trim();
        if secret.is_empty() {
            Err("is empty: give it what the receiver has shown".to_owned())
        } else {
            Ok(secret.to_owned())
        }
    }

    /// What is public, unless it is an address with a user and a password.
    pub(super) fn public(&self, value: &DeValue<'_>) -> Result<String, String> {
        match value {
            DeValue::String(text) if !text.contains('@') => value::text(value),
            _ => self.secret(value),
        }
    }

    /// Names and secrets, such as those of headers.
    pub(super) fn table(&self, value: &DeValue<'_>) -> Result<Vec<(String, String)>, String> {
        let table = value
            .as_table()
            .ok_or("is not a table: give one such as { authorization = { env = \"NAME\" } }")?;
        let pairs = table.iter().map(|(name, value)| {
            let name = name.get_ref();
            let secret = self.secret(value.get_ref());
            Ok((name.to_string(), secret.map_err(|problem| format!("{name}: {problem}"))?))
        });
        pairs.collect()
    }

    /// Notes that this was read.
    pub(super) fn note(&self, key: &str, value: &DeValue<'_>) {
        key.hash(&mut *self.read.borrow_mut());
        note(value, &mut *self.read.borrow_mut());
    }

    /// The same for the same notifiers and secrets.
    pub(super) fn fingerprint(&self) -> u64 {
        self.read.borrow().finish()
    }

    fn from(&self, table: &DeTable<'_>) -> Result<String, String> {
        let text = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
        match (table.len(), text("env"), text("file")) {
            (1, Some(name), None) => from_env(name),
            (1, None, Some(path)) => {
                files::read_text(&self.folder.join(path), LONGEST).map_err(|error| {
                    let from = "a relative path begins where this file is";
                    format!(
                        "its file can't be read: {error}: give the path of one that can, {from}"
                    )
                })
            }
            _ => Err(format!("names no place of its own: {MEND}")),
        }
    }
}

fn from_env(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| {
        // Not any word, which may be the secret itself.
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let is_shown = name.contains('_') && name.bytes().all(is_name);
        let shown = if is_shown { name } else { "that env names" };
        match error {
            env::VarError::NotPresent => {
                format!("the environment variable {shown} is not set: set it before the start")
            }
            env::VarError::NotUnicode(_) => {
                format!("the environment variable {shown} is not UTF-8: set it to a text")
            }
        }
    })
}

/// Without the places in the file, so that a line more changes nothing.
fn note(value: &DeValue<'_>, into: &mut impl Hasher) {
    match value {
        DeValue::Array(list) => {
            list.len().hash(into);
            list.iter().for_each(|one| note(one.get_ref(), into));
        }
        DeValue::Table(table) => {
            table.len().hash(into);
            for (key, value) in table {
                key.get_ref().hash(into);
                note(value.get_ref(), into);
            }
        }
        one => value::shown(one).hash(into),
    }
}

use std::{
    cell::RefCell,
    env,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use toml::de::{DeTable, DeValue};

use super::value;
use crate::files;

/// Reads secrets from environment variables and files. Errors contain no secret, and no text that
/// may be a misplaced secret.
pub(crate) struct Secrets<'a> {
    /// Relative paths are resolved against this folder.
    folder: &'a Path,
    is_inline_allowed: bool,
    /// A hash of all notifier settings and secrets, which detects changes on a reload.
    read: RefCell<DefaultHasher>,
}

/// The maximum size of a secret file, in bytes. A certificate bundle takes a few hundred thousand.
const MAX_LENGTH: u64 = 1 << 20;

/// The fix for a missing secret.
pub(crate) const FIX: &str = "use { env = \"NAME\" } or { file = \"path\" }";

impl<'a> Secrets<'a> {
    pub(crate) fn new(folder: &'a Path, is_inline_allowed: bool) -> Self {
        Self { folder, is_inline_allowed, read: RefCell::default() }
    }

    pub(crate) fn secret(&self, value: &DeValue<'_>) -> Result<String, String> {
        let secret = match value {
            DeValue::String(text) if self.is_inline_allowed => text.clone().into_owned(),
            DeValue::String(_) => {
                let unless = "or set allow_inline_secrets = true at the top of the file";
                return Err(format!("is a secret in plain text: {FIX}, {unless}"));
            }
            DeValue::Table(table) => self.from(table)?,
            _ => return Err(format!("is not a secret: {FIX}")),
        };
        secret.hash(&mut *self.read.borrow_mut());
        let secret = secret.trim();
        if secret.is_empty() {
            Err("is empty: copy it from the receiver".to_owned())
        } else {
            Ok(secret.to_owned())
        }
    }

    /// Reads a public value. An address with `@`, which may contain a password, must be a secret.
    pub(crate) fn public(&self, value: &DeValue<'_>) -> Result<String, String> {
        match value {
            DeValue::String(text) if !text.contains('@') => value::text(value),
            _ => self.secret(value),
        }
    }

    /// Reads a table of secrets, such as headers.
    pub(crate) fn table(&self, value: &DeValue<'_>) -> Result<Vec<(String, String)>, String> {
        let table = value
            .as_table()
            .ok_or("is not a table: use one such as { authorization = { env = \"NAME\" } }")?;
        let pairs = table.iter().map(|(name, value)| {
            let name = name.get_ref();
            let secret = self.secret(value.get_ref());
            Ok((name.to_string(), secret.map_err(|problem| format!("{name}: {problem}"))?))
        });
        pairs.collect()
    }

    /// Adds a setting to the fingerprint.
    pub(crate) fn add(&self, key: &str, value: &DeValue<'_>) {
        key.hash(&mut *self.read.borrow_mut());
        hash_value(value, &mut *self.read.borrow_mut());
    }

    /// Returns the hash of all notifier settings and secrets.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.read.borrow().finish()
    }

    fn from(&self, table: &DeTable<'_>) -> Result<String, String> {
        let text = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
        match (table.len(), text("env"), text("file")) {
            (1, Some(name), None) => from_env(name),
            (1, None, Some(path)) => {
                files::read_text(&self.folder.join(path), MAX_LENGTH).map_err(|error| {
                    let folder = "a relative path starts in this file's folder";
                    format!("its file can't be read: {error}: check the path, {folder}")
                })
            }
            _ => Err(format!("is neither an env nor a file: {FIX}")),
        }
    }
}

fn from_env(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| {
        // Anything else may be the secret itself, so the error does not contain it.
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let is_shown = name.contains('_') && name.bytes().all(is_name);
        let shown = if is_shown { name } else { "named by env" };
        match error {
            env::VarError::NotPresent => {
                format!("the environment variable {shown} is not set: set it before the start")
            }
            env::VarError::NotUnicode(_) => {
                format!("the environment variable {shown} is not UTF-8: set it to UTF-8 text")
            }
        }
    })
}

/// Hashes a value without its position, so that moving it within the file does not count as a
/// change.
fn hash_value(value: &DeValue<'_>, into: &mut impl Hasher) {
    match value {
        DeValue::Array(list) => {
            list.len().hash(into);
            list.iter().for_each(|one| hash_value(one.get_ref(), into));
        }
        DeValue::Table(table) => {
            table.len().hash(into);
            for (key, value) in table {
                key.get_ref().hash(into);
                hash_value(value.get_ref(), into);
            }
        }
        one => value::shown(one).hash(into),
    }
}

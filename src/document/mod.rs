//! Reads a TOML file key by key, and collects every problem with its line.

mod error;
mod secret;
pub(crate) mod value;

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use toml::{Spanned, de::DeTable, de::DeValue};

pub use self::error::ConfigError;
pub(crate) use self::secret::{FIX, Secrets};

/// The text of a file, and its problems.
pub(crate) struct Document<'a> {
    /// The file's name in errors.
    name: Cow<'a, str>,
    text: &'a str,
    /// Each problem with its offset in the text.
    problems: RefCell<Vec<(usize, String)>>,
    /// The number of problems beyond the limit.
    more: Cell<usize>,
}

/// The maximum number of problems in an error.
const MAX_PROBLEMS: usize = 100;

/// A table of the file. Readers take its keys one by one, and report the remaining keys as unknown.
pub(crate) struct Section<'a> {
    document: &'a Document<'a>,
    /// The section's path in errors, such as `notifier.when`; empty for the whole file.
    path: String,
    /// The section's offset in the text.
    start: usize,
    left: BTreeMap<Cow<'a, str>, (usize, DeValue<'a>)>,
    known: Vec<&'static str>,
}

/// The positions of a section's keys, for problems that show only after all keys are read.
pub(crate) struct Positions<'a> {
    path: String,
    start: usize,
    keys: BTreeMap<Cow<'a, str>, usize>,
}

impl Positions<'_> {
    /// Returns the offset and the path of a key, or those of the section if the key is missing.
    pub(crate) fn of(&self, key: &str) -> (usize, String) {
        match self.keys.get(key) {
            Some(start) => (*start, format!("{}.{key}", self.path)),
            None => (self.start, self.path.clone()),
        }
    }
}

impl<'a> Document<'a> {
    pub(crate) fn new(name: Cow<'a, str>, text: &'a str) -> Self {
        Self { name, text, problems: RefCell::default(), more: Cell::default() }
    }

    /// Parses the file's root table.
    pub(crate) fn parse(&'a self) -> Result<Section<'a>, ConfigError> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let start = error.span().map_or(0, |span| span.start);
            self.report(
                start,
                "",
                &format!("is not valid TOML: {}", error.message().replace('\n', ", ")),
            );
        }
        self.finish()?;
        Ok(Section::new(self, String::new(), 0, root.into_inner()))
    }

    /// Records a problem with its offset in the text and the key's path.
    pub(crate) fn report(&self, start: usize, path: &str, problem: &str) {
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        self.problems.borrow_mut().push((start, format!("{path}{problem}")));
    }

    /// Returns the problems as an error, in the order of their lines.
    pub(crate) fn finish(&self) -> Result<(), ConfigError> {
        let mut problems = self.problems.take();
        problems.sort_by_key(|(start, _)| *start);
        problems.dedup();
        if problems.is_empty() {
            return Ok(());
        }
        let more = self.more.take() + problems.len().saturating_sub(MAX_PROBLEMS);
        let (mut line, mut counted) = (1, 0);
        let named = problems.into_iter().take(MAX_PROBLEMS).map(|(start, problem)| {
            let between = self.text.as_bytes().get(counted..start).unwrap_or_default();
            line += between.iter().filter(|byte| **byte == b'\n').count();
            counted = start;
            format!("{}:{line}: {problem}", self.name)
        });
        let and_more = (more > 0).then(|| format!("{}: and {more} more", self.name));
        Err(ConfigError::new(named.chain(and_more).collect()))
    }
}

impl<'a> Section<'a> {
    fn new(document: &'a Document<'a>, path: String, start: usize, table: DeTable<'a>) -> Self {
        let left = table
            .into_iter()
            .map(|(key, value)| {
                let start = key.span().start;
                (key.into_inner(), (start, value.into_inner()))
            })
            .collect();
        Self { document, path, start, left, known: Vec::new() }
    }

    /// Returns the positions of all keys. Must be called before the first key is read.
    pub(crate) fn positions(&self) -> Positions<'a> {
        let keys = self.left.iter().map(|(key, (start, _))| (key.clone(), *start)).collect();
        Positions { path: self.path.clone(), start: self.start, keys }
    }

    /// Returns the offset of a key, or that of the section if the key is missing.
    pub(crate) fn position_of(&self, key: &str) -> usize {
        self.left.get(key).map_or(self.start, |(start, _)| *start)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// Reads a key. Returns `None` if the key is missing. If `read` fails, records the error and
    /// returns `None`, too.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let (start, value) = self.take(key)?;
        read(&value).map_err(|problem| self.document.report(start, &self.at(key), &problem)).ok()
    }

    /// Reads a key, and records a problem if it is missing.
    pub(crate) fn require<T>(
        &mut self,
        key: &'static str,
        fix: &str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            self.known.push(key);
            self.report(&format!("has no {key}: {fix}"));
        }
        self.read(key, read)
    }

    /// Reads the tables of `[[key]]`.
    pub(crate) fn tables(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some((start, value)) = self.take(key) else { return Vec::new() };
        let path = self.at(key);
        let not_one =
            |start| self.document.report(start, &path, &format!("write it as [[{path}]]"));
        let DeValue::Array(elements) = value else {
            not_one(start);
            return Vec::new();
        };
        let tables = elements.into_iter().filter_map(|element: Spanned<DeValue<'a>>| {
            let start = element.span().start;
            match element.into_inner() {
                DeValue::Table(table) => {
                    Some(Section::new(self.document, path.clone(), start, table))
                }
                _ => {
                    not_one(start);
                    None
                }
            }
        });
        tables.collect()
    }

    /// Reads the table of a key.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Section<'a>> {
        let (start, value) = self.take(key)?;
        let path = self.at(key);
        match value {
            DeValue::Table(table) => Some(Section::new(self.document, path, start, table)),
            other => {
                let problem = format!("{} is not a table: write {{ … }}", value::shown(&other));
                self.document.report(start, &path, &problem);
                None
            }
        }
    }

    /// Returns the keys that have not been read yet.
    pub(crate) fn left(&self) -> impl Iterator<Item = (&str, &DeValue<'a>)> {
        self.left.iter().map(|(key, (_, value))| (&**key, value))
    }

    /// Records a problem with a key.
    pub(crate) fn report_key(&self, start: usize, key: &str, problem: &str) {
        self.document.report(start, &self.at(key), problem);
    }

    /// Records a problem with the section.
    pub(crate) fn report(&self, problem: &str) {
        self.document.report(self.start, &self.path, problem);
    }

    /// Records each unread key as unknown, and suggests the nearest known key.
    pub(crate) fn finish(self) {
        let mut unknown: Vec<_> =
            self.left.iter().map(|(key, (start, _))| (*start, &**key)).collect();
        unknown.sort_unstable();
        let more = &self.document.more;
        more.set(more.get() + unknown.len().saturating_sub(MAX_PROBLEMS));
        for (start, key) in unknown.into_iter().take(MAX_PROBLEMS) {
            let fix = value::nearest(key, &self.known).map_or_else(
                || format!("the keys are {}", value::listed(&self.known)),
                |known| format!("did you mean {known}?"),
            );
            let key = value::shortened(key);
            self.document.report(start, &self.at(&key), &format!("unknown key: {fix}"));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, DeValue<'a>)> {
        self.known.push(key);
        self.left.remove(key)
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use toml::{Spanned, de::DeTable, de::DeValue};

use super::{ConfigError, value};

/// The text of a file, and what was found wrong in it.
pub(super) struct Document<'a> {
    /// As errors name it.
    name: Cow<'a, str>,
    text: &'a str,
    /// Each with its place in the text.
    problems: RefCell<Vec<(usize, String)>>,
    /// How many problems have no text, since there are too many.
    more: Cell<usize>,
}

/// How many problems an error has.
const MOST_PROBLEMS: usize = 100;

/// A table of the file. Its keys are taken out one by one; what is left in the end is unknown.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    /// As errors name it, such as `notifier.when`; empty for the whole file.
    path: String,
    /// Where it begins in the text.
    start: usize,
    left: BTreeMap<Cow<'a, str>, (usize, DeValue<'a>)>,
    known: Vec<&'static str>,
}

/// Where the keys of a section are, for what shows only once all of them are read.
pub(super) struct Places<'a> {
    path: String,
    start: usize,
    keys: BTreeMap<Cow<'a, str>, usize>,
}

impl Places<'_> {
    /// Where a key is, and how errors name it; the whole where it is not given.
    pub(super) fn of(&self, key: &str) -> (usize, String) {
        match self.keys.get(key) {
            Some(start) => (*start, format!("{}.{key}", self.path)),
            None => (self.start, self.path.clone()),
        }
    }
}

impl<'a> Document<'a> {
    pub(super) fn new(name: Cow<'a, str>, text: &'a str) -> Self {
        Self { name, text, problems: RefCell::default(), more: Cell::default() }
    }

    /// The table of the whole file, if that is TOML.
    pub(super) fn parse(&'a self) -> Result<Section<'a>, ConfigError> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let start = error.span().map_or(0, |span| span.start);
            self.note(start, "", &format!("is not TOML: {}", error.message().replace('\n', ", ")));
        }
        self.finish()?;
        Ok(Section::new(self, String::new(), 0, root.into_inner()))
    }

    /// Notes what is wrong at a place of the text, and in which key.
    pub(super) fn note(&self, start: usize, path: &str, problem: &str) {
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        self.problems.borrow_mut().push((start, format!("{path}{problem}")));
    }

    /// The problems in the order of their lines, the first hundred of them.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let mut problems = self.problems.take();
        problems.sort_by_key(|(start, _)| *start);
        problems.dedup();
        if problems.is_empty() {
            return Ok(());
        }
        let more = self.more.take() + problems.len().saturating_sub(MOST_PROBLEMS);
        let (mut line, mut counted) = (1, 0);
        let named = problems.into_iter().take(MOST_PROBLEMS).map(|(start, problem)| {
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

    /// Where its keys are; to be asked before they are read.
    pub(super) fn places(&self) -> Places<'a> {
        let keys = self.left.iter().map(|(key, (start, _))| (key.clone(), *start)).collect();
        Places { path: self.path.clone(), start: self.start, keys }
    }

    /// Where a key is, or the whole.
    pub(super) fn place_of(&self, key: &str) -> usize {
        self.left.get(key).map_or(self.start, |(start, _)| *start)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// The value of a key, as `read` makes it; `None` where there is none, or `read` says what is wrong
    /// with it.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let (start, value) = self.take(key)?;
        read(&value).map_err(|problem| self.document.note(start, &self.at(key), &problem)).ok()
    }

    /// The same of a key that must be there.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        mend: &str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            self.known.push(key);
            self.refuse(&format!("has no {key}: {mend}"));
        }
        self.read(key, read)
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some((start, value)) = self.take(key) else { return Vec::new() };
        let path = self.at(key);
        let not_one = |start| self.document.note(start, &path, &format!("write it as [[{path}]]"));
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

    /// The table of a key, if it has one.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Section<'a>> {
        let (start, value) = self.take(key)?;
        let path = self.at(key);
        match value {
            DeValue::Table(table) => Some(Section::new(self.document, path, start, table)),
            other => {
                let problem = format!("{} is not a table: write {{ … }}", value::shown(&other));
                self.document.note(start, &path, &problem);
                None
            }
        }
    }

    /// What is left of it, by key.
    pub(super) fn left(&self) -> impl Iterator<Item = (&str, &DeValue<'a>)> {
        self.left.iter().map(|(key, (_, value))| (&**key, value))
    }

    /// Notes what is wrong with one key.
    pub(super) fn refuse_key(&self, start: usize, key: &str, problem: &str) {
        self.document.note(start, &self.at(key), problem);
    }

    /// Notes what is wrong with the whole.
    pub(super) fn refuse(&self, problem: &str) {
        self.document.note(self.start, &self.path, problem);
    }

    /// Notes each key that nobody has asked for, with the one that may have been meant.
    pub(super) fn finish(self) {
        let mut unknown: Vec<_> =
            self.left.iter().map(|(key, (start, _))| (*start, &**key)).collect();
        unknown.sort_unstable();
        let more = &self.document.more;
        more.set(more.get() + unknown.len().saturating_sub(MOST_PROBLEMS));
        for (start, key) in unknown.into_iter().take(MOST_PROBLEMS) {
            let mend = value::nearest(key, &self.known).map_or_else(
                || format!("the keys are {}", value::listed(&self.known)),
                |known| format!("did you mean {known}?"),
            );
            let key = value::shortened(key);
            self.document.note(start, &self.at(&key), &format!("unknown key: {mend}"));
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

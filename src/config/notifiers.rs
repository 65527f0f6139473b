use std::time::Duration;

use tower::{BoxError, util::BoxService};

use super::when;
use crate::{
    document::{Secrets, Section, value},
    notify::{Delivered, KINDS, Kind, Matcher, Notification, NotifierExt, Receiver},
};

/// A notifier of the file, for the builder.
#[derive(Debug)]
pub(crate) struct Notifier {
    pub(crate) name: String,
    pub(crate) service: BoxService<Notification, Delivered, BoxError>,
    /// `None` matches all alerts.
    pub(crate) matcher: Option<Matcher>,
}

/// The settings of a `[[notifier]]`.
struct NotifierEntry<'a> {
    section: Section<'a>,
    name: String,
    /// `None` if its settings are invalid.
    receiver: Option<Receiver>,
    or_else: Option<(usize, String)>,
    repeat_every: Option<(usize, Duration)>,
    matcher: Option<Matcher>,
}

/// The maximum number of notifiers in a file. Each has a queue and a task.
const MAX_NOTIFIERS: usize = 200;

/// Reads the notifiers of these sections, and records their problems.
pub(super) fn notifiers<'a>(
    sections: impl IntoIterator<Item = Section<'a>>,
    secrets: &Secrets<'_>,
) -> Vec<Notifier> {
    let mut sections = sections.into_iter();
    let entries =
        sections.by_ref().take(MAX_NOTIFIERS).filter_map(|section| entry(section, secrets));
    let entries: Vec<_> = entries.collect();
    if let Some(excess) = sections.next() {
        excess.report(&format!("is one of more than {MAX_NOTIFIERS}: remove some"));
    }
    check(&entries);
    let top_level = entries.iter().filter(|entry| !entry.is_only_fallback(&entries));
    let notifiers = top_level.filter_map(|entry| {
        let service = service(entry, &entries, entries.len())?;
        let service = match entry.repeat_every {
            Some((_, every)) => BoxService::new(service.repeat_every(every)),
            None => service,
        };
        let matcher = entry.matcher.clone();
        Some(Notifier { name: entry.name.clone(), service, matcher })
    });
    let notifiers = notifiers.collect();
    entries.into_iter().for_each(|entry| entry.section.finish());
    notifiers
}

fn entry<'a>(mut section: Section<'a>, secrets: &Secrets<'_>) -> Option<NotifierEntry<'a>> {
    section.left().for_each(|(key, value)| secrets.add(key, value));
    // The valid keys depend on the kind, so without a kind they are not checked.
    let kind = kind(&mut section)?;
    let name = section.read("name", value::text).unwrap_or_else(|| kind.name.to_owned());
    let position = section.position_of("or_else");
    let or_else = section.read("or_else", value::text).map(|fallback| (position, fallback));
    let position = section.position_of("repeat_every");
    let repeat_every = section.read("repeat_every", value::duration).map(|every| (position, every));
    let matcher = section.table("when").map(when::matcher);
    let receiver = kind.make.and_then(|make| make(&mut section, secrets));
    Some(NotifierEntry { section, name, receiver, or_else, repeat_every, matcher })
}

/// Reads the kind of a section. If this build does not include the kind, records the problem and
/// returns `None`.
fn kind(section: &mut Section<'_>) -> Option<&'static Kind> {
    section.require("kind", "set one such as \"slack\"", |value| {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let name = value::one_of(value, &names)?;
        match KINDS.iter().find(|kind| kind.name == name) {
            Some(kind) if kind.make.is_some() => Ok(kind),
            kind => {
                let feature = kind.map_or(name, |kind| kind.feature);
                Err(format!(
                    "{name:?} is not compiled in: enable the feature {feature:?} of tower-lookout"
                ))
            }
        }
    })
}

fn check(entries: &[NotifierEntry<'_>]) {
    let names: Vec<_> = entries.iter().map(|entry| &*entry.name).collect();
    for (number, entry) in entries.iter().enumerate() {
        if names[..number].contains(&&*entry.name) {
            let name = &entry.name;
            let problem =
                format!("another notifier has the name {name:?}: use another name for one of them");
            entry.section.report(&problem);
        }
        if let (Some((position, _)), true) = (entry.repeat_every, entry.is_only_fallback(entries)) {
            let problem = "has no effect on a notifier that is only the or_else of others: remove it, \
                           or add a when";
            entry.section.report_key(position, "repeat_every", problem);
        }
        let Some((position, fallback)) = &entry.or_else else { continue };
        if !names.contains(&&**fallback) {
            let fix = value::nearest(fallback, &names).map_or_else(
                || format!("the notifiers are {}", value::listed(&names)),
                |name| format!("did you mean {name:?}?"),
            );
            let problem = format!("there is no notifier {:?}: {fix}", value::shortened(fallback));
            entry.section.report_key(*position, "or_else", &problem);
        } else if is_in_cycle(entry, entries) {
            let problem = "is part of a cycle: remove the or_else of one notifier in it";
            entry.section.report_key(*position, "or_else", problem);
        }
    }
}

/// Returns whether the chain of `or_else` notifiers leads back to this one.
fn is_in_cycle(entry: &NotifierEntry<'_>, entries: &[NotifierEntry<'_>]) -> bool {
    let mut fallback = entry.fallback();
    for _ in entries {
        if fallback == Some(&*entry.name) {
            return true;
        }
        fallback = fallback.and_then(|name| find(name, entries)).and_then(NotifierEntry::fallback);
    }
    false
}

/// Builds the receiver with its chain of fallbacks. Returns `None` if there are more than
/// `max_fallbacks`, as in a cycle.
fn service(
    entry: &NotifierEntry<'_>,
    entries: &[NotifierEntry<'_>],
    max_fallbacks: usize,
) -> Option<BoxService<Notification, Delivered, BoxError>> {
    let receiver = entry.receiver.clone()?;
    let Some(fallback) = entry.fallback() else { return Some(BoxService::new(receiver)) };
    let fallback = service(find(fallback, entries)?, entries, max_fallbacks.checked_sub(1)?)?;
    Some(BoxService::new(receiver.or_else(fallback)))
}

fn find<'e, 'a>(name: &str, entries: &'e [NotifierEntry<'a>]) -> Option<&'e NotifierEntry<'a>> {
    entries.iter().find(|entry| entry.name == name)
}

impl NotifierEntry<'_> {
    /// Returns the name of its fallback.
    fn fallback(&self) -> Option<&str> {
        self.or_else.as_ref().map(|(_, fallback)| &**fallback)
    }

    /// Returns whether the notifier gets only the alerts that other notifiers fail to deliver.
    fn is_only_fallback(&self, entries: &[NotifierEntry<'_>]) -> bool {
        let is_fallback = entries.iter().any(|entry| entry.fallback() == Some(&*self.name));
        is_fallback && self.matcher.is_none()
    }
}

use std::time::Duration;

use tower::{BoxError, util::BoxService};

use super::{
    document::Section,
    receivers::{self, Receiver},
    secret::Secrets,
    value, when,
};
use crate::notify::{Delivered, Matcher, Notification, NotifierExt};

/// A notifier of the file, as the builder takes it.
#[derive(Debug)]
pub(crate) struct Notifier {
    pub(crate) name: String,
    pub(crate) service: BoxService<Notification, Delivered, BoxError>,
    /// All alerts are for it, where there is none.
    pub(crate) matcher: Option<Matcher>,
}

/// What a section has.
struct Entry<'a> {
    section: Section<'a>,
    name: String,
    /// None where something in it is wrong.
    receiver: Option<Receiver>,
    or_else: Option<(usize, String)>,
    repeat_every: Option<(usize, Duration)>,
    matcher: Option<Matcher>,
}

/// How many notifiers a file may have: each has a queue and a task.
const MOST: usize = 200;

/// The notifiers of these sections; what is wrong is noted.
pub(super) fn notifiers<'a>(
    sections: impl IntoIterator<Item = Section<'a>>,
    secrets: &Secrets<'_>,
) -> Vec<Notifier> {
    let mut sections = sections.into_iter();
    let entries = sections.by_ref().take(MOST).filter_map(|section| entry(section, secrets));
    let entries: Vec<_> = entries.collect();
    if let Some(excess) = sections.next() {
        excess.refuse(&format!("is one of more than {MOST}: leave some out"));
    }
    check(&entries);
    let told = entries.iter().filter(|entry| !entry.is_only_other(&entries));
    let notifiers = told.filter_map(|entry| {
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

fn entry<'a>(mut section: Section<'a>, secrets: &Secrets<'_>) -> Option<Entry<'a>> {
    section.left().for_each(|(key, value)| secrets.note(key, value));
    // What other keys mean depends on the kind, so without it there is nothing to say of them.
    let (kind, make) = receivers::kind(&mut section)?;
    let name = section.read("name", value::text).unwrap_or_else(|| kind.to_owned());
    let place = section.place_of("or_else");
    let or_else = section.read("or_else", value::text).map(|other| (place, other));
    let place = section.place_of("repeat_every");
    let repeat_every = section.read("repeat_every", value::duration).map(|every| (place, every));
    let matcher = section.table("when").map(when::matcher);
    let receiver = make(&mut section, secrets);
    Some(Entry { section, name, receiver, or_else, repeat_every, matcher })
}

fn check(entries: &[Entry<'_>]) {
    let names: Vec<_> = entries.iter().map(|entry| &*entry.name).collect();
    for (number, entry) in entries.iter().enumerate() {
        if names[..number].contains(&&*entry.name) {
            let name = &entry.name;
            let problem = format!("another notifier is called {name:?}: give one of them a name");
            entry.section.refuse(&problem);
        }
        if let (Some((place, _)), true) = (entry.repeat_every, entry.is_only_other(entries)) {
            let problem = "is of no use to one that is told only what another one does not take: leave \
                           it out, or give it a when";
            entry.section.refuse_key(place, "repeat_every", problem);
        }
        let Some((place, other)) = &entry.or_else else { continue };
        if !names.contains(&&**other) {
            let mend = value::nearest(other, &names).map_or_else(
                || format!("the notifiers are {}", value::listed(&names)),
                |name| format!("did you mean {name:?}?"),
            );
            let problem = format!("there is no notifier {:?}: {mend}", value::shortened(other));
            entry.section.refuse_key(*place, "or_else", &problem);
        } else if leads_back(entry, entries) {
            let problem = "leads back to itself: leave it out of one of them";
            entry.section.refuse_key(*place, "or_else", problem);
        }
    }
}

/// Whether what takes its messages in the end is itself.
fn leads_back(entry: &Entry<'_>, entries: &[Entry<'_>]) -> bool {
    let mut other = entry.other();
    for _ in entries {
        if other == Some(&*entry.name) {
            return true;
        }
        other = other.and_then(|name| named(name, entries)).and_then(Entry::other);
    }
    false
}

/// Its service with those that take what it does not, of which there may be `most`.
fn service(
    entry: &Entry<'_>,
    entries: &[Entry<'_>],
    most: usize,
) -> Option<BoxService<Notification, Delivered, BoxError>> {
    let receiver = entry.receiver.clone()?;
    let Some(other) = entry.other() else { return Some(BoxService::new(receiver)) };
    let other = service(named(other, entries)?, entries, most.checked_sub(1)?)?;
    Some(BoxService::new(receiver.or_else(other)))
}

fn named<'e, 'a>(name: &str, entries: &'e [Entry<'a>]) -> Option<&'e Entry<'a>> {
    entries.iter().find(|entry| entry.name == name)
}

impl Entry<'_> {
    /// Who takes what it does not.
    fn other(&self) -> Option<&str> {
        self.or_else.as_ref().map(|(_, other)| &**other)
    }

    /// Whether no alert is for it but what another one does not take.
    fn is_only_other(&self, entries: &[Entry<'_>]) -> bool {
        let is_other = entries.iter().any(|entry| entry.other() == Some(&*self.name));
        is_other && self.matcher.is_none()
    }
}

//! Collects the access log's events of the whole process.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, Once},
    time::{Duration, SystemTime},
};

use tower_lookout::observe::AccessLog;
use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::eventually;

#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) message: String,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Visit for Event {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        assert_eq!(field.name(), "message");
        self.message = format!("{value:?}");
    }
}

static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());

/// Collects the events of all threads from now on.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
}

/// Waits for `count` lines of a test, which its path identifies, and returns them.
pub(crate) async fn lines(name: &str, count: usize) -> Vec<Event> {
    let part = format!("/{name}/");
    let found = || {
        let events = EVENTS.lock().unwrap();
        let of_test = events.iter().filter(|event| event.message.contains(&part));
        Some(of_test.cloned().collect::<Vec<_>>()).filter(|events| events.len() >= count)
    };
    let found = eventually(5, name, found).await;
    assert_eq!(found.len(), count, "{found:?}");
    found
}

/// Removes the date from a line, and fails unless it is within the last minute.
pub(crate) fn without_date(line: &str) -> String {
    let (before, rest) = line.split_once('[').unwrap();
    let (date, after) = rest.split_once(" +0000]").unwrap();
    let [day, month, year, time] =
        date.splitn(4, ['/', ':']).collect::<Vec<_>>().try_into().unwrap();
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(month).unwrap() / 3 + 1;
    is_now(&format!("{year}-{month:02}-{day}T{time}Z"));
    format!("{before}[]{after}")
}

pub(crate) fn is_now(time: &str) {
    let time = humantime::parse_rfc3339(time).unwrap();
    let age = SystemTime::now().duration_since(time).unwrap();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == AccessLog::TARGET
    }

    fn event(&self, event: &tracing::Event<'_>) {
        assert_eq!(*event.metadata().level(), Level::INFO);
        assert!(event.is_root(), "the event must have no span");
        let mut recorded = Event::default();
        event.record(&mut recorded);
        EVENTS.lock().unwrap().push(recorded);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

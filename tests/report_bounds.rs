//! Reports use bounded memory, however many the application sends, and the largest possible state
//! file remains readable.

#![cfg(all(feature = "prometheus", feature = "state"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/file.rs"]
mod file;
mod support;

use std::{
    collections::BTreeSet,
    error::Error,
    fmt,
    fs::{metadata, read, remove_file},
    path::Path,
    sync::{Arc, Mutex},
};

use tower_lookout::{Alert, Lookout, Report};

use file::File;
use support::{eventually, start};

type Delivered = Arc<Mutex<Vec<Alert>>>;

fn start_with_state(path: &Path) -> (Lookout, Delivered) {
    let delivered = Delivered::default();
    let sink = Arc::clone(&delivered);
    let path = path.to_owned();
    let (lookout, _scrape) = start(|builder| {
        builder.state_path(path).on_alert(move |alert| sink.lock().unwrap().push(alert.clone()))
    });
    (lookout, delivered)
}

/// Returns a path in its own directory. The file does not exist yet.
fn state_file() -> File {
    let file = File::new("lookout.json", "");
    remove_file(file.path()).unwrap();
    file
}

/// Returns whether the start moved an unreadable state file aside.
fn is_set_aside(path: &Path) -> bool {
    path.with_file_name("lookout.json.set-aside").exists()
}

#[tokio::test]
async fn names_and_fields_of_a_megabyte_are_truncated() {
    let file = state_file();
    let (lookout, delivered) = start_with_state(file.path());
    let long = "n".repeat(1 << 20);
    for kind in 0..20 {
        let report = Report::new(format!("Kind{kind}{long}"), &long).grouped_by(long.clone());
        lookout.reporter().send(report.field(long.clone(), &long));
    }
    lookout.shutdown().await;
    let delivered = std::mem::take(&mut *delivered.lock().unwrap());
    assert_eq!(delivered.len(), 20);
    for alert in &delivered {
        let size = format!("{alert:?}").len();
        assert!(size < 10_000, "{size} bytes");
        assert!(alert.name.starts_with("Kind") && alert.name.ends_with('…'));
    }
    let size = metadata(file.path()).unwrap().len();
    assert!(size < 1 << 20, "{size} bytes");
}

/// An error with many long causes.
#[derive(Debug)]
struct Deep(Option<Box<Deep>>);

impl Deep {
    fn new(causes: usize) -> Self {
        (0..causes).fold(Self(None), |source, _| Self(Some(Box::new(source))))
    }
}

impl fmt::Display for Deep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&"\"".repeat(1_000))
    }
}

impl Error for Deep {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|source| source as _)
    }
}

#[tokio::test]
async fn reports_at_every_limit_survive_a_restart() {
    let file = state_file();
    let error = Deep::new(40);
    let send = |lookout: &Lookout| {
        for kind in 0..499 {
            let report = Report::of(&error).named(format!("Kind{kind}"));
            let fields = 0..40;
            let report = fields.fold(report, |report, field| {
                report.field(format!("field{field}"), "\"".repeat(1_000))
            });
            lookout.reporter().send(report);
        }
    };
    let (lookout, _delivered) = start_with_state(file.path());
    send(&lookout);
    eventually(60, "a state file with all reports", || {
        let content = String::from_utf8(read(file.path()).ok()?).unwrap();
        (content.matches("\"name\":\"Kind").count() >= 499).then_some(())
    })
    .await;
    lookout.shutdown().await;
    let size = metadata(file.path()).unwrap().len();
    assert!(size < 64 << 20, "{size} bytes");

    let (lookout, delivered) = start_with_state(file.path());
    assert!(!is_set_aside(file.path()));
    send(&lookout);
    lookout.shutdown().await;
    let delivered = delivered.lock().unwrap();
    // Alerts that the first process left undelivered are delivered once more.
    let is_second = |alert: &&Alert| alert.failure().unwrap().total == 2;
    let kinds: BTreeSet<_> =
        delivered.iter().filter(is_second).map(|alert| Arc::clone(&alert.name)).collect();
    assert_eq!(kinds.len(), 499);
}

//! The file is always the old or the new one, and content that is not a state of this service is
//! rejected.

use std::process;

use super::{super::SavedNotifier, *};
use crate::{
    alert::{Alert, AlertStatus, Cause, Failure, SavedAlert, test_alert},
    notify::NotifierQueue,
};

/// A temporary folder, removed after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lookout-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("lookout.json")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn saved() -> Saved {
    let queue = NotifierQueue::new("slack".to_owned(), None);
    queue.put(test_alert("A", AlertStatus::Firing));
    Saved {
        version: VERSION,
        service: "orders".to_owned(),
        firing: vec![SavedAlert(test_alert("A", AlertStatus::Firing))],
        notifiers: vec![SavedNotifier::of(&queue)],
        ..Saved::default()
    }
}

fn content() -> String {
    serde_json::to_string(&saved()).unwrap()
}

#[test]
fn a_written_state_is_read_back_and_leaves_no_other_file() {
    let folder = Folder::new("round");
    let path = folder.file();
    assert!(read(&path, "orders").unwrap().is_none(), "the first start");
    fs::write(folder.0.join("lookout.json.new"), "left by a process that was killed").unwrap();
    for _ in 0..2 {
        write(&path, &saved()).unwrap();
        let read = read(&path, "orders").unwrap().unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", saved()));
    }
    assert_eq!(folder.names(), ["lookout.json"]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("mode");
    write(&folder.file(), &saved()).unwrap();
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_truncated_file_is_damaged_and_not_restored_in_part() {
    let content = content();
    for end in 0..content.len() {
        let reason = parse(&content.as_bytes()[..end], "orders").unwrap_err();
        assert!(reason.starts_with("it is damaged: "), "at {end}: {reason}");
    }
    parse(content.as_bytes(), "orders").unwrap();
}

#[test]
fn the_error_names_why_a_file_is_unusable() {
    let cases: [(Vec<u8>, &str); 9] = [
        (b"".to_vec(), "it is damaged: EOF"),
        (b"[]".to_vec(), "it is damaged: "),
        (b"\xff\xfe\x00".to_vec(), "it is damaged: "),
        (b"{}".to_vec(), "it is damaged: missing field `version`"),
        (content().replace("orders", "\u{1}").into_bytes(), "it is damaged: "),
        (content().replace("\"peak\":", "\"peek\":").into_bytes(), "it is damaged: "),
        (
            content().replace("firing\",", "burning\",").into_bytes(),
            "it is damaged: unknown variant",
        ),
        (content().replace("\"version\":2", "\"version\":3").into_bytes(), "it has version 3"),
        (
            content().replace("\"service\":\"orders\"", "\"service\":\"bills\"").into_bytes(),
            "it belongs to the service \"bills\", not \"orders\"",
        ),
    ];
    for (content, expected) in cases {
        let reason = parse(&content, "orders").unwrap_err();
        assert!(reason.starts_with(expected), "{expected}: {reason}");
    }
}

#[test]
fn unknown_fields_of_a_later_version_are_ignored() {
    let content = content().replacen('{', "{\"later\":[1],", 1);
    parse(content.as_bytes(), "orders").unwrap();
}

#[test]
fn an_unusable_file_is_set_aside_and_not_lost() {
    let folder = Folder::new("aside");
    fs::write(folder.file(), "?").unwrap();
    set_aside(&folder.file(), "it is damaged");
    assert_eq!(folder.names(), ["lookout.json.set-aside"]);
    assert_eq!(fs::read(folder.0.join("lookout.json.set-aside")).unwrap(), b"?");
}

#[cfg(unix)]
#[test]
fn a_write_through_a_symlink_replaces_the_target_file() {
    let folder = Folder::new("link");
    let volume = folder.0.join("volume.json");
    fs::write(&volume, "{}").unwrap();
    std::os::unix::fs::symlink(&volume, folder.file()).unwrap();
    write(&folder.file(), &saved()).unwrap();
    assert!(folder.file().is_symlink());
    parse(&fs::read(&volume).unwrap(), "orders").unwrap();
}

#[test]
fn a_directory_or_an_oversized_file_is_not_read() {
    let folder = Folder::new("endless");
    fs::create_dir(folder.file()).unwrap();
    assert!(read(&folder.file(), "orders").unwrap_err().starts_with("it cannot be read: it is "));
    fs::remove_dir(folder.file()).unwrap();
    fs::File::create(folder.file()).unwrap().set_len(LONGEST + 1).unwrap();
    assert!(read(&folder.file(), "orders").unwrap_err().starts_with("it cannot be read: it is "));
}

/// A state in which alerts with long texts wait in two queues.
fn crowded(alerts: usize) -> Saved {
    let notifiers = ["slack", "mail"].map(|name| {
        let queue = NotifierQueue::new(name.to_owned(), None);
        for number in 0..alerts {
            let failure =
                Failure { causes: vec!["é".repeat(1_000)], count: 1, ..Failure::default() };
            let alert = test_alert(&format!("A{number}"), AlertStatus::Firing);
            queue.put(Alert { cause: Cause::Report(failure.into()), ..alert });
        }
        SavedNotifier::of(&queue)
    });
    Saved { notifiers: notifiers.into(), ..saved() }
}

#[test]
fn an_oversized_state_loses_details_first_and_then_alerts() {
    let saved = crowded(100);
    let whole = bounded(&saved, usize::MAX).unwrap();
    assert_eq!(whole, serde_json::to_vec(&saved).unwrap());
    let short = bounded(&saved, whole.len() - 1).unwrap();
    assert!(short.len() < whole.len() / 2);
    let alerts = |content: &[u8]| {
        parse(content, "orders").unwrap();
        String::from_utf8_lossy(content).matches("\"name\":\"A").count()
    };
    assert_eq!(alerts(&short), alerts(&whole));
    let fewer = bounded(&saved, short.len() / 3).unwrap();
    assert!((1..alerts(&whole)).contains(&alerts(&fewer)));
    bounded(&saved, 100).unwrap_err();
}

#[test]
fn a_failed_write_keeps_the_old_file() {
    let folder = Folder::new("failed");
    write(&folder.file(), &saved()).unwrap();
    // A folder that is not empty cannot be removed, so the new file cannot be created.
    fs::create_dir_all(folder.0.join("lookout.json.new/full")).unwrap();
    write(&folder.file(), &Saved::default()).unwrap_err();
    assert!(read(&folder.file(), "orders").unwrap().is_some());
    write(Path::new("/no/such/folder/lookout.json"), &saved()).unwrap_err();
}

//! Tests of the limits: special files, large files, and files with many problems.

use std::{fs, path::PathBuf};

use super::*;

fn rejection(source: Source) -> ConfigError {
    source.load(&[]).unwrap_err()
}

/// Returns a temporary path that no other test process uses.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lookout-config-{}-{name}", std::process::id()))
}

#[cfg(unix)]
#[test]
fn a_device_a_pipe_and_a_folder_are_rejected_without_reading() {
    let pipe = path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in ["/dev/zero".into(), "/".into(), pipe.clone()] {
        let text = rejection(Source::File(path.clone())).to_string();
        let expected = format!(
            "{}: can't be read: it is not a regular file: set the path of a TOML file",
            path.display()
        );
        assert_eq!(text, expected);
        let secret =
            format!("[[notifier]]\nkind = 'slack'\nurl = {{ file = '{}' }}", path.display());
        let text = rejection(Source::Text(secret)).to_string();
        assert!(text.contains("its file can't be read: it is not a regular file"), "{text}");
    }
    fs::remove_file(pipe).unwrap();
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_rejected() {
    let long = path("long");
    fs::write(&long, "#".repeat(MAX_LENGTH as usize + 1)).unwrap();
    let text = rejection(Source::File(long.clone())).to_string();
    assert!(text.contains("it is longer than 1048576 bytes"), "{text}");
    let text = format!("defaults = false\n{}", "#".repeat(MAX_LENGTH as usize));
    fs::write(&long, &text[..MAX_LENGTH as usize]).unwrap();
    Source::File(long.clone()).load(&[]).unwrap();
    fs::remove_file(long).unwrap();
}

#[test]
fn an_error_lists_a_hundred_problems_and_counts_the_rest() {
    let text: String = (0..100_000).map(|n| format!("sumary{n} = 1\n")).collect();
    let error = rejection(Source::Text(text));
    let problems: Vec<_> = error.problems().collect();
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[99].split(": ").next(), Some("config:100"));
    assert_eq!(problems[100], "config: and 99900 more");
    assert_eq!(format!("{error:?}"), error.to_string(), "`main` prints the `Debug`");
}

#[test]
fn a_long_text_is_shortened_in_the_error() {
    let word = "x".repeat(100_000);
    for text in [
        format!("{word} = 1"),
        format!("[[rule]]\nsignal = '{word}'"),
        format!("[[rule]]\nsignal = 'error_ratio'\nabove = 0.1\nhold_for = '{word}'"),
        format!("[[notifier]]\nkind = 'log'\nor_else = '{word}'"),
    ] {
        let error = rejection(Source::Text(text)).to_string();
        assert!(error.len() < 1_000 && error.contains("xxx…"), "{error}");
    }
}

#[test]
fn a_file_with_more_than_two_hundred_notifiers_is_rejected() {
    let text: String =
        (0..20_000).map(|n| format!("[[notifier]]\nkind = 'log'\nname = 'n{n}'\n")).collect();
    let text = rejection(Source::Text(text)).to_string();
    assert_eq!(text, "config:601: notifier: is one of more than 200: remove some");
}

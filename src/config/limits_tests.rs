//! Files that are no files, have no end, or are wrong all over.

use std::{fs, path::PathBuf};

use super::*;

fn refused(source: Source) -> ConfigError {
    source.load(&[]).unwrap_err()
}

/// A path of this test's own.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lookout-config-{}-{name}", std::process::id()))
}

#[cfg(unix)]
#[test]
fn a_device_a_pipe_and_a_folder_are_refused_and_not_read() {
    let pipe = path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in ["/dev/zero".into(), "/".into(), pipe.clone()] {
        let text = refused(Source::File(path.clone())).to_string();
        let says = format!(
            "{}: can't be read: it is not a regular file: give the path of a TOML file",
            path.display()
        );
        assert_eq!(text, says);
        let secret =
            format!("[[notifier]]\nkind = 'slack'\nurl = {{ file = '{}' }}", path.display());
        let text = refused(Source::Text(secret)).to_string();
        assert!(text.contains("its file can't be read: it is not a regular file"), "{text}");
    }
    fs::remove_file(pipe).unwrap();
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused() {
    let long = path("long");
    fs::write(&long, "#".repeat(LONGEST as usize + 1)).unwrap();
    let text = refused(Source::File(long.clone())).to_string();
    assert!(text.contains("it is longer than 1048576 bytes"), "{text}");
    let text = format!("defaults = false\n{}", "#".repeat(LONGEST as usize));
    fs::write(&long, &text[..LONGEST as usize]).unwrap();
    Source::File(long.clone()).load(&[]).unwrap();
    fs::remove_file(long).unwrap();
}

#[test]
fn of_a_hundred_thousand_unknown_keys_a_hundred_are_named_and_the_rest_are_counted() {
    let text: String = (0..100_000).map(|n| format!("sumary{n} = 1\n")).collect();
    let refused = refused(Source::Text(text));
    let problems: Vec<_> = refused.problems().collect();
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[99].split(": ").next(), Some("config:100"));
    assert_eq!(problems[100], "config: and 99900 more");
    assert_eq!(format!("{refused:?}"), refused.to_string(), "what main prints");
}

#[test]
fn a_text_without_an_end_is_shown_in_part() {
    let word = "x".repeat(100_000);
    for text in [
        format!("{word} = 1"),
        format!("[[rule]]\nsignal = '{word}'"),
        format!("[[rule]]\nsignal = 'error_ratio'\nabove = 0.1\nhold_for = '{word}'"),
        format!("[[notifier]]\nkind = 'log'\nor_else = '{word}'"),
    ] {
        let refused = refused(Source::Text(text)).to_string();
        assert!(refused.len() < 1_000 && refused.contains("xxx…"), "{refused}");
    }
}

#[test]
fn a_file_has_two_hundred_notifiers_at_most() {
    let text: String =
        (0..20_000).map(|n| format!("[[notifier]]\nkind = 'log'\nname = 'n{n}'\n")).collect();
    let text = refused(Source::Text(text)).to_string();
    assert_eq!(text, "config:601: notifier: is one of more than 200: leave some out");
}

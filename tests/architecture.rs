//! Modules only look left: what stands first in this list knows nothing of what stands after it.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::{fs, path::Path};

const ORDER: [&str; 24] = [
    "guard",
    "guide",
    "text",
    "causes",
    "deadline",
    "files",
    "memory",
    "operation",
    "outcome",
    "series",
    "window",
    "facade",
    "observe",
    "runtime",
    "collect",
    "rule",
    "alert",
    "report",
    "task",
    "notify",
    "prometheus",
    "config",
    "lookout",
    "bench",
];

fn sources(path: &Path) -> Vec<(String, String)> {
    if path.is_file() {
        return vec![(path.display().to_string(), fs::read_to_string(path).unwrap())];
    }
    let mut found: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.retain(|path| path.is_dir() || path.extension().is_some_and(|end| end == "rs"));
    found.iter().flat_map(|path| sources(path)).collect()
}

fn source_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src"))
}

/// The modules named after `crate::`, also within braces.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let inside = match rest.strip_prefix('{') {
            Some(braces) => top_level(braces),
            None => vec![rest],
        };
        found.extend(inside.into_iter().map(|path| {
            let path = path.trim_start();
            let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
            path[..end].to_owned()
        }));
    }
    found
}

/// The parts of a braced list, split at its own commas.
fn top_level(braces: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, character) in braces.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&braces[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&braces[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

#[test]
fn modules_only_look_left() {
    for (place, module) in ORDER.iter().enumerate() {
        let folder = source_folder().join(module);
        let path = if folder.is_dir() { folder } else { folder.with_extension("rs") };
        for (file, text) in sources(&path) {
            for used in uses(&text) {
                if let Some(of) = ORDER.iter().position(|module| *module == used) {
                    assert!(of <= place, "{file} looks right: {module} uses {used}");
                }
            }
        }
    }
}

#[test]
fn the_list_is_complete() {
    for entry in fs::read_dir(source_folder()).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(module == "lib" || ORDER.contains(&&*module), "{module} has no place in the list");
    }
}

#[test]
fn each_file_of_tests_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let target = format!("path = \"{name}\"");
        assert!(!name.ends_with(".rs") || manifest.contains(&target), "no [[test]] with {target}");
    }
}

#[test]
fn a_file_has_one_subject_and_so_at_most_400_lines() {
    for folder in ["src", "tests", "benches", "examples"] {
        for (file, text) in sources(&source_folder().with_file_name(folder)) {
            let lines = text.lines().count();
            assert!(lines <= 400, "{file} has {lines} lines: it is probably two");
        }
    }
}

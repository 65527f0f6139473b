//! The order of the modules, and what the receivers may use.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "architecture/modules.rs"]
mod modules;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use self::modules::Modules;

/// A module uses only itself and modules before it.
const ORDER: [&str; 30] = [
    "catch_panic",
    "stable_hash",
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
    "document",
    "evaluate",
    "alert",
    "report",
    "task",
    "notify",
    "suppress",
    "snapshot",
    "prometheus",
    "config",
    "generate",
    "lookout",
    "bench",
    "guide",
];

fn source_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src"))
}

#[test]
fn a_module_uses_only_modules_before_it() {
    let position = |module: &str| {
        ORDER
            .iter()
            .position(|m| *m == module)
            .unwrap_or_else(|| panic!("{module} is not in ORDER"))
    };
    for (from, to) in Modules::of_crate(source_folder()).uses() {
        if let ([from_module, ..], [to_module, ..]) = (&from[..], &to[..]) {
            let (from, to) = (from.join("::"), to.join("::"));
            assert!(
                position(to_module) <= position(from_module),
                "{from} uses {to}, which comes after it in the order"
            );
        }
    }
}

#[test]
fn modules_in_a_folder_have_no_import_cycles() {
    let mut cycles = Vec::new();
    for (folder, edges) in Modules::of_crate(source_folder()).siblings() {
        let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in edges.keys() {
            targets.entry(from).or_default().push(to);
        }
        for ((from, to), example) in &edges {
            if reaches(&targets, to, from) {
                cycles.push(format!("{}: {from} -> {to} ({example})", folder.join("::")));
            }
        }
    }
    assert!(cycles.is_empty(), "import cycles:\n{}", cycles.join("\n"));
}

/// Returns whether one module uses another, directly or through others.
fn reaches(targets: &BTreeMap<&str, Vec<&str>>, from: &str, to: &str) -> bool {
    let (mut seen, mut ahead) = (Vec::new(), vec![from]);
    while let Some(module) = ahead.pop() {
        if module == to {
            return true;
        }
        if !seen.contains(&module) {
            seen.push(module);
            ahead.extend(targets.get(module).into_iter().flatten());
        }
    }
    false
}

#[test]
fn each_module_is_in_the_order() {
    for entry in fs::read_dir(source_folder()).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(module == "lib" || ORDER.contains(&&*module), "{module} is not in ORDER");
    }
}

#[test]
fn each_test_file_is_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let target = format!("path = \"{name}\"");
        assert!(!name.ends_with(".rs") || manifest.contains(&target), "no [[test]] with {target}");
    }
}

/// A receiver in another crate can do all that a built-in one does with an alert, a notification and
/// a response: the built-in ones call only their public methods.
#[test]
fn receivers_call_no_private_method_of_alerts_and_notifications() {
    let contract = ["alert", "notify/delivered.rs", "notify/error.rs", "notify/notification.rs"];
    let contract: String = contract.iter().map(|path| text(&source_folder().join(path))).collect();
    let receivers = text(&source_folder().join("notify/receivers"));
    let private: BTreeSet<_> = ["pub(crate) fn ", "pub(super) fn ", "pub(super) const fn "]
        .iter()
        .flat_map(|start| contract.split(start).skip(1))
        .map(|rest| rest.split(['(', '<']).next().unwrap_or_default())
        .collect();
    assert!(private.contains("identity") && private.contains("breach_mut"), "{private:?}");
    for name in private {
        let definition = |visibility: &str| format!("{visibility}fn {name}");
        let is_ambiguous = OTHER_METHODS.contains(&name)
            || contract.contains(&definition("    pub "))
            || receivers.contains(&definition(""));
        for call in [format!(".{name}("), format!("Notification::{name}"), format!("Alert::{name}")]
        {
            assert!(
                is_ambiguous || !receivers.contains(&call),
                "{call} is private: make it public"
            );
        }
    }
}

/// Names of private methods of the contract that types of other crates have, too.
const OTHER_METHODS: [&str; 2] = ["bytes", "replace"];

/// The code of a file, or of all files in a folder, without tests and comments.
fn text(path: &Path) -> String {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        return entries.map(|path| text(&path)).collect();
    }
    let name = path.file_name().unwrap().to_string_lossy();
    if !name.ends_with(".rs") || name.ends_with("tests.rs") {
        return String::new();
    }
    let code = fs::read_to_string(path).unwrap();
    let end = code.find("#[cfg(test)]\nmod tests").unwrap_or(code.len());
    let lines = code[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

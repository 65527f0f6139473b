//! Checks the licences, sources and duplicates of the crates that an application builds because of
//! this one.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    process::Command,
};

use serde_json::Value;
use spdx::{Expression, ParseMode};

/// Licences that require only a notice from an application.
const ALLOWED_LICENCES: [&str; 9] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates with two versions in the tree, and the reason for each.
const DUPLICATES: [(&str, &str); 8] = [
    ("base64", "axum, tonic and metrics-exporter-prometheus use 0.22, the HTTP clients 0.23"),
    ("getrandom", "ring uses 0.2, rand_core uses 0.3"),
    ("hashbrown", "metrics-util uses 0.16, indexmap uses 0.17"),
    ("nom", "lettre uses 8, the bindgen of metrics-process uses 7 at build time"),
    ("shlex", "cc uses 2, the bindgen of metrics-process uses 1 at build time"),
    ("syn", "derive macros move from 2 to 3 one by one; build time only"),
    ("tower-http", "each release has its own timeout error, and this crate recognises both"),
    ("windows-sys", "ring uses 0.52, tokio uses 0.61; Windows only"),
];

struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    /// `None` for a package of this workspace.
    source: Option<String>,
}

/// Returns all normal and build dependencies of the crate, with all features and on all targets.
fn shipped_packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();

    let by_id = |list: &Value| -> HashMap<String, Value> {
        let entries = list.as_array().unwrap().iter();
        entries.map(|entry| (entry["id"].as_str().unwrap().to_owned(), entry.clone())).collect()
    };
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);

    let root = packages.iter().find(|(_, package)| package["name"] == "tower-lookout").unwrap().0;
    let mut found = BTreeSet::new();
    let mut queue = vec![root.as_str()];
    while let Some(id) = queue.pop() {
        if found.insert(id) {
            let dependencies = nodes[id]["deps"].as_array().unwrap().iter();
            queue.extend(
                dependencies
                    .filter(|dependency| ships(dependency))
                    .map(|d| d["pkg"].as_str().unwrap()),
            );
        }
    }

    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = |id: &str| {
        let package = &packages[id];
        Package {
            name: text(&package["name"]).unwrap(),
            version: text(&package["version"]).unwrap(),
            licence: text(&package["license"]),
            source: text(&package["source"]),
        }
    };
    found.into_iter().map(package).collect()
}

/// Returns whether an application builds the dependency, and not only the tests of the crate that
/// has it.
fn ships(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev")
}

#[test]
fn every_licence_is_on_the_list() {
    for package in shipped_packages() {
        let Package { name, version, licence, .. } = package;
        let licence = licence.unwrap_or_else(|| panic!("{name} {version} names no licence"));
        let expression = Expression::parse_mode(&licence, ParseMode::LAX).unwrap();
        let is_allowed = expression.evaluate(|requirement| {
            requirement.license.id().is_some_and(|id| ALLOWED_LICENCES.contains(&id.name))
        });
        assert!(is_allowed, "{name} {version} has the licence {licence}");
    }
}

#[test]
fn every_dependency_comes_from_one_registry() {
    let sources: BTreeSet<_> =
        shipped_packages().into_iter().filter_map(|package| package.source).collect();
    let is_one_registry =
        sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+"));
    assert!(is_one_registry, "{sources:?}");
}

#[test]
fn only_crates_on_the_list_have_two_versions() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in shipped_packages() {
        versions.entry(package.name).or_default().push(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    for (name, versions) in &versions {
        let is_listed = DUPLICATES.iter().any(|(listed, _)| listed == name);
        assert!(is_listed && versions.len() == 2, "{name} is in the tree as {versions:?}");
    }
    for (name, reason) in DUPLICATES {
        assert!(versions.contains_key(name), "{name} has one version now, remove it: {reason}");
    }
}

//! Compares the public API with its listing in `docs/public-api.txt`. A diff of the listing shows
//! each change of the API.
//!
//! `.ci/public-api` checks the listing, `.ci/public-api --write` updates it.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use public_api::Builder;

const LISTING: &str = "docs/public-api.txt";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the output of a program, or `None` if it fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Returns the version, such as `rustdoc 1.95.0`.
fn rustdoc_version() -> String {
    let version = output("rustdoc", &["--version"]).unwrap();
    version.split(" (").next().unwrap().trim().to_owned()
}

/// Returns the first line of the listing, which names the version of rustdoc. Another version may
/// write other items, or a format that the renderer can't read.
fn header() -> String {
    format!("# {}, all features; `.ci/public-api --write` writes this file", rustdoc_version())
}

/// Renders one line for each public item, and one for each trait that a type implements.
fn rendered() -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("");
    // rustdoc's JSON is unstable. The wrapper enables it for rustdoc alone: build scripts depend on
    // the variable, so cargo would rebuild everything.
    let rustdoc = root().join(".ci/rustdoc-unstable").canonicalize().unwrap();
    let arguments =
        ["rustdoc", "--package", "tower-lookout", "--lib", "--all-features", "--locked", "--quiet"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format", "json"])
        .env("RUSTDOC", rustdoc)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let json: PathBuf = target.join("doc/tower_lookout.json");
    let api = Builder::from_rustdoc_json(json).omit_blanket_impls(true).build().unwrap();
    let items = api.items().map(|item| format!("{item}\n"));
    items.filter(|item| !follows_from_others(item)).collect()
}

/// Returns whether the listing omits an item because it follows from others: a method of a trait
/// with a listed `impl`, or an auto trait. The listing shows a missing `Send`, `Sync` or `Unpin`.
fn follows_from_others(item: &str) -> bool {
    const METHODS: [&str; 7] = [
        "::assert_receiver_is_total_eq(&self)",
        "::clone(&self) -> ",
        "::cmp(&self, ",
        "::eq(&self, ",
        "::fmt(&self, &mut core::fmt::Formatter<",
        "::hash<__H: core::hash::Hasher>(&self, &mut __H)",
        "::partial_cmp(&self, ",
    ];
    METHODS.iter().any(|method| item.contains(method))
        || implemented_trait(item).is_some_and(|name| {
            matches!(name, "core::marker::Send" | "core::marker::Sync" | "core::marker::Unpin")
                || ["Freeze", "UnsafeUnpin", "UnwindSafe", "StructuralPartialEq"]
                    .iter()
                    .any(|end| name.ends_with(end))
        })
}

/// Returns the trait of an `impl` without its own generic parameters, with `!` for a negative
/// `impl`.
fn implemented_trait(item: &str) -> Option<&str> {
    let (start, _) = item.strip_prefix("impl")?.split_once(" for ")?;
    start.rsplit(' ').next()
}

#[test]
#[ignore = "builds the documentation: run .ci/public-api"]
fn the_listing_matches_the_public_api() {
    let path = root().join(LISTING);
    if env::var("LOOKOUT_PUBLIC_API").is_ok_and(|value| value == "write") {
        fs::write(path, format!("{}\n{}", header(), rendered())).unwrap();
        return;
    }
    let listing = fs::read_to_string(path).unwrap();
    let (listed_header, listed) = listing.split_once('\n').unwrap();
    if listed_header != header() {
        println!("skipped: {} is here, and the listing has: {listed_header}", rustdoc_version());
        return;
    }
    let rendered = rendered();
    let only_in = |text: &str, other: &str, sign: char| -> String {
        let other: HashSet<_> = other.lines().collect();
        let lines = text.lines().filter(|line| !other.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    assert!(
        listed == rendered,
        "the public API differs from {LISTING}; run .ci/public-api --write if that is intended\n{}{}",
        only_in(listed, &rendered, '-'),
        only_in(&rendered, listed, '+'),
    );
}

/// Returns the part of a version that a breaking release raises: `1` for 1.4.2, `0.3` for 0.3.1.
fn compatible_part(version: &str) -> &str {
    let digits = if version.starts_with("0.") { 2 } else { 1 };
    let end = version.match_indices('.').nth(digits - 1).map_or(version.len(), |(at, _)| at);
    &version[..end]
}

#[test]
fn the_breaking_part_of_a_version_is_the_first_that_is_not_zero() {
    assert_eq!(compatible_part("1.4.2"), "1");
    assert_eq!(compatible_part("0.3.1"), "0.3");
}

/// Returns the items that users of `old` may miss in `new`.
fn breaking_changes<'a>(old: &'a str, new: &'a str) -> Vec<&'a str> {
    let (old, new): (HashSet<_>, HashSet<_>) = (items(old).collect(), items(new).collect());
    let gone = old.difference(&new).filter(|item| !is_negative(item));
    let lost = new.difference(&old).filter(|item| is_negative(item));
    let mut breaking: Vec<_> = gone.chain(lost).copied().collect();
    breaking.sort_unstable();
    breaking
}

fn items(listing: &str) -> impl Iterator<Item = &str> {
    listing.lines().filter(|line| !line.starts_with("# "))
}

fn is_negative(item: &str) -> bool {
    implemented_trait(item).is_some_and(|name| name.starts_with('!'))
}

#[test]
fn a_removed_item_and_a_lost_auto_trait_are_breaking() {
    let old = "# rustdoc 1\npub fn a::f()\npub fn a::g()\nimpl !core::marker::Sync for a::T";
    let new = "# rustdoc 2\npub fn a::f()\npub fn a::h()\nimpl !core::marker::Send for a::T";
    let breaking = breaking_changes(old, new);
    assert_eq!(breaking, ["impl !core::marker::Send for a::T", "pub fn a::g()"]);
    assert!(breaking_changes(old, old).is_empty());
}

/// An item that was removed or changed since the last tag breaks users, and so does a lost auto
/// trait.
#[test]
fn a_breaking_change_since_the_last_tag_raises_the_version() {
    let Some(tag) = output("git", &["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"])
    else {
        println!("skipped: no tag is here");
        return;
    };
    let tag = tag.trim();
    let Some(released) = output("git", &["show", &format!("{tag}:{LISTING}")]) else {
        println!("skipped: {tag} has no listing");
        return;
    };
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .unwrap();
    if compatible_part(version) != compatible_part(&tag[1..]) {
        return;
    }
    let listing = fs::read_to_string(root().join(LISTING)).unwrap();
    let breaking = breaking_changes(&released, &listing);
    assert!(breaking.is_empty(), "{version} follows {tag}, but changes:\n{}", breaking.join("\n"));
}

/// Returns the module and the name of the type at the start of a path. At the root, the module is
/// empty.
fn type_of(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("tower_lookout::")?;
    let (module, path) = match path.split_once("::") {
        Some((module, path)) if module.starts_with(char::is_lowercase) => (module, path),
        _ => ("", path),
    };
    let name = path.split(|part: char| !part.is_alphanumeric()).next()?;
    name.starts_with(char::is_uppercase).then_some((module, name))
}

/// Returns the module and the name of each type and trait. Some are both at the root and in a
/// module.
fn types(listing: &str) -> impl Iterator<Item = (&str, &str)> {
    items(listing).filter_map(|item| {
        let declaration = item.split_once("pub ")?.1;
        let (kind, path) = declaration.split_once(' ')?;
        matches!(kind, "struct" | "enum" | "trait").then(|| type_of(path))?
    })
}

/// Returns the types of a module that functions of at least two other modules take. The root counts
/// as a module.
fn shared_types(listing: &str) -> BTreeSet<&str> {
    let modules: HashMap<_, _> = types(listing)
        .filter(|(module, _)| !module.is_empty())
        .map(|(m, name)| (name, m))
        .collect();
    let mut takers: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for item in items(listing) {
        let Some((path, signature)) =
            item.split_once("fn ").and_then(|(_, function)| function.split_once('('))
        else {
            continue;
        };
        let Some((module, owner)) = type_of(path) else { continue };
        let taker = modules.get(owner).copied().unwrap_or(module);
        let (arguments, result) = signature.split_once(" -> ").unwrap_or((signature, ""));
        let bounds = result.split_once(" where ").map_or("", |(_, bounds)| bounds);
        let paths = [arguments, bounds].into_iter().flat_map(|text| {
            text.split(|part: char| !part.is_alphanumeric() && !matches!(part, '_' | ':'))
        });
        for (_, name) in paths.filter_map(type_of) {
            if modules.get(name).is_some_and(|module| *module != taker) {
                takers.entry(name).or_default().insert(taker);
            }
        }
    }
    let shared = takers.into_iter().filter(|(_, modules)| modules.len() > 1);
    shared.map(|(name, _)| name).collect()
}

/// Returns the types that are both at the root and in a module.
fn types_at_both(listing: &str) -> BTreeSet<&str> {
    let (root, modules): (Vec<_>, Vec<_>) =
        types(listing).partition(|(module, _)| module.is_empty());
    let root: BTreeSet<_> = root.into_iter().map(|(_, name)| name).collect();
    modules.into_iter().map(|(_, name)| name).filter(|name| root.contains(name)).collect()
}

#[test]
fn a_type_of_a_module_is_at_the_root_if_functions_of_two_other_modules_take_it() {
    let listing = fs::read_to_string(root().join(LISTING)).unwrap();
    assert_eq!(types_at_both(&listing), shared_types(&listing));
    let example = "\
        pub struct tower_lookout::a::A\n#[non_exhaustive] pub enum tower_lookout::b::B\n\
        pub struct tower_lookout::R\npub struct tower_lookout::B\n\
        pub fn tower_lookout::R::f(&self, tower_lookout::b::B) -> tower_lookout::a::A\n\
        pub fn tower_lookout::a::A::g<F>(F) -> Self where F: Fn(&tower_lookout::b::B)";
    assert_eq!(shared_types(example), BTreeSet::from(["B"]));
    assert_eq!(types_at_both(example), BTreeSet::from(["B"]));
}

/// The modules of sealed traits, and the opaque states of this crate's observers.
const PRIVATE: [&str; 3] = ["sealed", "Head", "PendingRequest"];

#[test]
fn no_signature_has_an_unnameable_type_a_fixed_length_or_a_flag() {
    let listing = fs::read_to_string(root().join(LISTING)).unwrap();
    let modules: HashSet<_> =
        items(&listing).filter_map(|item| item.strip_prefix("pub mod ")).collect();
    let is_unnameable = |path: &str| {
        let mut parts = path.split("::");
        let module = path.split("::").take_while(|part| part.starts_with(char::is_lowercase));
        let module = module.collect::<Vec<_>>().join("::");
        let is_private = path.starts_with("tower_lookout::") && !modules.contains(&*module);
        is_private
            && parts.any(|part| part.starts_with(char::is_uppercase))
            && !path.split("::").any(|part| PRIVATE.contains(&part))
    };
    let of_words = |item: &str, is_bad: &dyn Fn(&str) -> bool| {
        item.split(|part: char| !part.is_alphanumeric() && !matches!(part, '_' | ':')).any(is_bad)
    };
    for item in items(&listing) {
        assert!(!of_words(item, &is_unnameable), "a private path: {item}");
        let has_length = item.split("; ").skip(1).any(|rest| rest.starts_with(char::is_numeric));
        assert!(!has_length, "callers depend on the length of an array: {item}");
        let arguments = item.split_once('(').map_or("", |(_, signature)| signature);
        let arguments = arguments.split(" -> ").next().unwrap();
        let has_flag = item.contains("fn ") && of_words(arguments, &|word| word == "bool");
        assert!(!has_flag, "a flag, which a call does not explain: {item}");
    }
}

//! The README and the pages of the guide.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{fs, path::Path};

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the name and the text of each page.
pub(crate) fn pages() -> Vec<(String, String)> {
    let guide = fs::read_dir(root().join("src/guide")).unwrap();
    let guide = guide.map(|entry| entry.unwrap().path());
    let is_page = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "md");
    let paths = [root().join("README.md")].into_iter().chain(guide.filter(is_page));
    paths
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Returns the lines of the code blocks in this language.
pub(crate) fn code<'t>(text: &'t str, language: &str) -> impl Iterator<Item = &'t str> {
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.filter_map(move |block| block.strip_prefix(language)).flat_map(str::lines)
}

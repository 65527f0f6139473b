//! The README and the guide match the source.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/docs.rs"]
mod docs;

use std::{fs, path::Path};

use docs::{code, pages, root};

#[test]
fn the_readme_has_at_most_200_lines() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 200, "{lines} lines: move a part to a page in src/guide");
}

#[test]
fn each_page_is_a_module_and_readme_links_to_it() {
    let modules = fs::read_to_string(root().join("src/guide/mod.rs")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (name, text) in pages().into_iter().skip(1) {
        assert!(text.starts_with("# "), "{name}: begin with a title");
        assert!(modules.contains(&format!("include_str!(\"{name}.md\")")), "{name} has no module");
        let link = format!("/guide/{name}/index.html");
        assert!(readme.contains(&link), "README does not link to {name}");
    }
}

/// Returns the fragment that rustdoc generates for a heading.
fn fragment(heading: &str) -> String {
    let kept = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[test]
fn each_link_to_a_section_of_the_guide_finds_its_heading() {
    let pages = pages();
    let text_of = |name: &str| pages.iter().find(|page| page.0 == name).map(|page| &page.1);
    let has = |page: &str, section: &str| {
        let headings = text_of(page).into_iter().flat_map(|text| text.lines());
        headings.filter_map(|line| line.strip_prefix("# ")).any(|title| fragment(title) == section)
    };
    for (name, text) in &pages {
        for (start, end) in [("guide::", ')'), ("/guide/", '\n')] {
            for (at, _) in text.match_indices(start) {
                let link = text[at + start.len()..].split(end).next().unwrap();
                let Some((page, section)) = link.split_once('#') else { continue };
                let page = page.trim_end_matches("/index.html");
                assert!(has(page, section), "{name}: {page} has no section {section}");
            }
        }
        for (at, _) in text.match_indices("](#") {
            let section = text[at + 3..].split(')').next().unwrap();
            assert!(has(name, section), "{name} has no section {section}");
        }
    }
}

/// Appends the text of all source files. Replaces each formatted value by `…`, and joins string
/// literals that span several lines.
fn source(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push_str(&joined(&fs::read_to_string(path).unwrap()));
        }
    }
}

fn joined(text: &str) -> String {
    let mut joined = String::new();
    for line in text.lines() {
        let line = if joined.ends_with('\\') { line.trim_start() } else { line };
        if joined.ends_with('\\') {
            joined.pop();
        } else {
            joined.push('\n');
        }
        joined.push_str(line);
    }
    without_values(&joined.replace("\\\"", "\""))
}

fn without_values(text: &str) -> String {
    let mut rest = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        match after.split_once('}') {
            Some((value, after)) if !value.contains('\n') => {
                plain.push('…');
                rest = after.to_owned();
            }
            _ => {
                plain.push('{');
                rest = after.to_owned();
            }
        }
    }
    plain.push_str(&rest);
    plain.replace('\u{1}', "{").replace('\u{2}', "}")
}

/// Returns a log line without its level and its fields.
fn message(line: &str) -> Option<&str> {
    let levels = ["ERROR ", "WARN ", "INFO ", "Error: "];
    let line = levels.into_iter().find_map(|level| line.strip_prefix(level))?;
    let is_field = |word: &str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| {
            name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
        })
    };
    let end = line
        .match_indices(' ')
        .find(|(at, _)| is_field(line[at + 1..].split(' ').next().unwrap_or("")));
    Some(end.map_or(line, |(at, _)| &line[..at]))
}

/// Returns the first cell of a table's row, if the cell is code.
fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split_once("` |").map(|(cell, _)| cell)
}

/// Replaces each number by `…`.
fn without_numbers(text: &str) -> String {
    let words = text.split(' ').map(|word| if word.parse::<f64>().is_ok() { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn each_log_line_and_reason_of_the_guide_is_in_the_source() {
    let mut text = String::new();
    source(&root().join("src"), &mut text);
    let mut found = 0;
    for (name, page) in pages() {
        let logged = code(&page, "text").filter_map(message).map(str::to_owned);
        let is_of_symptoms = name == "troubleshooting";
        let cells = page.lines().filter_map(first_cell).filter(|_| is_of_symptoms);
        for message in logged.chain(cells.map(without_numbers)) {
            found += 1;
            assert!(text.contains(&message), "{name}: no source file has {message:?}");
        }
    }
    assert!(found > 20, "{found} log lines");
}

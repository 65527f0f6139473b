use std::{borrow::Cow, fmt, panic::Location};

use crate::text::short;

/// A source location. A path in a dependency or the toolchain starts at its crate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallSite {
    file: Cow<'static, str>,
    line: u32,
}

/// The maximum length of a path, in characters.
const MAX_CHARS: usize = 200;

impl CallSite {
    pub(super) fn new(file: impl Into<Cow<'static, str>>, line: u32) -> Self {
        Self { file: short(from_crate(file.into()), MAX_CHARS), line }
    }

    #[track_caller]
    pub(super) fn caller() -> Self {
        let location = Location::caller();
        Self::new(location.file(), location.line())
    }

    /// Several locations, or an unknown one.
    pub(super) const fn unknown() -> Self {
        Self { file: Cow::Borrowed(""), line: 0 }
    }

    #[cfg(feature = "state")]
    pub(super) fn parts(&self) -> (&Cow<'static, str>, u32) {
        (&self.file, self.line)
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.as_ref() {
            "" => f.write_str("several locations"),
            file => write!(f, "{file}:{}", self.line),
        }
    }
}

/// Shortens the path to start at the crate's folder, such as
/// `tower-http-0.7.1/src/trace/on_failure.rs`. Relative paths of the application stay unchanged.
fn from_crate(path: Cow<'static, str>) -> Cow<'static, str> {
    let start = crate_start(&path);
    match path {
        _ if start == 0 => path,
        Cow::Borrowed(path) => path[start..].into(),
        Cow::Owned(path) => path[start..].to_owned().into(),
    }
}

/// The offset of the crate's folder in the path.
fn crate_start(path: &str) -> usize {
    let mut start = 0;
    let folders: Vec<(usize, &str)> = path
        .split(['/', '\\'])
        .map(|folder| {
            let at = start;
            start += folder.len() + 1;
            (at, folder)
        })
        .collect();
    let names: Vec<_> = folders.iter().map(|(_, folder)| *folder).collect();
    let after = |parts: &[&str], skipped: usize| {
        let at = names.windows(parts.len()).rposition(|window| window == parts)?;
        folders.get(at + parts.len() + skipped).map(|(start, _)| *start)
    };
    let is_absolute = path.starts_with(['/', '\\']) || path.get(1..2) == Some(":");
    let is_toolchain = is_absolute && names.get(1) == Some(&"rustc");
    let of_toolchain = || folders.get(3).filter(|_| is_toolchain).map(|(start, _)| *start);
    // A path dependency, or an application built from its absolute path.
    let of_path = || {
        let source = names.iter().rposition(|folder| *folder == "src");
        let at = source.unwrap_or(names.len() - 1).saturating_sub(1);
        is_absolute.then(|| folders[at].0)
    };
    after(&["registry", "src"], 1)
        .or_else(|| after(&["git", "checkouts"], 2))
        .or_else(|| after(&["rustlib", "src", "rust"], 0))
        .or_else(of_toolchain)
        .or_else(of_path)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_path_starts_at_its_crate() {
        let registry = "/home/ci/.cargo/registry/src/index.example-0123456789abcdef";
        let git = "/home/ci/.cargo/git/checkouts/tokio-377c595163f99a10/9e94fa7";
        let windows = r"C:\Users\ci\.cargo\registry\src\index.example-0123456789abcdef";
        let rust = "/home/ci/.rustup/toolchains/stable/lib/rustlib/src/rust";
        for (path, shown) in [
            (
                format!("{registry}/tower-http-0.7.1/src/trace/on_failure.rs"),
                "tower-http-0.7.1/src/trace/on_failure.rs",
            ),
            (
                format!("{windows}\\axum-0.8.9\\src\\serve\\listener.rs"),
                r"axum-0.8.9\src\serve\listener.rs",
            ),
            (format!("{git}/tokio/src/runtime/task.rs"), "tokio/src/runtime/task.rs"),
            (
                format!("/rustc/{}/library/core/src/option.rs", "4d91de4e"),
                "library/core/src/option.rs",
            ),
            (format!("{rust}/library/std/src/thread.rs"), "library/std/src/thread.rs"),
            ("/build/vendor/tower-http/src/lib.rs".to_owned(), "tower-http/src/lib.rs"),
            ("/builds/libs/stock/src/db/pool.rs".to_owned(), "stock/src/db/pool.rs"),
            ("/builds/libs/stock/build.rs".to_owned(), "stock/build.rs"),
        ] {
            let of_static: &'static str = path.clone().leak();
            assert_eq!(CallSite::new(of_static, 7).to_string(), format!("{shown}:7"));
            assert_eq!(CallSite::new(path, 7).to_string(), format!("{shown}:7"));
        }
    }

    #[test]
    fn an_application_path_stays_unchanged() {
        for path in
            ["src/orders.rs", "crates/orders/src/db.rs", r"src\main.rs", "kafka::client", "é"]
        {
            assert_eq!(CallSite::new(path, 42).to_string(), format!("{path}:42"));
        }
        assert_eq!(CallSite::unknown().to_string(), "several locations");
        assert!(CallSite::new("x".repeat(1_000_000), 1).to_string().chars().count() < 210);
    }
}

//! Reads a rendered rule file, and runs promtool on it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

/// The expressions of a rule file.
pub(crate) fn expressions(file: &str) -> Vec<String> {
    let mut expressions = Vec::new();
    let mut lines = file.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() != "expr: |-" {
            continue;
        }
        let mut expression = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("      ")) {
            expression.push_str(line.trim_start());
            expression.push('\n');
        }
        expressions.push(expression);
    }
    expressions
}

/// A folder that is removed at the end of the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("lookout-rules-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs promtool, and fails with its output if it reports a problem.
pub(crate) fn run(promtool: &Path, arguments: &[&str], files: &[PathBuf]) {
    let output = Command::new(promtool).args(arguments).args(files).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(output.status.success(), "promtool: {text}\n{}", texts.join("\n"));
}

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Saved, VERSION};
use crate::{catch_panic::logged, files};

/// The fields that every version of the file has.
#[derive(Deserialize)]
struct Header {
    version: u32,
    service: String,
}

/// Reads the file; `None` if it does not exist, as at the first start. An error explains why it is
/// unusable.
pub(super) fn read(path: &Path, service: &str) -> Result<Option<Saved>, String> {
    match files::read(path, LONGEST) {
        Ok(content) => parse(&content, service).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// The size limit of the file in bytes, for reads and writes. Three full queues fit.
const LONGEST: u64 = 64 << 20;

fn parse(content: &[u8], service: &str) -> Result<Saved, String> {
    let damaged = |error: serde_json::Error| format!("it is damaged: {error}");
    let header: Header = serde_json::from_slice(content).map_err(damaged)?;
    if header.version != VERSION {
        return Err(format!("it has version {}, not {VERSION}", header.version));
    }
    if header.service != service {
        return Err(format!("it belongs to the service {:?}, not {service:?}", header.service));
    }
    serde_json::from_slice(content).map_err(damaged)
}

/// Renames an unusable file, so that a person can look at it.
pub(super) fn set_aside(path: &Path, reason: &str) {
    let aside = beside(path, ".set-aside");
    // The directory was created after the settings were checked, so it is not the lookout's.
    let moved = match path.is_dir() {
        true => Err(ErrorKind::IsADirectory.into()),
        false => fs::rename(path, &aside),
    };
    let (path, to) = (path.display(), aside.display());
    match moved {
        Ok(()) => logged(|| {
            tracing::warn!(
                %path, %to, reason,
                "the state file is set aside: the alerts that fired before this start are unknown"
            );
        }),
        Err(error) => logged(|| {
            tracing::warn!(
                %path, reason, %error,
                "the state file is unusable, and cannot be set aside: the alerts that fired before this \
                 start are unknown"
            );
        }),
    }
}

/// Serialises the state within the size limit. If it is too large, reports first lose their
/// details, then the longest lists lose alerts.
fn bounded(saved: &Saved, most: usize) -> io::Result<Vec<u8>> {
    let mut content = Bounded { content: Vec::new(), left: most };
    let whole = serde_json::to_writer(&mut content, saved);
    if whole.is_ok() {
        return Ok(content.content);
    }
    let (mut less, mut left_out) = (saved.clone(), 0);
    less.shorten();
    loop {
        let mut content = Bounded { content: Vec::new(), left: most };
        match serde_json::to_writer(&mut content, &less) {
            Ok(()) => {
                if left_out > 0 {
                    logged(|| {
                        tracing::warn!(
                            left_out,
                            most,
                            "the state is too large: alerts are left out of its file"
                        );
                    });
                }
                return Ok(content.content);
            }
            Err(error) => match less.halve() {
                0 => return Err(error.into()),
                alerts => left_out += alerts,
            },
        }
    }
}

/// A buffer with a size limit.
struct Bounded {
    content: Vec<u8>,
    left: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(ErrorKind::FileTooLarge)?;
        self.content.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Replaces the file atomically: after a crash it is the old or the new one.
pub(super) fn write(path: &Path, saved: &Saved) -> io::Result<()> {
    let content = bounded(saved, LONGEST as usize)?;
    // If the path is a link to a file, replace the file and not the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = beside(path, ".new");
    // A killed process may have left one. Only a newly created file is sure to have the right mode
    // and not to be a link.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(&content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The rename changes the folder, which needs its own sync.
    #[cfg(unix)]
    fs::File::open(folder(path))?.sync_all()?;
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(unix)]
fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

//! Reads files at paths from the user.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Reads a regular file of at most `most` bytes. A pipe could block forever, and a device may not
/// end.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::other(format!("it is longer than {most} bytes"));
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > most {
        return Err(too_long());
    }
    let mut content = Vec::new();
    // Limits the read as well: files in /proc report no length, and another process may append.
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(too_long());
    }
    Ok(content)
}

/// Reads a UTF-8 file; see [`read`].
#[cfg(feature = "toml")]
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| io::Error::other("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let path = std::env::temp_dir().join(format!("lookout-files-{}", std::process::id()));
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it is longer than 4 bytes");
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path, 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_or_a_folder_is_not_read() {
        for path in ["/dev/zero", "/"] {
            let error = read(Path::new(path), 1 << 20).unwrap_err();
            assert_eq!(error.to_string(), "it is not a regular file", "{path}");
        }
    }
}

use std::{env, fs, path::Path};

/// The service, the instance and the version that raised an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The service. Defaults to the name of the executable.
    pub service: String,
    /// The instance, which distinguishes replicas. Defaults to the host's name and the process id.
    pub instance: String,
    /// The version. Defaults to none.
    pub version: Option<String>,
}

impl Default for Origin {
    fn default() -> Self {
        let host = env::var("HOSTNAME")
            .ok()
            .or_else(|| fs::read_to_string("/proc/sys/kernel/hostname").ok())
            .map(|host| host.trim().to_owned())
            .filter(|host| !host.is_empty())
            .unwrap_or_else(|| "localhost".to_owned());
        let service = env::current_exe()
            .ok()
            .as_deref()
            .and_then(Path::file_stem)
            .map_or_else(|| "service".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Self { service, instance: format!("{host}:{}", std::process::id()), version: None }
    }
}

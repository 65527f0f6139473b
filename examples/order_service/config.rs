//! Rules and notifiers from the file that `LOOKOUT_CONFIG` names.

use std::path::PathBuf;

use tower_lookout::{Lookout, LookoutBuilder, Rule};

pub(crate) fn path() -> Option<PathBuf> {
    std::env::var_os("LOOKOUT_CONFIG").map(PathBuf::from)
}

/// Adds the file, or these rules if no file is set.
pub(crate) fn add(
    builder: LookoutBuilder,
    rules: impl IntoIterator<Item = Rule>,
) -> Result<LookoutBuilder, &'static str> {
    match path() {
        #[cfg(feature = "toml")]
        Some(path) => Ok(builder.config(path)),
        #[cfg(not(feature = "toml"))]
        Some(_) => Err("LOOKOUT_CONFIG needs the feature toml: build with --features toml"),
        None => Ok(builder.rules(rules)),
    }
}

/// Reads the rules of the file again on `SIGHUP`.
#[cfg(all(unix, feature = "toml"))]
pub(crate) fn reload(lookout: &Lookout) {
    use tokio::signal::unix::{SignalKind, signal};

    let (Some(path), Ok(mut hangups)) = (path(), signal(SignalKind::hangup())) else { return };
    let lookout = lookout.clone();
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match lookout.reload().await {
                Ok(reloaded) => println!("{}: {reloaded}", path.display()),
                Err(error) => println!("{error}"),
            }
        }
    });
}

/// Does nothing without the feature `toml`.
#[cfg(not(all(unix, feature = "toml")))]
pub(crate) fn reload(_: &Lookout) {}

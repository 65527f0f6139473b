//! The dashboard has the types of Grafana's own schema.

use std::{env, fs, path::Path, process::Command};

use crate::{shop::PRESETS, started, support};

#[tokio::test]
async fn the_dashboard_has_the_types_of_grafanas_schema() {
    if support::program("npm").is_none() {
        return;
    }
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Into::into);
    let folder = target.join("grafana");
    fs::create_dir_all(&folder).unwrap();
    for preset in PRESETS {
        let (lookout, _) = started(preset, |builder| builder);
        let file = folder.join(format!("{preset:?}.dashboard.json"));
        fs::write(file, lookout.grafana_dashboard().to_string()).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/check-types");
    let output = Command::new(script).arg(&folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

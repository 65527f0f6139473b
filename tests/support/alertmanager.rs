//! A real Alertmanager with a webhook, and replicas of a service as separate processes.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{Process, eventually, programs};

/// Finds Alertmanager, under Debian's name or its own.
pub(crate) fn program() -> Option<PathBuf> {
    programs(&["prometheus-alertmanager", "alertmanager"], "Alertmanager", |_| true)
}

pub(crate) struct AlertmanagerServer {
    _process: Process,
    address: SocketAddr,
    folder: PathBuf,
}

impl AlertmanagerServer {
    /// Starts an Alertmanager that posts to `webhook` after a group wait of `wait`, such as `1s`.
    pub(crate) async fn start(program: &Path, webhook: &str, wait: &str) -> Self {
        Self::start_at(free_address(), program, webhook, wait).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        program: &Path,
        webhook: &str,
        wait: &str,
    ) -> Self {
        let folder = env::temp_dir().join(format!(
            "tower-lookout-am-{}-{}",
            std::process::id(),
            address.port()
        ));
        fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "route:\n  receiver: test\n  group_by: [alertname, service]\n  group_wait: {wait}\n  \
             group_interval: 1s\nreceivers:\n- name: test\n  webhook_configs:\n  - url: '{webhook}'\n"
        );
        fs::write(folder.join("alertmanager.yml"), config).unwrap();
        let process = Process::spawn(
            Command::new(program)
                .arg(format!("--config.file={}", folder.join("alertmanager.yml").display()))
                .arg(format!("--storage.path={}", folder.join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .arg("--cluster.listen-address=")
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        let is_up = || std::net::TcpStream::connect(address).ok();
        eventually(20, "Alertmanager", is_up).await;
        Self { _process: process, address, folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for AlertmanagerServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns an address without a listener.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const URL: &str = "LOOKOUT_TEST_ALERTMANAGER";
const INSTANCE: &str = "LOOKOUT_TEST_INSTANCE";

/// Starts this test binary for its ignored test `replica`.
pub(crate) fn spawn_replica(url: &str, instance: &str) -> Process {
    Process::spawn(
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "replica", "--ignored"])
            .env(URL, url)
            .env(INSTANCE, instance)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

/// Returns the environment of a replica: Alertmanager's address and the replica's instance name.
pub(crate) fn replica() -> Option<(String, String)> {
    Some((env::var(URL).ok()?, env::var(INSTANCE).ok()?))
}

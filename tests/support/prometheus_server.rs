//! A real Prometheus that scrapes a service each second.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::Process;

/// A Prometheus process on a free port that scrapes each second.
pub(crate) struct PrometheusServer {
    _process: Process,
    address: SocketAddr,
    _folder: Folder,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl PrometheusServer {
    /// Starts a Prometheus with these rules, and with a job for each of these targets.
    pub(crate) fn start(program: &Path, targets: &[(&str, SocketAddr)], rules: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let folder = std::env::temp_dir().join(format!("lookout-prometheus-{}", address.port()));
        fs::create_dir_all(&folder).unwrap();
        let jobs = targets.iter().map(|(job, target)| {
            format!("- job_name: {job}\n  static_configs:\n  - targets: ['{target}']\n")
        });
        let jobs: String = jobs.collect();
        let config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [rules.yml]\n\
             scrape_configs:\n{jobs}"
        );
        fs::write(folder.join("rules.yml"), rules).unwrap();
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        let process = Process::spawn(
            Command::new(program)
                .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        Self { _process: process, address, _folder: Folder(folder) }
    }

    /// Runs an instant query and returns its samples in JSON.
    pub(crate) fn samples(&self, query: &str) -> Option<Vec<serde_json::Value>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let response = get_text(self.address, &format!("/api/v1/query?query={encoded}"))?;
        let mut response: serde_json::Value = serde_json::from_str(&response).ok()?;
        match response["data"]["result"].take() {
            serde_json::Value::Array(samples) => Some(samples),
            _ => None,
        }
    }

    /// Runs an instant query and returns its only value.
    pub(crate) fn query(&self, query: &str) -> Option<f64> {
        self.samples(query)?.first()?["value"][1].as_str()?.parse().ok()
    }

    /// Returns the value of a query once it reaches `expected`, or its value after 30 seconds.
    pub(crate) async fn wait_for(&self, query: &str, expected: f64) -> f64 {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let value = tokio::task::block_in_place(|| self.query(query));
            match value {
                Some(value) if value >= expected || tokio::time::Instant::now() > deadline => {
                    return value;
                }
                None if tokio::time::Instant::now() > deadline => panic!("no value of {query}"),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// Sends a GET without keep-alive and returns the response body.
fn get_text(address: SocketAddr, path: &str) -> Option<String> {
    use std::io::{Read, Write};

    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: test\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    Some(response.split_once("\r\n\r\n")?.1.to_owned())
}

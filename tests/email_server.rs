//! aiosmtpd, a real mail server, accepts mail over TLS with the right password. An untrusted server
//! gets no password.

#![cfg(all(feature = "email", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/in_flight.rs"]
mod in_flight;
mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use mail_parser::MessageParser;
use serde_json::Value;
use tower::{Service, service_fn};
use tower_lookout::{
    Lookout, Rule,
    notify::{DeliveryError, Email, EmailBuilder, Notification},
    prometheus::Scrape,
};

use authority::{Authority, Signed};
use in_flight::request;
use support::{Process, eventually, start, sum};

/// aiosmtpd on a free port, with the mails that it received.
struct Sink {
    _process: Process,
    port: u16,
    mails: Arc<Mutex<Vec<Value>>>,
}

impl Sink {
    fn start(python: &Path, own: &Signed, mode: &str) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("lookout-mail-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let files = [("cert.pem", &own.certificate), ("key.pem", &own.key)];
        let paths: Vec<PathBuf> = files
            .iter()
            .map(|(name, text)| {
                fs::write(folder.join(name), text).unwrap();
                folder.join(name)
            })
            .collect();
        let mut process = Process::spawn(
            Command::new(python)
                .args(["-c", include_str!("support/mail_sink.py")])
                .args(&paths)
                .arg(mode)
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        // aiosmtpd has read the files by now.
        fs::remove_dir_all(&folder).unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&mails);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                received.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { _process: process, port, mails }
    }

    fn mails(&self) -> Vec<Value> {
        self.mails.lock().unwrap().clone()
    }
}

/// Finds the first Python on the search path that can import aiosmtpd.
fn python() -> Option<PathBuf> {
    support::programs(&["python3", "python"], "Python with aiosmtpd", has_aiosmtpd)
}

fn has_aiosmtpd(python: &Path) -> bool {
    let check = Command::new(python)
        .args(["-c", "from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    check.is_ok_and(|status| status.success())
}

/// With a version manager, `aiosmtpd` is a shell script, and the manager's Python has other
/// modules.
#[cfg(unix)]
#[test]
fn the_python_of_a_version_manager_does_not_hide_a_usable_one() {
    use std::os::unix::fs::PermissionsExt;

    let folder = std::env::temp_dir().join(format!("lookout-shims-{}", std::process::id()));
    let [shims, system] = ["shims", "system"].map(|name| folder.join(name));
    for (folder, name, status) in
        [(&shims, "aiosmtpd", 0), (&shims, "python3", 1), (&system, "python3", 0)]
    {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\nexit {status}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let found = support::first_fit([shims, system.clone()], &["python3"], has_aiosmtpd);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(found, Some(system.join("python3")));
}

fn email(url: &str) -> EmailBuilder {
    Email::builder(url, "Lookout <alerts@example.com>", ["oncall@example.com"])
        .credentials("lookout", "s3cret p@ss")
}

/// Starts a lookout with one alert, which fires while a request is in flight, and collects the
/// error of each failed attempt.
fn lookout(email: Email) -> (Lookout, Scrape, Arc<Mutex<Vec<String>>>) {
    let failures = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&failures);
    let notifier = service_fn(move |notification: Notification| {
        let (mut email, recorded) = (email.clone(), Arc::clone(&recorded));
        async move {
            let sent = email.call(notification).await;
            if let Err(error) = &sent {
                let source = std::error::Error::source(error).unwrap();
                recorded.lock().unwrap().push(format!("{error}: {source}"));
            }
            sent.map_err(|error: DeliveryError| error)
        }
    });
    let (lookout, scrape) = start(|builder| {
        let builder = builder.rule(Rule::in_flight().above(0)).shutdown_timeout(Duration::ZERO);
        builder.notify_as("email", notifier)
    });
    (lookout, scrape, failures)
}

#[tokio::test]
async fn a_real_server_accepts_text_and_html_over_starttls_and_implicit_tls() {
    let Some(python) = python() else { return };
    let authority = Authority::new();
    for (mode, scheme) in [("starttls", "smtp"), ("implicit", "smtps")] {
        let sink = Sink::start(&python, &authority.sign("localhost"), mode);
        let url = format!("{scheme}://localhost:{}", sink.port);
        let email = email(&url).root_certificate(&authority.root).build().unwrap();
        let (lookout, scrape, failures) = lookout(email);
        let in_flight = request(&lookout);
        eventually(10, "firing", || (sink.mails().len() == 1).then_some(())).await;
        drop(in_flight);
        eventually(10, "resolved", || (sink.mails().len() == 2).then_some(())).await;
        assert_eq!(*failures.lock().unwrap(), [""; 0]);
        let sent = || sum(&scrape.render(), "lookout_notifications_sent_total", &[]);
        eventually(2, "counted", || (sent() == 2.0).then_some(())).await;

        let mails = sink.mails();
        for mail in &mails {
            assert_eq!(mail["tls"], true, "{mode}");
            assert_eq!(mail["user"], "lookout");
            assert_eq!(mail["from"], "alerts@example.com");
            assert_eq!(mail["to"], serde_json::json!(["oncall@example.com"]));
        }
        let parse = |mail: &Value| {
            let raw = mail["raw"].as_str().unwrap().to_owned();
            MessageParser::default().parse(raw.as_bytes()).unwrap().into_owned()
        };
        let [firing, resolved] = [0, 1].map(|at| parse(&mails[at]));
        assert_eq!(firing.subject(), Some("[FIRING] HighInFlight · test"));
        assert_eq!(resolved.subject(), Some("[RESOLVED] HighInFlight · test"));
        assert_eq!(resolved.in_reply_to().as_text(), firing.message_id());
        assert!(firing.body_text(0).unwrap().contains("requests in flight 1 · threshold: above 0"));
        assert!(firing.body_html(0).unwrap().contains("<strong>requests in flight 1</strong>"));
    }
}

#[tokio::test]
async fn an_untrusted_server_or_a_rejected_login_gets_no_mail() {
    let Some(python) = python() else { return };
    let authority = Authority::new();
    let sink = Sink::start(&python, &authority.sign("localhost"), "starttls");
    let url = format!("smtp://localhost:{}", sink.port);
    let with_root = |url: &str| email(url).root_certificate(&authority.root);
    let elsewhere = url.replace("localhost", "127.0.0.1");
    let wrong = with_root(&url).credentials("lookout", "wrong");
    for (builder, expected) in [
        (email(&url).root_certificate(Authority::new().root), "invalid peer certificate"),
        (with_root(&elsewhere), "invalid peer certificate"),
        (wrong, "user and password: 535"),
    ] {
        let (lookout, _scrape, failures) = lookout(builder.build().unwrap());
        let _in_flight = request(&lookout);
        let reason = eventually(10, expected, || failures.lock().unwrap().first().cloned()).await;
        assert!(reason.starts_with("the notifier is misconfigured: "), "{reason}");
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(sink.mails(), [Value::Null; 0]);
}

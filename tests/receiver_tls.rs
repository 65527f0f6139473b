//! TLS of the HTTP receivers: private authorities, client certificates, hosts without root
//! certificates, and proxies from the environment.

#![cfg(all(feature = "prometheus", feature = "receivers"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/receiver.rs"]
mod receiver;
mod support;
#[path = "support/tls_server.rs"]
mod tls_server;

use std::{env, error::Error, process::Command, time::Duration};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use rustls::crypto::CryptoProvider;
use tower::{Service, ServiceExt, service_fn, util::BoxService};
use tower_lookout::{
    Report,
    notify::{
        AddressError, Alertmanager, DeliveryError, Discord, Notification, PagerDuty, Ping, Slack,
        SlackBot, Teams, Webhook,
    },
};

use authority::Authority;
use logs::Logs;
use proxy::Proxy;
use receiver::Receiver;
use support::{eventually, start};
use tls_server::TlsServer;

type Notifier = BoxService<Notification, (), DeliveryError>;

fn boxed<N>(notifier: N) -> Notifier
where
    N: Service<Notification, Error = DeliveryError> + Send + 'static,
    N::Future: Send,
{
    BoxService::new(notifier.map_response(|_| ()))
}

/// Creates a message with one alert.
async fn notification() -> Notification {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let (lookout, _scrape) = start(|builder| {
        builder.notify(service_fn(move |notification: Notification| {
            let sent = sender.send(notification);
            async move { sent }
        }))
    });
    lookout.reporter().send(Report::new("Lost", "an order"));
    tokio::time::timeout(Duration::from_secs(5), receiver.recv()).await.unwrap().unwrap()
}

async fn deliver(notifier: Notifier, notification: &Notification) -> Result<(), String> {
    notifier.oneshot(notification.clone()).await.map_err(|error| chain(&error))
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// Returns each receiver, with a root certificate and a client certificate.
fn receivers(
    url: &str,
    root: &str,
    (certificate, key): (&str, &str),
) -> Result<Vec<(&'static str, Notifier)>, AddressError> {
    macro_rules! set {
        ($made:expr) => {
            boxed($made?.root_certificate(root)?.client_identity(certificate, key)?)
        };
    }
    let bot = || SlackBot::new("xoxb-1-secret", "#alerts");
    Ok(vec![
        ("slack", set!(Slack::new(url))),
        ("slackbot", set!(bot()?.url(url))),
        ("slackbot, url last", {
            let bot = bot()?.root_certificate(root)?.client_identity(certificate, key)?;
            boxed(bot.url(url)?)
        }),
        ("discord", set!(Discord::new(url))),
        ("teams", set!(Teams::new(url))),
        ("pagerduty", set!(PagerDuty::new("key")?.url(url))),
        ("pagerduty, url last", {
            let pagerduty = PagerDuty::new("key")?.root_certificate(root)?;
            boxed(pagerduty.client_identity(certificate, key)?.url(url)?)
        }),
        ("webhook", set!(Webhook::new(url))),
        ("alertmanager", set!(Alertmanager::new([url]))),
        ("ping", set!(Ping::new(url))),
    ])
}

#[tokio::test]
async fn each_receiver_supports_a_private_authority_and_a_client_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = TlsServer::start(&servers.sign("localhost"), Some(&clients.root));
    let client = clients.sign("orders");
    let notification = notification().await;
    let identity = (&*client.certificate, &*client.key);
    for (name, notifier) in receivers(&server.url, &servers.root, identity).unwrap() {
        assert_eq!(deliver(notifier, &notification).await, Ok(()), "{name}");
    }

    let without_root = Slack::new(&server.url).unwrap();
    let error = deliver(boxed(without_root), &notification).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let without_identity =
        Slack::new(&server.url).unwrap().root_certificate(&servers.root).unwrap();
    let error = deliver(boxed(without_identity), &notification).await.unwrap_err();
    assert!(error.contains("CertificateRequired"), "{error}");
}

/// An RSA key, which rcgen can't create with ring. Nothing trusts it.
const RSA_KEY: &str = include_str!("support/rsa_key.pem");

/// A P-256 key in the format of `openssl ecparam`, and then in PKCS #8.
const EC_KEY: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIKMQFY1O2KZbEM2UD3IR7bLzaV9dUQ+i5lBebeKDPNpIoAoGCCqGSM49
AwEHoUQDQgAEAHgDot+d6z7jKrhhm0T99nwmomN27yvmdHTQdrku8oFSjWG1mJjT
+gOeV4Kc3J6vFEl13OVXfzifuUnXvngdwQ==
-----END EC PRIVATE KEY-----
";
const EC_KEY_IN_PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoxAVjU7YplsQzZQP
chHtsvNpX11RD6LmUF5t4oM82kihRANCAAQAeAOi353rPuMquGGbRP32fCaiY3bv
K+Z0dNB2uS7ygVKNYbWYmNP6A55Xgpzcnq8USXXc5Vd/OJ+5Sde+eB3B
-----END PRIVATE KEY-----
";

#[tokio::test]
async fn each_cipher_suite_and_group_of_rustls_is_supported() {
    let authority = Authority::new();
    let rsa = authority.sign_key("localhost", KeyPair::from_pem(RSA_KEY).unwrap());
    let ecdsa = authority.sign("localhost");
    let notification = notification().await;
    let all = rustls::crypto::ring::default_provider();
    assert_eq!(all.cipher_suites.len(), 9);
    for suite in &all.cipher_suites {
        for group in &all.kx_groups {
            let name = format!("{suite:?} {group:?}");
            let own = if name.contains("_RSA_") { &rsa } else { &ecdsa };
            let provider = CryptoProvider {
                cipher_suites: vec![*suite],
                kx_groups: vec![*group],
                ..all.clone()
            };
            let server = TlsServer::start_with(provider, own, None);
            let slack = Slack::new(&server.url).unwrap().root_certificate(&authority.root).unwrap();
            assert_eq!(deliver(boxed(slack), &notification).await, Ok(()), "{name}");
        }
    }
}

#[tokio::test]
async fn a_client_certificate_supports_each_kind_of_key() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.sign("localhost"), Some(&authority.root));
    let notification = notification().await;
    let generated = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519]
        .map(|kind| KeyPair::generate_for(kind).unwrap());
    for key in generated.into_iter().chain([KeyPair::from_pem(RSA_KEY).unwrap()]) {
        let client = authority.sign_key("orders", key);
        let slack = Slack::new(&server.url).unwrap().root_certificate(&authority.root).unwrap();
        let slack = slack.client_identity(&client.certificate, &client.key).unwrap();
        assert_eq!(deliver(boxed(slack), &notification).await, Ok(()), "{}", client.key);
    }

    // This key has the older format of `openssl ecparam -genkey`.
    let client = authority.sign_key("orders", KeyPair::from_pem(EC_KEY_IN_PKCS8).unwrap());
    let slack = Slack::new(&server.url).unwrap().root_certificate(&authority.root).unwrap();
    let slack = slack.client_identity(&client.certificate, EC_KEY).unwrap();
    assert_eq!(deliver(boxed(slack), &notification).await, Ok(()));
}

#[test]
fn an_invalid_certificate_is_rejected_with_the_reason_and_without_the_key() {
    let (authority, url) = (Authority::new(), "https://localhost/secret");
    let (one, other) = (authority.sign("one"), authority.sign("other"));
    let slack = || Slack::new(url).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
    for (rejected, expected) in [
        (slack().root_certificate("none"), "root certificate of the Slack webhook is missing"),
        (slack().root_certificate(broken), "is not valid PEM"),
        (
            slack().client_identity("none", &one.key),
            "client certificate of the Slack webhook is missing",
        ),
        (slack().client_identity(&one.certificate, "none"), "has no key"),
        (slack().client_identity(&one.certificate, &other.key), "does not match its key"),
    ] {
        let error = rejected.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }
    let identified = slack().client_identity(&one.certificate, &one.key).unwrap();
    let debug = format!("{identified:?}");
    assert!(!debug.contains("secret") && !debug.contains("PRIVATE KEY"), "{debug}");
}

/// Runs this test again in a child process with this environment, since a process can't safely
/// change its own. Returns whether this is the child.
fn runs_with(test: &str, variables: &[(&str, &str)]) -> bool {
    const INNER: &str = "LOOKOUT_TEST_INNER";
    if env::var_os(INNER).is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    let output = command
        .args(["--exact", test, "--nocapture"])
        .env(INNER, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
    false
}

#[test]
fn a_host_without_root_certificates_starts_the_service_and_the_other_notifiers_deliver() {
    let test =
        "a_host_without_root_certificates_starts_the_service_and_the_other_notifiers_deliver";
    let nowhere = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    if runs_with(test, &nowhere) {
        runtime().block_on(without_root_certificates());
    }
}

async fn without_root_certificates() {
    let logs = Logs::of_all();
    let authority = Authority::new();
    let secure = TlsServer::start(&authority.sign("localhost"), None);
    let (plain, other) = (Receiver::new([]), Receiver::new([]));
    let (plain_url, other_url) = (plain.serve().await, other.serve().await);
    let (lookout, _scrape) = start(|builder| {
        let trusting = Webhook::new(&secure.url).unwrap();
        builder
            .notify(Slack::new("https://localhost:1/secret").unwrap())
            .notify(Webhook::new(plain_url).unwrap())
            .notify(Ping::new(other_url).unwrap())
            .notify_as("trusting", trusting.root_certificate(&authority.root).unwrap())
    });
    let no_client = "notifier has no HTTP client receiver=\"Slack webhook\" reason=\"no TLS: install the host's root certificates";
    assert_eq!(logs.text().matches(no_client).count(), 1, "{}", logs.text());
    assert_eq!(logs.text().matches("notifier has no HTTP client").count(), 1);
    lookout.reporter().send(Report::new("Lost", "an order"));
    eventually(5, "the others deliver", || {
        let all = plain.posts().len() == 1 && other.posts().len() == 1 && secure.requests() == 1;
        all.then_some(())
    })
    .await;
    eventually(5, "one is broken", || {
        let text = logs.text();
        text.contains("notifier is misconfigured notifier=\"slack\"").then_some(())
    })
    .await;
}

#[test]
fn the_environments_proxies_are_used() {
    let test = "the_environments_proxies_are_used";
    // The child starts the proxies at these addresses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let proxy = format!("http://user:pa%20ss@127.0.0.1:{port}");
    let variables = [
        ("https_proxy", &*proxy),
        ("HTTP_PROXY", &*proxy),
        ("NO_PROXY", "127.0.0.1"),
        ("TEST_PROXY_PORT", &port.to_string()),
    ];
    if runs_with(test, &variables) {
        runtime().block_on(through_proxies());
    }
}

async fn through_proxies() {
    let proxy = Proxy::start(env::var("TEST_PROXY_PORT").unwrap().parse().unwrap());
    let authority = Authority::new();
    let secure = TlsServer::start(&authority.sign("localhost"), None);
    let plain = Receiver::new([]);
    let direct_url = plain.serve().await;
    let plain_url = direct_url.replace("127.0.0.1", "localhost");
    let notification = notification().await;

    let slack = Slack::new(&secure.url).unwrap().root_certificate(&authority.root).unwrap();
    assert_eq!(deliver(boxed(slack), &notification).await, Ok(()));
    let port = secure.url.split(':').nth(2).unwrap().split('/').next().unwrap();
    let [head] = &proxy.heads()[..] else { panic!("{:?}", proxy.heads()) };
    assert!(head.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{head}");
    let credentials = "proxy-authorization: basic dxnlcjpwysbzcw==";
    assert!(head.to_ascii_lowercase().contains(credentials), "{head}");

    let slack = Slack::new(&plain_url).unwrap();
    assert_eq!(deliver(boxed(slack), &notification).await, Ok(()));
    let [_, head] = &proxy.heads()[..] else { panic!("{:?}", proxy.heads()) };
    assert!(head.starts_with(&format!("POST {plain_url} HTTP/1.1\r\n")), "{head}");
    assert!(head.to_ascii_lowercase().contains(credentials), "{head}");
    assert_eq!(plain.posts().len(), 1);

    let slack = Slack::new(&direct_url).unwrap();
    assert_eq!(deliver(boxed(slack), &notification).await, Ok(()));
    assert_eq!(proxy.heads().len(), 2, "NO_PROXY");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

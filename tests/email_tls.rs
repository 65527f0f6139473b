//! TLS of mail: trusted servers, client certificates, and attacks by a man in the middle.

#![cfg(all(feature = "email", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/mail_tls_server.rs"]
mod mail_tls_server;
mod support;
#[path = "support/tls_server.rs"]
mod tls_server;

use std::{error::Error, time::Duration};

use tower::{ServiceExt, service_fn};
use tower_lookout::{
    Report,
    notify::{Email, EmailBuilder, Notification},
};

use authority::Authority;
use mail_tls_server::{GO_AHEAD, MailTlsServer, Mode};
use support::{eventually, start};

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

async fn deliver(email: EmailBuilder) -> Result<(), String> {
    let email = email.credentials("lookout", "s3cret").build().unwrap();
    let sent = email.oneshot(notification().await).await;
    sent.map(|_| ()).map_err(|error| chain(&error))
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn email(mode: Mode, host: &str, port: u16) -> EmailBuilder {
    let scheme = if let Mode::Implicit = mode { "smtps" } else { "smtp" };
    let from = "Lookout <alerts@example.com>";
    Email::builder(format!("{scheme}://{host}:{port}"), from, ["oncall@example.com"])
}

#[tokio::test]
async fn a_private_authority_is_trusted_by_name_or_ip_address() {
    let authority = Authority::new();
    for mode in [Mode::Implicit, GO_AHEAD] {
        for host in ["localhost", "127.0.0.1"] {
            let server = MailTlsServer::new(mode, &authority.sign(host), None);
            let email = email(mode, host, server.start()).root_certificate(&authority.root);
            assert_eq!(deliver(email).await, Ok(()), "{host}");
            let commands = server.encrypted();
            assert!(commands[0].starts_with("EHLO ") && commands[1].starts_with("AUTH PLAIN "));
            assert!(commands.contains(&".".to_owned()), "{commands:?}");
            let plaintext = server.plaintext();
            assert!(plaintext.iter().all(|line| line == "STARTTLS" || line.starts_with("EHLO ")));
        }
    }
}

#[tokio::test]
async fn a_server_with_an_unknown_authority_or_another_name_gets_no_command() {
    let authority = Authority::new();
    for mode in [Mode::Implicit, GO_AHEAD] {
        for (name, root) in
            [("localhost", Authority::new().root), ("other", authority.root.clone())]
        {
            let server = MailTlsServer::new(mode, &authority.sign(name), None);
            let email = email(mode, "localhost", server.start()).root_certificate(root);
            let error = deliver(email).await.unwrap_err();
            assert!(error.starts_with("the notifier is misconfigured: "), "{error}");
            assert!(error.contains("invalid peer certificate"), "{error}");
            assert_eq!(server.encrypted(), [""; 0]);
        }
    }
}

#[cfg(feature = "bundled-roots")]
#[tokio::test]
async fn bundled_roots_are_trusted_in_addition_to_a_private_authority() {
    let authority = Authority::new();
    let server = MailTlsServer::new(Mode::Implicit, &authority.sign("localhost"), None);
    let port = server.start();
    let email = || email(Mode::Implicit, "localhost", port).bundled_roots();
    let error = deliver(email()).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert_eq!(deliver(email().root_certificate(&authority.root)).await, Ok(()));
}

#[tokio::test]
async fn a_client_certificate_is_sent_on_request() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let client = clients.sign("orders");
    for mode in [Mode::Implicit, GO_AHEAD] {
        let own = servers.sign("localhost");
        let port = MailTlsServer::new(mode, &own, Some(&clients.root)).start();
        let email = || email(mode, "localhost", port).root_certificate(&servers.root);
        let identified = email().client_identity(&client.certificate, &client.key);
        assert_eq!(deliver(identified).await, Ok(()));
        let error = deliver(email()).await.unwrap_err();
        assert!(error.contains("CertificateRequired"), "{error}");
    }
}

/// Replies to all commands of a session. A man in the middle appends them to the plaintext.
const INJECTED: &str = "220 go ahead\r\n\
    250-injected\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 ok\r\n\
    221 bye\r\n";

#[tokio::test]
async fn replies_injected_before_the_handshake_are_ignored() {
    let authority = Authority::new();
    let mode = Mode::StartTls { reply: INJECTED };
    let server = MailTlsServer::new(mode, &authority.sign("localhost"), None)
        .replying(&[("AUTH", "535 5.7.8 no such user")]);
    let email = email(mode, "localhost", server.start()).root_certificate(&authority.root);
    let error = deliver(email).await.unwrap_err();
    assert_eq!(error, "the notifier is misconfigured: user and password: 535");
    let commands = eventually(2, "two commands", || {
        let commands = server.encrypted();
        (commands.len() >= 2).then_some(commands)
    });
    let commands = commands.await;
    assert!(commands[0].starts_with("EHLO ") && commands[1].starts_with("AUTH "), "{commands:?}");
    assert!(!commands.iter().any(|command| command.starts_with("MAIL")), "{commands:?}");
}

#[tokio::test]
async fn a_server_that_rejects_starttls_gets_no_password_and_no_mail() {
    let authority = Authority::new();
    for (reply, expected) in [
        ("454 TLS not available\r\n", "not delivered: STARTTLS: 454 TLS not available"),
        ("502 unknown command\r\n", "the notifier is misconfigured: STARTTLS: 502 unknown command"),
    ] {
        let mode = Mode::StartTls { reply };
        let server = MailTlsServer::new(mode, &authority.sign("localhost"), None);
        let email = email(mode, "localhost", server.start()).root_certificate(&authority.root);
        assert_eq!(deliver(email).await, Err(expected.to_owned()));
        let plaintext = eventually(2, "goodbye", || {
            let plaintext = server.plaintext();
            (plaintext.len() == 3).then_some(plaintext)
        });
        assert_eq!(plaintext.await[1..], ["STARTTLS", "QUIT"]);
        assert_eq!(server.encrypted(), [""; 0]);
    }
}

#[tokio::test]
async fn an_endless_line_is_cut_off_within_tls() {
    let authority = Authority::new();
    let endless = "2".repeat(4 * 1024 * 1024).leak();
    let replies = vec![("MAIL", &*endless)].leak();
    for mode in [Mode::Implicit, GO_AHEAD] {
        let server = MailTlsServer::new(mode, &authority.sign("localhost"), None).replying(replies);
        let email = email(mode, "localhost", server.start()).root_certificate(&authority.root);
        let error = deliver(email).await.unwrap_err();
        assert!(error.starts_with("not delivered: the sender: "), "{error}");
        assert!(error.contains("more than 1048576 bytes"), "{error}");
    }
}

//! Mail servers that are down, reject mail or hang. The lookout retries temporary failures, and no
//! output contains the password.

#![cfg(all(feature = "email", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/mail_server.rs"]
mod mail_server;
mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpListener};
use tower::{Service, service_fn};
use tower_lookout::{Lookout, Rule, notify::Email, prometheus::Scrape};

use in_flight::request;
use logs::Logs;
use mail_server::{Fault, MailServer};
use support::{eventually, start, sum};

const FROM: &str = "Lookout <alerts@example.com>";
const TO: [&str; 2] = ["oncall@example.com", "boss@example.com"];
const FIRING: &str = "[FIRING] HighInFlight · test";
const RESOLVED: &str = "[RESOLVED] HighInFlight · test";

/// Starts a lookout with one alert, which fires while a request is in flight.
fn lookout(url: &str) -> (Lookout, Scrape) {
    let email = Email::new(url, FROM, TO).unwrap();
    start(|builder| {
        builder.rule(Rule::in_flight().above(0)).notify(email).shutdown_timeout(Duration::ZERO)
    })
}

/// Starts the same lookout, and collects the error of each failed attempt.
fn lookout_with_failures(email: Email) -> (Lookout, Scrape, Arc<Mutex<Vec<String>>>) {
    let failures = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&failures);
    let notifier = service_fn(move |notification| {
        let (mut email, recorded) = (email.clone(), Arc::clone(&recorded));
        async move {
            let sent = email.call(notification).await;
            recorded.lock().unwrap().extend(sent.as_ref().err().map(ToString::to_string));
            sent
        }
    });
    let (lookout, scrape) = start(|builder| {
        let builder = builder.rule(Rule::in_flight().above(0));
        builder.notify_as("email", notifier).shutdown_timeout(Duration::ZERO)
    });
    (lookout, scrape, failures)
}

/// Returns the notifier's counters: sent, failed, retried, dropped.
fn counters(scrape: &Scrape) -> [f64; 4] {
    let text = scrape.render();
    ["sent", "failed", "retried", "dropped"].map(|kind| {
        sum(&text, &format!("lookout_notifications_{kind}_total"), &[("notifier", "email")])
    })
}

#[tokio::test]
async fn a_healthy_server_gets_a_firing_mail_and_a_resolved_reply() {
    let server = MailServer::new([]);
    let (lookout, scrape) = lookout(&server.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "firing", || (server.mails().len() == 1).then_some(())).await;
    drop(in_flight);
    eventually(3, "resolved", || (server.mails().len() == 2).then_some(())).await;
    assert_eq!(server.subjects(), [FIRING, RESOLVED]);
    eventually(2, "counted", || (counters(&scrape) == [2.0, 0.0, 0.0, 0.0]).then_some(())).await;

    let [firing, resolved] = &server.mails()[..] else { panic!("two mails") };
    assert_eq!(firing.recipients, TO);
    let parse = |raw| mail_parser::MessageParser::default().parse(raw).unwrap();
    let (first, reply) = (parse(&firing.raw), parse(&resolved.raw));
    assert_eq!(reply.in_reply_to().as_text(), first.message_id());
    eventually(2, "goodbye", || server.received().contains(&"QUIT".to_owned()).then_some(())).await;
}

#[tokio::test]
async fn a_server_that_is_down_gets_the_mail_when_it_recovers() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (lookout, scrape) = lookout(&mail_server::url(address));
    let _in_flight = request(&lookout);
    eventually(5, "two failures", || (counters(&scrape)[1] >= 2.0).then_some(())).await;
    let server = MailServer::new([]);
    server.serve_at(address).await;
    eventually(10, "the mail", || (server.subjects() == [FIRING]).then_some(())).await;
    eventually(2, "sent", || (counters(&scrape)[0] == 1.0).then_some(())).await;
}

#[tokio::test]
async fn a_transient_failure_is_retried() {
    let faults = [
        Fault::Reply("", "421 4.3.2 shutting down"),
        Fault::Reply("AUTH", "454 4.7.0 try later"),
        Fault::Reply("MAIL", "451 4.3.0 local error"),
        Fault::Reply("RCPT", "450 4.2.0 greylisted"),
        Fault::Reply("DATA", "452 4.3.1 no space"),
        Fault::Reply(".", "451 4.3.0 not stored"),
        Fault::Reply("EHLO", "nonsense"),
        Fault::Drop("RCPT"),
        Fault::Drop("."),
    ];
    let played = faults.map(|fault| async move {
        let server = MailServer::new([fault]);
        let (lookout, scrape) = lookout(&server.serve().await);
        let _in_flight = request(&lookout);
        let event = format!("the mail after {fault:?}");
        eventually(10, &event, || (server.subjects() == [FIRING]).then_some(())).await;
        let expected = [1.0, 1.0, 1.0, 0.0];
        eventually(2, &event, || (counters(&scrape) == expected).then_some(())).await;
    });
    futures_util::future::join_all(played).await;
}

#[tokio::test]
async fn a_misconfigured_server_is_retried_at_the_next_change_without_a_restart() {
    let faults = [
        Fault::Reply("", "554 5.3.2 no mail here"),
        Fault::Reply("EHLO", "250 no passwords"),
        Fault::Reply("AUTH", "535 5.7.8 wrong"),
        Fault::Reply("MAIL", "550 5.7.1 not from you"),
        Fault::Reply("RCPT", "550 5.1.1 unknown"),
    ];
    let played = faults.map(|fault| async move {
        let server = MailServer::new([fault]);
        let email = Email::new(server.serve().await, FROM, TO).unwrap();
        let (lookout, scrape, failures) = lookout_with_failures(email);
        let in_flight = request(&lookout);
        let event = format!("the mail after {fault:?}");
        eventually(5, &event, || (counters(&scrape)[1] == 1.0).then_some(())).await;
        drop(in_flight);
        eventually(5, &event, || (server.subjects() == [RESOLVED]).then_some(())).await;
        assert_eq!(*failures.lock().unwrap(), ["the notifier is misconfigured"], "{event}");
        assert_eq!(counters(&scrape)[3], 0.0, "nothing is dropped");
    });
    futures_util::future::join_all(played).await;
}

#[tokio::test]
async fn a_server_without_tls_gets_no_password_and_no_mail_by_default() {
    let server = MailServer::new([]);
    let url = server.serve().await.replace("?tls=none", "");
    let (lookout, _scrape, failures) = lookout_with_failures(Email::new(url, FROM, TO).unwrap());
    let _in_flight = request(&lookout);
    let reason = eventually(5, "a failure", || failures.lock().unwrap().first().cloned()).await;
    assert_eq!(reason, "the notifier is misconfigured");
    let commands = server.received();
    let is_greeting = |line: &String| line.starts_with("EHLO") || line == "QUIT";
    assert!(!commands.is_empty() && commands.iter().all(is_greeting), "{commands:?}");
}

#[tokio::test]
async fn a_rejected_mail_is_dropped_and_counted() {
    let server = MailServer::new([Fault::Reply(".", "554 5.6.0 content rejected")]);
    let (lookout, scrape) = lookout(&server.serve().await);
    let in_flight = request(&lookout);
    eventually(3, "dropped", || (counters(&scrape)[3] == 1.0).then_some(())).await;
    drop(in_flight);
    eventually(5, "the next", || (server.subjects() == [RESOLVED]).then_some(())).await;
    assert_eq!(server.connections(), 2, "the first is not retried");
}

/// Returns the recipients and the subject of each mail.
fn mails(server: &MailServer) -> Vec<(Vec<String>, String)> {
    server.mails().iter().map(|mail| (mail.recipients.clone(), mail.subject())).collect()
}

fn mail(recipients: &[&str], subject: &str) -> (Vec<String>, String) {
    (recipients.iter().map(|recipient| (*recipient).to_owned()).collect(), subject.to_owned())
}

#[tokio::test]
async fn a_transiently_rejected_recipient_is_retried_alone() {
    let later = Fault::Reply("RCPT TO:<oncall", "450 4.2.0 greylisted");
    let server = MailServer::new([later; 2]);
    let (lookout, scrape) = lookout(&server.serve().await);
    let in_flight = request(&lookout);
    eventually(15, "both have it", || (server.mails().len() == 2).then_some(())).await;
    let [oncall, boss] = TO;
    assert_eq!(mails(&server), [mail(&[boss], FIRING), mail(&[oncall], FIRING)]);
    eventually(2, "counted", || (counters(&scrape) == [1.0, 2.0, 2.0, 0.0]).then_some(())).await;
    let [first, second] = &server.mails()[..] else { panic!("two mails") };
    let parse = |raw| mail_parser::MessageParser::default().parse(raw).unwrap();
    assert_eq!(parse(&first.raw).message_id(), parse(&second.raw).message_id(), "it is one mail");

    drop(in_flight);
    eventually(5, "resolved", || (server.mails().len() == 3).then_some(())).await;
    assert_eq!(mails(&server)[2], mail(&TO, RESOLVED));
}

#[tokio::test]
async fn a_change_does_not_wait_for_a_transiently_rejected_recipient() {
    let later = Fault::Reply("RCPT TO:<oncall", "450 4.2.0 greylisted");
    let server = MailServer::new([later; 6]);
    let (lookout, _scrape) = lookout(&server.serve().await);
    let in_flight = request(&lookout);
    let [oncall, boss] = TO;
    // After four rejections, the backoff is at least 4 s.
    eventually(20, "four rejections", || (server.connections() >= 4).then_some(())).await;
    assert_eq!(mails(&server), [mail(&[boss], FIRING)]);
    drop(in_flight);
    eventually(3, "the next change", || (server.mails().len() == 2).then_some(())).await;
    assert_eq!(mails(&server)[1], mail(&[boss], RESOLVED));
    eventually(60, "the other one", || (server.mails().len() == 3).then_some(())).await;
    assert_eq!(mails(&server)[2], mail(&[oncall], RESOLVED));
}

#[tokio::test]
async fn a_rejected_recipient_is_counted_and_the_others_get_the_mail() {
    let server = MailServer::new([Fault::Reply("RCPT TO:<oncall", "550 5.1.1 unknown")]);
    let (lookout, scrape) = lookout(&server.serve().await);
    let _in_flight = request(&lookout);
    let mail = eventually(3, "the mail", || server.mails().pop()).await;
    assert_eq!(mail.recipients, ["boss@example.com"]);
    eventually(2, "counted", || (counters(&scrape) == [1.0, 1.0, 0.0, 0.0]).then_some(())).await;
    assert_eq!(server.connections(), 1, "it is not retried");
}

#[tokio::test]
async fn a_hanging_server_times_out_but_not_after_it_accepted_the_mail() {
    let servers = [MailServer::new([Fault::Hang("MAIL")]), MailServer::new([Fault::Hang("QUIT")])];
    let urls = [servers[0].serve().await, servers[1].serve().await];
    let emails = urls.map(|url| Email::new(url, FROM, TO).unwrap());
    let (lookout, scrape) = start(|builder| {
        let builder = builder.rule(Rule::in_flight().above(0)).shutdown_timeout(Duration::ZERO);
        emails.into_iter().fold(builder, |builder, email| builder.notify(email))
    });
    let _in_flight = request(&lookout);
    eventually(20, "the second attempt", || (servers[0].subjects() == [FIRING]).then_some(()))
        .await;
    let sent =
        |name| sum(&scrape.render(), "lookout_notifications_sent_total", &[("notifier", name)]);
    eventually(2, "sent", || (["email", "email-2"].map(sent) == [1.0, 1.0]).then_some(())).await;
    assert_eq!(servers[1].connections(), 1, "an accepted mail is not sent again");
}

/// Starts a server that sends an endless line on each connection, first or after the greeting.
/// Returns its address, the number of bytes written, and the number of connections.
async fn endless(greeting: &'static str) -> (String, Arc<Mutex<(usize, usize)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(Mutex::new((0, 0)));
    let counted = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.lock().unwrap().1 += 1;
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                stream.write_all(greeting.as_bytes()).await.unwrap();
                while let Ok(bytes) = stream.write(&[b'2'; 64 * 1024]).await {
                    counted.lock().unwrap().0 += bytes;
                }
            });
        }
    });
    (mail_server::url(address), sent)
}

#[tokio::test]
async fn an_endless_line_is_cut_off_after_a_mebibyte() {
    // The buffers of the sockets also take bytes, which nobody reads.
    const SOCKETS: usize = 16 * 1024 * 1024;
    for greeting in ["", "220 ready\r\n", "220 ready\r\n250 test\r\n250 ok\r\n"] {
        let (url, sent) = endless(greeting).await;
        let email = Email::new(url.replace("lookout:s3cret@", ""), FROM, TO).unwrap();
        let (lookout, _scrape, failures) = lookout_with_failures(email);
        let _in_flight = request(&lookout);
        let reason = eventually(10, "cut off", || failures.lock().unwrap().first().cloned()).await;
        assert_eq!(reason, "not delivered");
        let (bytes, connections) = *sent.lock().unwrap();
        assert!(bytes <= connections * SOCKETS, "{bytes} bytes after {greeting:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_slow_to_accept_a_mail_gets_it_once() {
    // The pause is longer than the timeout of a delivery.
    let server = MailServer::new([Fault::Slow(".", Duration::from_secs(12))]);
    let (lookout, scrape) = lookout(&server.serve().await);
    let in_flight = request(&lookout);
    eventually(25, "the server accepts it", || (counters(&scrape)[0] == 1.0).then_some(())).await;
    assert_eq!(counters(&scrape)[1..], [1.0, 1.0, 0.0], "not accepted in time");
    drop(in_flight);
    eventually(5, "resolved", || (server.mails().len() == 2).then_some(())).await;
    assert_eq!(
        (server.subjects(), server.connections()),
        (vec![FIRING.into(), RESOLVED.into()], 2)
    );
}

#[tokio::test]
async fn changes_while_a_mail_is_in_flight_go_into_the_next_mail() {
    let server = MailServer::new([Fault::Slow(".", Duration::from_secs(12))]);
    let (lookout, scrape) = lookout(&server.serve().await);
    let in_flight = request(&lookout);
    let has_it = || server.received().contains(&"DATA".to_owned()).then_some(());
    eventually(5, "the server has it", has_it).await;
    drop(in_flight);
    eventually(25, "the server accepts both", || (server.mails().len() == 2).then_some(())).await;
    assert_eq!(server.subjects(), [FIRING, RESOLVED]);
    eventually(5, "counted", || (counters(&scrape)[0] == 1.0).then_some(())).await;
    assert_eq!((server.connections(), counters(&scrape)[3]), (2, 0.0), "each is sent once");
}

#[tokio::test]
async fn no_output_contains_the_password_and_failures_are_logged_once() {
    // This is the only test in this binary that captures logs. The tests enable lettre's feature
    // `tracing`.
    let logs = Logs::of_all();
    let wrong = Fault::Reply("AUTH", "535 5.7.8 AGxvb2tvdXQAczNjcmV0 s3cret is wrong");
    let server = MailServer::new([wrong, Fault::Reply("MAIL", "450 4.7.1 later\u{1b}[31m")]);
    let email = Email::new(server.serve().await, FROM, TO).unwrap();
    let debug = format!("{email:?}");
    let (lookout, scrape) =
        start(|builder| builder.rule(Rule::in_flight().above(0)).notify_as("secretive", email));
    let in_flight = request(&lookout);
    eventually(3, "a rejection", || (server.connections() == 1).then_some(())).await;
    drop(in_flight);
    eventually(10, "the mail", || (server.subjects() == [RESOLVED]).then_some(())).await;
    lookout.shutdown().await;

    let command =
        server.received().into_iter().find(|line| line.starts_with("AUTH PLAIN ")).unwrap();
    let encoded = command.rsplit(' ').next().unwrap();
    assert_eq!(encoded, "AGxvb2tvdXQAczNjcmV0", "the password was sent");
    let logs = logs.text();
    assert!(logs.contains("lettre"), "{logs}");
    for text in [&logs, &debug, &scrape.render(), &format!("{lookout:?}")] {
        assert!(!text.contains("s3cret") && !text.contains(encoded), "{text}");
    }
    // Other tests log at the same time.
    let broken =
        |line: &&str| line.contains("notifier is misconfigured") && line.contains("secretive");
    assert_eq!(logs.lines().filter(broken).count(), 1, "{logs}");
    assert!(logs.contains("user and password: 535"), "{logs}");
    let ours = |line: &&str| line.contains("tower_lookout");
    assert!(!logs.lines().filter(ours).any(|line| line.contains('\u{1b}')), "{logs}");
    assert!(logs.contains("notifier recovered"), "{logs}");
}

use std::time::Duration;

use mail_parser::{Message as Mail, MessageParser};

use super::*;
use crate::{
    alert::{Contribution, Failure, Target, test_alert, test_report},
    operation::{MethodLabel, Operation},
    rule::Severity,
};

fn raw(alerts: Vec<Alert>, changes: u32) -> Vec<u8> {
    let changes = vec![changes; alerts.len()];
    let now = alerts[0].starts_at + Duration::from_secs(2);
    let from = "Lookout Größe <alerts@example.com>".parse().unwrap();
    let to = ["oncall@example.com".parse().unwrap(), "B <b@example.com>".parse().unwrap()];
    message(&from, &to, &Notification::with_changes(alerts, changes), now).unwrap().formatted()
}

fn parse(raw: &[u8]) -> Mail<'_> {
    MessageParser::default().parse(raw).unwrap()
}

fn text(mail: &Mail<'_>) -> String {
    mail.body_text(0).unwrap().replace("\r\n", "\n")
}

fn html(mail: &Mail<'_>) -> String {
    mail.body_html(0).unwrap().replace("\r\n", "\n")
}

fn an_alert() -> Alert {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.summary = Some("Too many requests fail.".to_owned());
    alert.runbook = Some("https://wiki.example.com/errors?a=1&b=2".to_owned());
    alert.dashboard = Some("https://grafana.example.com/d/1".to_owned());
    alert.labels.insert("team".to_owned(), "shop".to_owned());
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: Operation::of_server(MethodLabel::Post, "/orders"),
        share: 0.83,
        detail: "85 of 410 failed (20.7%), 83% of all failures".to_owned(),
    }];
    alert
}

#[test]
fn a_firing_mail_shows_value_target_severity_time_and_top_routes_in_text_and_html() {
    let raw = raw(vec![an_alert()], 1);
    let mail = parse(&raw);
    assert_eq!(mail.subject(), Some("[FIRING] HighErrorRatio · orders"));
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Lookout Größe"));
    let to: Vec<_> = mail.to().unwrap().iter().filter_map(|to| to.address()).collect();
    assert_eq!(to, ["oncall@example.com", "b@example.com"]);
    assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-11-18T11:06:42Z");
    assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!(mail.header_raw("X-Auto-Response-Suppress").map(str::trim), Some("All"));
    assert_eq!(
        text(&mail),
        "[FIRING] HighErrorRatio · orders\n\n\
         error ratio 20.3% · threshold: above 1% · 512 requests in 10s\n\
         Too many requests fail.\n\
         firing since 2026-11-18 11:06:40 UTC, for 2s\n\n\
         Top operations:\n- POST /orders · 85 of 410 failed (20.7%), 83% of all failures\n\n\
         Runbook: https://wiki.example.com/errors?a=1&b=2\n\
         Dashboard: https://grafana.example.com/d/1\n\n\
         service: orders\ninstance: host-1:42\nversion: 1.2.3\nseverity: critical\nteam: shop\n"
    );
    let html = html(&mail);
    for expected in [
        "<strong>error ratio 20.3%</strong> · threshold: above 1% · 512 requests in 10s",
        "<p>Too many requests fail.</p>",
        "<p>firing since 2026-11-18 11:06:40 UTC, for 2s</p>",
        "<li><code>POST /orders</code> · 85 of 410 failed (20.7%), 83% of all failures</li>",
        "<p><a href=\"https://wiki.example.com/errors?a=1&amp;b=2\">Runbook</a> · \
         <a href=\"https://grafana.example.com/d/1\">Dashboard</a></p>",
        "instance <code>host-1:42</code> · version <code>1.2.3</code>",
        "team <code>shop</code>",
    ] {
        assert!(html.contains(expected), "{expected}\n{html}");
    }
    for external in ["<img", "<link", "<script", "src=", "url("] {
        assert!(!html.contains(external), "{html}");
    }
}

#[test]
fn a_resolved_mail_shows_value_peak_duration_and_request_counts() {
    let raw = raw(vec![test_alert("HighErrorRatio", AlertStatus::Resolved)], 3);
    let mail = parse(&raw);
    let text = text(&mail);
    assert!(
        text.starts_with(
            "[RESOLVED] HighErrorRatio · orders\n\n\
         error ratio 0.2% · threshold: above 1%\n\
         lasted 34s, from 2026-11-18 11:06:40 UTC\n\
         peak 22.1% · 412 of 1800 requests failed during the incident\n\
         3 changes were merged into this message. It shows the last one.\n"
        ),
        "{text}"
    );
}

#[test]
fn the_first_alert_after_a_start_notes_that_earlier_alerts_are_unknown() {
    let mut alert = an_alert();
    alert.unknown_before = Some(alert.starts_at - Duration::from_secs(60));
    let raw = raw(vec![alert], 1);
    let mail = parse(&raw);
    let note = "The first alert since the service started at 2026-11-18 11:05:40 UTC. Earlier alerts \
                may have ended without a resolve.";
    assert!(text(&mail).contains(note) && html(&mail).contains(note), "{}", text(&mail));
}

#[test]
fn a_resolved_mail_replies_to_the_alerts_first_mail() {
    let id = |raw: &[u8]| parse(raw).message_id().map(str::to_owned);
    let answers = |raw: &[u8]| {
        let mail = parse(raw);
        let both = [mail.in_reply_to(), mail.references()];
        both.map(|header| header.as_text_list().map(|ids| ids.join(" ")).unwrap_or_default())
    };
    let firing = test_alert("A", AlertStatus::Firing);
    let resolved = test_alert("A", AlertStatus::Resolved);
    let first = raw(vec![firing.clone()], 1);
    let begins = id(&first).unwrap();
    assert!(begins.ends_with("@example.com"), "{begins}");
    assert_eq!(id(&raw(vec![firing.clone()], 2)), Some(begins.clone()), "sent again");
    assert_eq!(answers(&first), ["", ""]);
    let second = raw(vec![resolved], 1);
    assert_ne!(id(&second).unwrap(), begins);
    assert_eq!(answers(&second), [&*begins; 2]);

    let mut others = [firing.clone(), firing.clone(), firing.clone()];
    others[0].starts_at += Duration::from_millis(1);
    others[1].name = "B".into();
    others[2].target = Target::Route("/a".to_owned());
    for other in others {
        assert_ne!(id(&raw(vec![other], 1)).unwrap(), begins, "another alert, another thread");
    }

    let both = vec![test_alert("B", AlertStatus::Resolved), firing];
    let digest = raw(both.clone(), 1);
    assert_eq!(id(&digest), id(&raw(both, 2)));
    let of_b = id(&raw(vec![test_alert("B", AlertStatus::Firing)], 1)).unwrap();
    assert_eq!(answers(&digest), [&*format!("{of_b} {begins}"); 2]);
}

#[test]
fn a_repeat_is_a_new_mail_in_the_thread_marked_as_still_firing() {
    let [first, again] = [1, 0].map(|changes| raw(vec![an_alert()], changes));
    let (first, again) = (parse(&first), parse(&again));
    assert_ne!(first.message_id(), again.message_id());
    assert_eq!(again.in_reply_to().as_text(), first.message_id());
    assert_eq!(again.subject(), Some("[STILL FIRING] HighErrorRatio · orders"));
    assert!(text(&again).contains("Still firing. The figures are from the last change."));
}

#[test]
fn each_rise_in_severity_is_a_new_mail_in_the_thread() {
    let mail = |severity, is_relabelled| {
        let alert = test_alert("A", AlertStatus::Firing);
        raw(vec![Alert { severity, is_relabelled, ..alert }], 1)
    };
    let mails = [
        mail(Severity::Info, false),
        mail(Severity::Warning, true),
        mail(Severity::Critical, true),
        mail(Severity::Info, true),
    ];
    let ids: Vec<_> = mails.iter().map(|raw| parse(raw).message_id().unwrap().to_owned()).collect();
    for (nth, again) in mails.iter().enumerate().skip(1) {
        assert!(!ids[..nth].contains(&ids[nth]), "mail servers drop a known id");
        assert_eq!(parse(again).in_reply_to().as_text(), Some(&*ids[0]));
    }
}

#[test]
fn a_repeated_report_is_a_new_mail_in_the_thread() {
    let reported = |total, over| {
        let failure = Failure {
            causes: vec!["no <broker>".to_owned()],
            error_type: "E".into(),
            call_site: "src/orders.rs:42".to_owned(),
            count: total,
            over: Duration::from_secs(over),
            total,
            ..Failure::default()
        };
        let alert = test_alert("NotPublished", AlertStatus::Firing);
        raw(
            vec![Alert::of_failure(
                &alert.name,
                alert.severity,
                failure,
                alert.starts_at,
                &alert.origin,
            )],
            1,
        )
    };
    let mails = [reported(1, 0), reported(2, 60), reported(9, 60)];
    let ids: Vec<_> = mails.iter().map(|raw| parse(raw).message_id().unwrap().to_owned()).collect();
    assert_ne!(ids[1], ids[2]);
    for again in &mails[1..] {
        assert_eq!(parse(again).in_reply_to().as_text(), Some(&*ids[0]));
    }
    let mail = parse(&mails[1]);
    assert!(text(&mail).contains("no <broker> · reported 2 times in 1m at src/orders.rs:42"));
    assert!(html(&mail).contains("no &lt;broker&gt;"));
}

#[test]
fn a_group_of_reports_lists_their_errors() {
    let raw = raw(vec![test_report()], 1);
    let mail = parse(&raw);
    let text = text(&mail).replace("\r\n", "\n");
    let list = "Reported errors:\n- 2× not sent: <no broker>\n- 1× no stock\n";
    assert!(text.contains(list), "{text}");
    let html = html(&mail);
    assert!(html.contains("<li>2× not sent: &lt;no broker&gt;</li>"), "{html}");
}

#[test]
fn user_text_adds_no_header_and_no_html() {
    let evil =
        "x\r\nBcc: eve@evil.example\r\n\r\n<script>alert('1')</script>\" onload=\"\r\n.\r\nQUIT";
    let mut alert = test_alert(evil, AlertStatus::Firing);
    alert.summary = Some(evil.to_owned());
    alert.runbook = Some(format!("https://{evil}"));
    alert.labels.insert(evil.to_owned(), evil.to_owned());
    alert.target = Target::Route(evil.to_owned());
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: Operation::of_server(MethodLabel::Get, evil),
        share: 1.0,
        detail: "1 of 1 requests failed".to_owned(),
    }];
    let raw = raw(vec![alert], 1);
    let mail = parse(&raw);
    assert!(mail.bcc().is_none());
    assert!(mail.subject().unwrap().starts_with(r"[FIRING] x\r\nBcc: eve@evil.example"));
    assert_eq!(mail.text_body_count(), 1);
    assert_eq!(mail.html_body_count(), 1);
    let html = html(&mail);
    assert!(!html.contains("<script") && !html.contains("\" onload"), "{html}");
    assert!(!html.contains("href"), "a URL with a line end is not a link");
    let head = String::from_utf8_lossy(&raw);
    let head = head.split("\r\n\r\n").next().unwrap();
    assert!(!head.contains("\r\nBcc"), "{head}");
}

#[test]
fn a_mail_is_bounded_with_short_ascii_lines() {
    let long = "<&é> ".repeat(5_000);
    let alerts = (0..100)
        .map(|n| {
            let mut alert = test_alert(&format!("Rule{n}{long}"), AlertStatus::Firing);
            alert.summary = Some(long.clone());
            alert.runbook = Some(format!("https://x/{}", "y".repeat(5_000)));
            alert.labels.insert(long.clone(), long.clone());
            alert
        })
        .collect();
    let raw = raw(alerts, 1);
    assert!(raw.len() < 1_000_000, "{}", raw.len());
    assert!(raw.is_ascii());
    assert!(raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 998));
    let mail = parse(&raw);
    assert!(mail.subject().unwrap().chars().count() <= LONGEST_SUBJECT);
    assert_eq!(mail.references().as_text_list().unwrap().len(), THREADS);
    assert!(text(&mail).contains("And 80 more:\n[FIRING] Rule20"));
    assert!(!html(&mail).contains("href"), "a cut URL is not a link");
}

#[test]
fn the_ids_are_the_same_in_every_build_and_process() {
    let id =
        |alert: Alert, changes| parse(&raw(vec![alert], changes)).message_id().map(str::to_owned);
    let resolved = test_alert("HighErrorRatio", AlertStatus::Resolved);
    assert_eq!(id(an_alert(), 1).as_deref(), Some("alert-e2864adc1074b5e5@example.com"));
    assert_eq!(id(an_alert(), 0).as_deref(), Some("change-fd4b0be7417a1a41@example.com"));
    assert_eq!(id(resolved, 1).as_deref(), Some("change-456849ac485b66ec@example.com"));
}

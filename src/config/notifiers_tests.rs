//! Notifiers of a file, and their problems. Cargo sets the environment variables for each test.

#[cfg(feature = "slack")]
use std::{collections::BTreeSet, fs};

use super::*;
use crate::notify::{EXAMPLES, KINDS};

fn load(text: &str) -> Result<Config, ConfigError> {
    Source::Text(text.to_owned()).load(&[])
}

fn names(text: &str) -> Vec<String> {
    let config = load(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    config.notifiers.into_iter().map(|notifier| notifier.name).collect()
}

fn rejection(text: &str) -> String {
    load(text).err().unwrap_or_else(|| panic!("the file is accepted: {text}")).to_string()
}

/// A variable that Cargo sets, which serves as a secret.
#[cfg(feature = "slack")]
const SECRET: &str = "{ env = 'CARGO_PKG_NAME' }";
#[cfg(feature = "slack")]
const UNSET: &str = "{ env = 'LOOKOUT_UNSET' }";

#[test]
fn a_notifiers_name_defaults_to_its_kind() {
    let text = "[[notifier]]\nkind = 'log'\n[[notifier]]\nkind = 'log'\nname = 'also'";
    assert_eq!(names(text), ["log", "also"]);
}

#[test]
fn a_fallback_gets_no_other_alerts() {
    let text = "
        notifier = [
            { kind = 'log', name = 'a', or_else = 'b' },
            { kind = 'log', name = 'b', or_else = 'c' },
            { kind = 'log', name = 'c' },
            { kind = 'log', name = 'd', or_else = 'c' },
        ]";
    assert_eq!(names(text), ["a", "d"]);
}

/// An untrusted certificate with its key.
#[cfg(feature = "webhook")]
const CERTIFICATE: &str = "tests/support/rsa_certificate.pem";
#[cfg(feature = "webhook")]
const KEY: &str = "tests/support/rsa_key.pem";

#[test]
#[cfg(all(
    feature = "alertmanager",
    feature = "discord",
    feature = "email",
    feature = "pagerduty",
    feature = "slack",
    feature = "teams",
    feature = "webhook"
))]
fn each_kind_accepts_its_keys() {
    let url = "url = 'https://hooks.example.com/s3cret'";
    for notifier in [
        format!("kind = 'slack'\n{url}"),
        format!("kind = 'discord'\n{url}"),
        format!("kind = 'teams'\n{url}"),
        format!("kind = 'webhook'\n{url}\nheaders = {{ authorization = {SECRET} }}"),
        format!("kind = 'slackbot'\ntoken = 'xoxb-s3cret'\nchannel = '#alerts'\n{url}"),
        format!("kind = 'pagerduty'\nrouting_key = {SECRET}"),
        format!("kind = 'pagerduty'\nrouting_key = 's3cret'\n{url}"),
        "kind = 'alertmanager'\nmembers = 'http://am:9093'".to_owned(),
        format!(
            "kind = 'webhook'\n{url}\nroot_certificate = {{ file = '{CERTIFICATE}' }}\n\
             client_certificate = {{ file = '{CERTIFICATE}' }}\nclient_key = {{ file = '{KEY}' }}"
        ),
        format!("kind = 'slack'\n{url}\nbundled_roots = {}", cfg!(feature = "bundled-roots")),
        format!(
            "kind = 'email'\nserver = 'smtp://mail'\nfrom = 'a@b.example'\nto = 'c@d.example'\n\
             root_certificate = {{ file = '{CERTIFICATE}' }}\nbundled_roots = {}\n\
             client_certificate = {{ file = '{CERTIFICATE}' }}\nclient_key = {{ file = '{KEY}' }}",
            cfg!(feature = "bundled-roots")
        ),
        format!(
            "kind = 'alertmanager'\nmembers = ['http://a:9093', 'http://u:s3cret@b:9093']\n\
             headers = {{ authorization = {SECRET} }}\nresend_every = '30s'"
        ),
        "kind = 'email'\nserver = 'smtp://mail'\nfrom = 'a@b.example'\nto = 'c@d.example'"
            .to_owned(),
        format!(
            "kind = 'email'\nserver = 'smtps://mail'\nfrom = 'a@b.example'\nhello_name = 'orders'\n\
             to = ['c@d.example', 'e@f.example']\nuser = 'u@b'\npassword = {SECRET}"
        ),
    ] {
        let text = format!("allow_inline_secrets = true\n[[notifier]]\nname = 'it'\n{notifier}");
        assert_eq!(names(&text), ["it"], "{text}");
        let debug = format!("{:?} {:?}", Source::Text(text.clone()), load(&text).unwrap());
        assert!(!debug.contains("s3cret"), "{debug}");
    }
}

/// Replaces each environment variable of an example with the secret that its comment shows.
fn with_secrets(example: &str) -> String {
    let lines = example.lines().map(|line| {
        let (line, secret) = match line.split_once("# such as ") {
            Some((line, secret)) => (line, secret),
            None => (line, "secret"),
        };
        match (line.find("{ env = "), line.find("\" }")) {
            (Some(start), Some(end)) => format!("{}'{secret}'{}", &line[..start], &line[end + 3..]),
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_of_each_kind_is_a_valid_section_with_all_keys() {
    let docs = include_str!("mod.rs");
    let compiled: Vec<_> =
        KINDS.iter().filter(|kind| kind.make.is_some()).map(|kind| kind.name).collect();
    for [kind, example] in EXAMPLES.iter().filter(|[kind, _]| compiled.contains(kind)) {
        let text = format!("allow_inline_secrets = true\n{}", with_secrets(example));
        assert_eq!(names(&text), [*kind], "{text}");
        let error = rejection(&format!("{text}\nan_unknown_key = true"));
        let (_, keys) = error.split_once("unknown key: the keys are ").expect(&error);
        for key in keys.split(", ") {
            let is_in_example = example.lines().any(|line| line.starts_with(&format!("{key} = ")));
            let is_common = docs.contains(&format!("`{key}`"));
            assert!(is_in_example || is_common, "{kind}.toml has no {key}");
        }
    }
}

#[test]
fn a_problem_with_a_notifier_names_its_line_key_and_fix() {
    let kinds: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    for (text, expected) in [
        ("[notifier]", "config:1: notifier: write it as [[notifier]]"),
        ("[[notifier]]", "config:1: notifier: has no kind: set one such as \"slack\""),
        (
            "[[notifier]]\nkind = 'slak'",
            "config:2: notifier.kind: \"slak\" is unknown: did you mean \"slack\"?",
        ),
        (
            "[[notifier]]\nkind = 'carrier pigeon'",
            "config:2: notifier.kind: \"carrier pigeon\" is unknown: use one of KINDS",
        ),
        (
            "[[notifier]]\nkind = 'log'\nnmae = 'it'",
            "config:3: notifier.nmae: unknown key: did you mean name?",
        ),
        (
            "[[notifier]]\nkind = 'log'\n\n[[notifier]]\nkind = 'log'",
            "config:4: notifier: another notifier has the name \"log\": use another name for \
             one of them",
        ),
        (
            "[[notifier]]\nkind = 'log'\nor_else = 'lgo'",
            "config:3: notifier.or_else: there is no notifier \"lgo\": did you mean \"log\"?",
        ),
        (
            "[[notifier]]\nkind = 'log'\nor_else = 'log'",
            "config:3: notifier.or_else: is part of a cycle: remove the or_else of one notifier in it",
        ),
        (
            "allow_inline_secrets = 'yes'",
            "config:1: allow_inline_secrets: \"yes\" is not a boolean: use true or false",
        ),
    ] {
        assert_eq!(rejection(text), expected.replace("KINDS", &kinds.join(", ")), "{text}");
    }
    let cycle = "
        notifier = [
            { kind = 'log', name = 'a', or_else = 'b' },
            { kind = 'log', name = 'b', or_else = 'a' },
            { kind = 'log', name = 'c', or_else = 'a' },
        ]";
    let problem = "notifier.or_else: is part of a cycle: remove the or_else of one notifier in it";
    assert_eq!(rejection(cycle), format!("config:3: {problem}\nconfig:4: {problem}"));
}

#[test]
#[cfg(feature = "slack")]
fn an_unreadable_secret_is_rejected_without_showing_it() {
    let fix = "use { env = \"NAME\" } or { file = \"path\" }";
    for (url, expected) in [
        (
            "'https://hooks.slack.com/s3cret'",
            format!(
                "is a secret in plain text: {fix}, or set allow_inline_secrets = true at the top of \
                 the file"
            ),
        ),
        ("7", format!("is not a secret: {fix}")),
        ("{ enw = 's3cret' }", format!("is neither an env nor a file: {fix}")),
        ("{ env = 'A', file = 'b' }", format!("is neither an env nor a file: {fix}")),
        (
            UNSET,
            "the environment variable LOOKOUT_UNSET is not set: set it before the start".to_owned(),
        ),
        (
            "{ env = 's3cret' }",
            "the environment variable named by env is not set: set it before the start".to_owned(),
        ),
        (
            "{ file = 'no/s3cret' }",
            "its file can't be read: No such file or directory (os error 2): check the path, a \
             relative path starts in this file's folder"
                .to_owned(),
        ),
        (
            SECRET,
            "the Slack webhook address is not a URL: use one such as \
             https://hooks.slack.com/services/…"
                .to_owned(),
        ),
    ] {
        let error = rejection(&format!("[[notifier]]\nkind = 'slack'\nurl = {url}"));
        assert_eq!(error, format!("config:3: notifier.url: {expected}"));
        assert!(!error.contains("s3cret"));
    }
    let missing = rejection("[[notifier]]\nkind = 'slack'");
    assert_eq!(missing, format!("config:1: notifier: has no url: {fix}"));
    for broken in ["url = s3cret", "url = 's3cret", "'s3cret'", "url = { env = s3cret }"] {
        let error = rejection(&format!("[[notifier]]\nkind = 'slack'\n{broken}"));
        assert!(error.starts_with("config:3: "), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
#[cfg(all(
    feature = "alertmanager",
    feature = "email",
    feature = "pagerduty",
    feature = "slack",
    feature = "webhook"
))]
fn an_invalid_setting_is_rejected_with_its_key() {
    for (text, expected) in [
        (
            "kind = 'slackbot'\ntoken = { env = 'CARGO_PKG_NAME' }\nchannel = '#alerts'",
            "1: notifier: the Slack bot key ",
        ),
        ("kind = 'slackbot'\nchannel = ''", "1: notifier: has no token: use { env"),
        (
            "kind = 'pagerduty'\nrouting_key = { env = 'CARGO_PKG_NAME' }\nurl = 'ftp://a'",
            "4: notifier.url: the PagerDuty events address is neither http nor https: ",
        ),
        (
            "kind = 'webhook'\nheaders = 'a'",
            "3: notifier.headers: is not a table: use one such as ",
        ),
        (
            "kind = 'webhook'\nheaders = { authorization = 's3cret' }",
            "3: notifier.headers: authorization: is a secret in plain text: ",
        ),
        (
            "kind = 'webhook'\nurl = { env = 'CARGO_PKG_NAME' }\nroot_certificate = 's3cret'\n\
             client_key = 's3cret'",
            "5: notifier.client_key: is a secret in plain text: ",
        ),
        (
            "kind = 'slackbot'\ntoken = { env = 'CARGO_PKG_NAME' }\nclient_certificate = 'x'",
            "1: notifier: has only one of client_certificate and client_key: set both",
        ),
        (
            "kind = 'alertmanager'\nmembers = 'http://am'\nroot_certificate = 's3cret'",
            "4: notifier.root_certificate: the root certificate of the Alertmanager is missing: ",
        ),
        (
            "kind = 'alertmanager'\nmembers = 'http://am'\nclient_certificate = 's3cret'\n\
             client_key = { env = 'CARGO_PKG_NAME' }",
            "4: notifier.client_certificate: the client certificate of the Alertmanager is missing: ",
        ),
        (
            "kind = 'email'\nserver = 'smtp://u:s3cret@mail'",
            "3: notifier.server: is a secret in plain text: ",
        ),
        ("kind = 'email'\nto = []", "3: notifier.to: is an empty list: add a value"),
        (
            "kind = 'email'\nserver = 'smtp://mail'\nfrom = 'a@b.example'\nto = 'c@d.example'\n\
             client_certificate = 's3cret'\nclient_key = { env = 'CARGO_PKG_NAME' }",
            "1: notifier: the client certificate for the mail server is missing: ",
        ),
        (
            "kind = 'email'\nclient_certificate = 'x'",
            "1: notifier: has only one of client_certificate and client_key: set both",
        ),
        ("kind = 'email'\nuser = 'u'", "1: notifier: has only one of user and password: set both"),
        (
            "kind = 'email'\nserver = 'mail'\nfrom = 'a@b.example'\nto = 'c@d.example'",
            "1: notifier: the mail server's address is not a URL: use one such as smtp://",
        ),
    ] {
        let error = rejection(&format!("[[notifier]]\n{text}"));
        let is_listed = error.lines().any(|line| line.starts_with(&format!("config:{expected}")));
        assert!(is_listed && !error.contains("s3cret"), "{error}\nfor {text}");
    }
}

#[test]
#[cfg(not(feature = "discord"))]
fn the_error_for_a_kind_that_is_not_compiled_in_names_its_feature() {
    assert_eq!(
        rejection("[[notifier]]\nkind = 'discord'\nurl = 's3cret'"),
        "config:2: notifier.kind: \"discord\" is not compiled in: enable the feature \"discord\" of \
         tower-lookout"
    );
}

#[test]
#[cfg(feature = "slack")]
fn a_changed_notifier_or_secret_changes_the_fingerprint() {
    let folder = std::env::temp_dir().join(format!("lookout-secrets-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let secret = |text: &str| fs::write(folder.join("slack"), text).unwrap();
    let fingerprint = |text: &str| {
        let file = folder.join("lookout.toml");
        fs::write(&file, text).unwrap();
        let config = Source::File(file).load(&[]).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
        config.fingerprint
    };
    let text = "[[notifier]]\nkind = 'slack'\nurl = { file = 'slack' }\n";
    secret("https://hooks.slack.com/s3cret\n");
    let first = fingerprint(text);
    let rule = "[[rule]]\nsignal = 'error_ratio'\nabove = 0.1\n";
    assert_eq!(fingerprint(&format!("{rule}{text}")), first, "rules are not part of it");
    let renamed = fingerprint(&format!("{text}name = 'team'"));
    secret("https://hooks.slack.com/other\n");
    let new_secret = fingerprint(text);
    let several = [first, renamed, new_secret, fingerprint("defaults = false")];
    assert_eq!(BTreeSet::from(several).len(), several.len());
    fs::remove_dir_all(&folder).unwrap();
}

#[cfg(all(feature = "discord", feature = "slack", feature = "teams"))]
#[test]
fn an_invalid_mention_is_rejected_with_an_example() {
    let load = |kind: &str, mention: &str| {
        let text = format!(
            "allow_inline_secrets = true\n[[notifier]]\nkind = '{kind}'\nurl = 'https://x/y'\n\
             mention = '{mention}'"
        );
        Source::Text(text).load(&[])
    };
    for (kind, mention) in
        [("slack", "<!here>"), ("discord", "<@&42>"), ("teams", "ada@example.com")]
    {
        load(kind, mention).unwrap();
        let error = load(kind, "everybody, please").unwrap_err().to_string();
        assert!(error.starts_with("config:5: notifier.mention: the "), "{error}");
        assert!(error.contains(&format!("use one such as {}", &mention[..3])), "{error}");
    }
}

//! The receivers: each one whose address is in the environment.

use std::{env, error::Error};

use tower_lookout::{
    LookoutBuilder,
    notify::{Slack, SlackBot},
};

type Added = Result<LookoutBuilder, Box<dyn Error>>;

/// A receiver: the variable with its address, and a function that adds it.
type Receiver = (&'static str, fn(LookoutBuilder, &str) -> Added);

const RECEIVERS: &[Receiver] = &[
    ("SLACK_WEBHOOK_URL", |builder, url| Ok(builder.notify(Slack::new(url)?))),
    ("SLACK_BOT_TOKEN", |builder, token| {
        let channel =
            env::var("SLACK_CHANNEL").map_err(|_| "needs SLACK_CHANNEL, a channel's name or ID")?;
        Ok(builder.notify(SlackBot::new(token, channel)?))
    }),
    #[cfg(feature = "discord")]
    ("DISCORD_WEBHOOK_URL", |builder, url| {
        Ok(builder.notify(tower_lookout::notify::Discord::new(url)?))
    }),
    #[cfg(feature = "teams")]
    ("TEAMS_WEBHOOK_URL", |builder, url| {
        Ok(builder.notify(tower_lookout::notify::Teams::new(url)?))
    }),
    #[cfg(feature = "pagerduty")]
    ("PAGERDUTY_ROUTING_KEY", |builder, key| {
        Ok(builder.notify(tower_lookout::notify::PagerDuty::new(key)?))
    }),
    #[cfg(feature = "webhook")]
    ("WEBHOOK_URL", |builder, url| Ok(builder.notify(tower_lookout::notify::Webhook::new(url)?))),
    #[cfg(feature = "webhook")]
    ("HEARTBEAT_URL", |builder, url| {
        let ping = tower_lookout::notify::Ping::new(url)?;
        Ok(builder.heartbeat(std::time::Duration::from_secs(60), ping))
    }),
    #[cfg(feature = "alertmanager")]
    ("ALERTMANAGER_URL", |builder, members| {
        let members = members.split(',');
        Ok(builder.notify(tower_lookout::notify::Alertmanager::new(members)?))
    }),
    #[cfg(feature = "email")]
    ("SMTP_URL", |builder, server| {
        let of = |name| env::var(name).map_err(|_| format!("SMTP_URL needs {name}, an address"));
        let (from, to) = (of("MAIL_FROM")?, of("MAIL_TO")?);
        let email = tower_lookout::notify::Email::new(server, from, to.split(','))?;
        Ok(builder.notify(email))
    }),
];

/// Adds the receivers, and returns the variables that are set.
pub(crate) fn add(
    builder: LookoutBuilder,
) -> Result<(LookoutBuilder, Vec<&'static str>), Box<dyn Error>> {
    let mut added = (builder, Vec::new());
    for (variable, add) in RECEIVERS {
        if let Ok(address) = env::var(variable) {
            added.0 = add(added.0, &address).map_err(|error| format!("{variable}: {error}"))?;
            added.1.push(*variable);
        }
    }
    Ok(added)
}

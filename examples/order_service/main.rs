//! An axum order service with an incident to follow in the terminal.
//!
//! `cargo run -p order-service --example order_service [-- --manual] [-- --no-traffic]`
//!
//! By default it sends itself traffic over HTTP and simulates an incident: the database gets slow,
//! then orders fail, then both faults are fixed. With `--manual` you inject the faults, by `POST
//! /faults` and `DELETE /faults`. With `--no-traffic` you send the traffic too.
//!
//! | variable | meaning |
//! |---|---|
//! | `PORT` | the port, 0 for any free one; 3000 |
//! | `LOOKOUT_WINDOW_SECONDS` | the shortest window of the rules; 10 |
//! | `LOOKOUT_STATE_PATH` | a file that keeps alerts across a restart (feature `state`) |
//! | `LOOKOUT_CONFIG` | a file of rules and notifiers, which `SIGHUP` reads again (feature `toml`) |
//!
//! Without `LOOKOUT_CONFIG`, each receiver whose variable is set gets the alerts:
//! `SLACK_WEBHOOK_URL`, `SLACK_BOT_TOKEN` with `SLACK_CHANNEL`, and with the features of these
//! names `DISCORD_WEBHOOK_URL`, `TEAMS_WEBHOOK_URL`, `PAGERDUTY_ROUTING_KEY`, `WEBHOOK_URL`,
//! `HEARTBEAT_URL` (feature `webhook`), `ALERTMANAGER_URL` (several with commas), and `SMTP_URL`
//! with `MAIL_FROM` and `MAIL_TO`.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

mod config;
mod events;
mod incident;
mod receivers;
mod service;
mod traffic;

use std::{env, error::Error, net::SocketAddr, process::ExitCode, time::Duration};

use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tower_lookout::{Lookout, LookoutBuilder, Rule, prometheus};
use tracing::Level;

use self::{incident::Incident, service::Faults};

/// The settings from the command line and the environment.
struct Options {
    has_incident: bool,
    has_traffic: bool,
    port: u16,
    window: Duration,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            has_incident: true,
            has_traffic: true,
            port: number("PORT", 3000)?,
            window: Duration::from_secs(number("LOOKOUT_WINDOW_SECONDS", 10)?),
        };
        for argument in env::args().skip(1) {
            match argument.as_str() {
                "--manual" => options.has_incident = false,
                "--no-traffic" => (options.has_incident, options.has_traffic) = (false, false),
                other => {
                    return Err(
                        format!("{other}: unknown argument, use --manual or --no-traffic").into()
                    );
                }
            }
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T, String> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name}={text}: use a whole number")),
        Err(_) => Ok(default),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(Level::WARN).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    let (alerts, received) = mpsc::unbounded_channel();
    let scrape = prometheus::install()?;
    let window = options.window;
    let longest = window.saturating_mul(6).min(Duration::from_secs(3600)).max(window);
    let rules = Rule::defaults().into_iter().map(|rule| rule.over(window..=longest));
    let lookout = config::add(Lookout::builder(), rules)?
        .service("orders")
        .version(env!("CARGO_PKG_VERSION"))
        .on_alert(move |alert| {
            // The receiver is gone during the shutdown.
            let _ = alerts.send(alert.clone());
        });
    let (lookout, receivers) = match config::path() {
        Some(_) => (lookout, Vec::new()),
        None => receivers::add(lookout)?,
    };
    let lookout = keep_state(lookout).start()?;
    config::reload(&lookout);

    let faults = Faults::default();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port))).await?;
    let address = listener.local_addr()?;
    let (events, to_send) = mpsc::unbounded_channel();
    let app = service::router(&faults, &events, lookout.layer(), scrape);
    let reporter = lookout.reporter();
    reporter.report_panics();
    let sending = events::send(to_send, faults.clone(), reporter.clone());
    let sending = tokio::spawn(reporter.supervise("OrderEvents", sending));
    introduce(&options, &receivers, address);

    let incident =
        tokio::spawn(Incident::new(faults.clone(), received).run(options.has_incident, address));
    let traffic = options.has_traffic.then(|| tokio::spawn(traffic::drive(address)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(
        axum::serve(listener, app)
            .with_graceful_shutdown(async {
                let _ = stopped.await;
            })
            .into_future(),
    );

    stop_signal().await?;
    println!("\nshutting down: the traffic stops, open requests end, queued alerts are delivered");
    incident.abort();
    if let Some(traffic) = traffic {
        traffic.abort();
    }
    faults.clear();
    sending.abort();
    let _ = stop.send(());
    if timeout(Duration::from_secs(5), server).await.is_err() {
        println!("requests are still open after 5 s");
    }
    lookout.shutdown().await;
    Ok(())
}

/// Keeps alerts across a restart, if a file is set.
fn keep_state(lookout: LookoutBuilder) -> LookoutBuilder {
    #[cfg(feature = "state")]
    if let Some(path) = env::var_os("LOOKOUT_STATE_PATH") {
        return lookout.state_path(path);
    }
    lookout
}

/// Waits for SIGTERM or Ctrl-C.
async fn stop_signal() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "signal")]
    tower_lookout::shutdown_signal().await;
    #[cfg(not(feature = "signal"))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn introduce(options: &Options, receivers: &[&str], address: SocketAddr) {
    println!("order service on http://{address}");
    println!("  GET  /orders/7   POST /orders   GET /metrics   GET /healthz (not watched)");
    match (config::path(), receivers) {
        (Some(path), _) => println!("  rules and notifiers: {}", path.display()),
        (None, receivers) => {
            println!(
                "  rules: mean response time > 3 s, error ratio > 1%, a request stuck for > 10 s,"
            );
            println!("         over {} s or more", options.window.as_secs());
            match receivers {
                [] => {
                    println!("  alerts: printed here; set SLACK_WEBHOOK_URL to send them to Slack")
                }
                receivers => {
                    println!("  alerts: printed here, and sent to {}", receivers.join(", "))
                }
            }
        }
    }
    if !options.has_traffic {
        println!("  send traffic yourself, such as `curl http://{address}/orders/7`");
    }
    println!();
}

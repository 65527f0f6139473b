//! The incident, told as it goes: each act waits for the alert that it must raise.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until, timeout_at},
};
use tower_lookout::{Alert, alert::AlertStatus};

use crate::service::{Fault, Faults};

pub(crate) struct Incident {
    faults: Faults,
    alerts: UnboundedReceiver<Alert>,
    start: Instant,
    firing: BTreeSet<String>,
}

impl Incident {
    pub(crate) fn new(faults: Faults, alerts: UnboundedReceiver<Alert>) -> Self {
        Self { faults, alerts, start: Instant::now(), firing: BTreeSet::new() }
    }

    pub(crate) async fn run(mut self, has_incident: bool, address: SocketAddr) {
        if has_incident {
            self.play().await;
        }
        println!("What to do next:");
        println!("  curl http://{address}/metrics");
        println!("  curl -X POST http://{address}/faults -H 'content-type: application/json' \\");
        println!("       -d '{{\"error_ratio\": 0.2, \"latency_ms\": 5000}}'");
        println!("  curl -X POST http://{address}/faults -H 'content-type: application/json' \\");
        println!(
            "       -d '{{\"broker_down\": true}}'   # orders are taken, their events are lost"
        );
        println!("  curl -X DELETE http://{address}/faults");
        println!("  Ctrl-C to end\n");
        while let Some(alert) = self.alerts.recv().await {
            self.tell(&alert);
        }
    }

    async fn play(&mut self) {
        self.say("healthy: 50 requests a second, each within some milliseconds");
        self.rest(Duration::from_secs(5)).await;

        self.say("the database gets slow: each query takes 5 s more");
        self.faults.set(Fault { latency_ms: 5_000, ..Fault::default() });
        self.wait_for("HighMeanLatency").await;

        self.say("now it answers at once, but three of ten orders fail");
        self.faults.set(Fault { error_ratio: 0.3, ..Fault::default() });
        self.wait_for("HighErrorRatio").await;
        self.rest(Duration::from_secs(2)).await;

        self.say("mended: the windows run out, then the alerts are resolved");
        self.faults.mend();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.firing.is_empty() && self.next_alert(deadline).await {}
        if self.firing.is_empty() {
            self.say("over: each alert is resolved\n");
        } else {
            self.say(&format!("still firing after a minute: {:?}\n", self.firing));
        }
    }

    /// Tells what comes until the rule fires, for half a minute at most.
    async fn wait_for(&mut self, rule: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.firing.contains(rule) && self.next_alert(deadline).await {}
    }

    /// Tells what comes meanwhile.
    async fn rest(&mut self, duration: Duration) {
        let deadline = Instant::now() + duration;
        while self.next_alert(deadline).await {}
        sleep_until(deadline).await;
    }

    async fn next_alert(&mut self, deadline: Instant) -> bool {
        match timeout_at(deadline, self.alerts.recv()).await {
            Ok(Some(alert)) => {
                self.tell(&alert);
                true
            }
            _ => false,
        }
    }

    fn tell(&mut self, alert: &Alert) {
        let colour = match alert.status {
            AlertStatus::Firing => {
                self.firing.insert(alert.rule.to_string());
                31
            }
            AlertStatus::Resolved => {
                self.firing.remove(&*alert.rule);
                32
            }
        };
        self.say(&format!("\x1b[{colour}m{alert}\x1b[0m"));
        for top in &alert.top {
            println!("           {top}");
        }
    }

    fn say(&self, text: &str) {
        println!("{:7.1} s  {text}", self.start.elapsed().as_secs_f64());
    }
}

//! Simulates an incident. Each step waits for its alert.

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
            self.simulate().await;
        }
        println!("Next:");
        println!("  curl http://{address}/metrics");
        println!("  curl -X POST http://{address}/faults -H 'content-type: application/json' \\");
        println!("       -d '{{\"error_ratio\": 0.2, \"latency_ms\": 5000}}'");
        println!("  curl -X POST http://{address}/faults -H 'content-type: application/json' \\");
        println!(
            "       -d '{{\"broker_down\": true}}'   # accepts orders, and loses their events"
        );
        println!("  curl -X DELETE http://{address}/faults");
        println!("  Ctrl-C\n");
        while let Some(alert) = self.alerts.recv().await {
            self.print_alert(&alert);
        }
    }

    async fn simulate(&mut self) {
        self.print("healthy: 50 requests per second, a few milliseconds each");
        self.rest(Duration::from_secs(5)).await;

        self.print("fault: each database query takes 5 s longer");
        self.faults.set(Fault { latency_ms: 5_000, ..Fault::default() });
        self.wait_for("HighMeanLatency").await;

        self.print("fault: queries are fast again, but 30% of the orders fail");
        self.faults.set(Fault { error_ratio: 0.3, ..Fault::default() });
        self.wait_for("HighErrorRatio").await;
        self.rest(Duration::from_secs(2)).await;

        self.print("fixed: the failures leave the windows, then the alerts resolve");
        self.faults.clear();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.firing.is_empty() && self.next_alert(deadline).await {}
        if self.firing.is_empty() {
            self.print("done: all alerts are resolved\n");
        } else {
            self.print(&format!("still firing after a minute: {:?}\n", self.firing));
        }
    }

    /// Prints alerts until the rule fires, for at most 30 s.
    async fn wait_for(&mut self, rule: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.firing.contains(rule) && self.next_alert(deadline).await {}
    }

    /// Prints alerts for this long.
    async fn rest(&mut self, duration: Duration) {
        let deadline = Instant::now() + duration;
        while self.next_alert(deadline).await {}
        sleep_until(deadline).await;
    }

    async fn next_alert(&mut self, deadline: Instant) -> bool {
        match timeout_at(deadline, self.alerts.recv()).await {
            Ok(Some(alert)) => {
                self.print_alert(&alert);
                true
            }
            _ => false,
        }
    }

    fn print_alert(&mut self, alert: &Alert) {
        let colour = match alert.status {
            AlertStatus::Firing => {
                self.firing.insert(alert.name.to_string());
                31
            }
            AlertStatus::Resolved => {
                self.firing.remove(&*alert.name);
                32
            }
        };
        self.print(&format!("\x1b[{colour}m{alert}\x1b[0m"));
        for top in alert.top() {
            println!("           {top}");
        }
    }

    fn print(&self, text: &str) {
        println!("{:7.1} s  {text}", self.start.elapsed().as_secs_f64());
    }
}

//! Sends an event for each order after the response.

use std::{error::Error, fmt, io};

use tokio::sync::mpsc;
use tower_lookout::{Report, Reporter};

use crate::service::Faults;

/// The queue of events that wait to be sent.
pub(crate) type Events = mpsc::UnboundedSender<u64>;

/// The broker did not accept an event.
#[derive(Debug)]
struct NotSent(io::Error);

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event order-created was not sent")
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Sends the events. The client already has the response, so no status can show a failure. The task
/// reports it instead.
pub(crate) async fn send(mut events: mpsc::UnboundedReceiver<u64>, faults: Faults, to: Reporter) {
    while let Some(order) = events.recv().await {
        if let Err(error) = publish(&faults) {
            to.send(Report::of(&error).named("OrderEventLost").field("order", order));
        }
    }
}

fn publish(faults: &Faults) -> Result<(), NotSent> {
    if faults.is_broker_down() {
        let cause = "no broker answers at kafka:9092";
        return Err(NotSent(io::Error::new(io::ErrorKind::ConnectionRefused, cause)));
    }
    Ok(())
}

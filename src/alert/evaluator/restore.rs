use std::time::{Duration, SystemTime};

use super::{Earlier, Evaluator, Tracked, Watch, alert_labels};
use crate::{
    alert::{Alert, Target, state::State},
    facade::MetricNaming,
    operation::{MethodLabel, Operation, OperationTable, TrafficId},
    rule::Scope,
};

impl Evaluator {
    /// Restores the alerts that fired when the last process ended; `wall` is now.
    ///
    /// They keep firing until a verdict resolves them, or until the rule's longest window passes
    /// without one. Returns the resolves of the alerts whose rule was removed.
    pub(crate) fn restore(
        &mut self,
        firing: Vec<Alert>,
        operations: &OperationTable,
        naming: &MetricNaming,
        wall: SystemTime,
    ) -> Vec<Alert> {
        let mut resolved = Vec::new();
        for alert in firing {
            let watch = self.rules.iter_mut().find(|watch| watch.raised(&alert, operations));
            let lasted = wall.duration_since(alert.starts_at).unwrap_or_default();
            match watch {
                Some(watch) => watch.restore(alert, lasted, naming),
                None => resolved.push(alert.resolved_by_removal(wall)),
            }
        }
        resolved
    }
}

impl Watch {
    /// Whether this rule raised the alert and evaluates its target.
    fn raised(&self, alert: &Alert, operations: &OperationTable) -> bool {
        let is_target = match (&self.rule.scope, &alert.target) {
            (Scope::Service, Target::Service) => true,
            (Scope::Route(route), Target::Route(of)) => route == of,
            (Scope::Dependency(name), Target::Dependency(of)) => name == of,
            (Scope::EachRoute, Target::Operation(operation)) => is_known(operation, operations),
            _ => false,
        };
        let is_signal = alert.breach().is_some_and(|breach| breach.signal == self.rule.signal);
        is_target && is_signal && self.name == alert.name
    }

    fn restore(&mut self, alert: Alert, lasted: Duration, naming: &MetricNaming) {
        let labels = alert_labels(&self.name, &self.rule, &alert.target, naming);
        let start = Duration::ZERO;
        let (peak, requests, errors) = alert
            .breach()
            .map(|breach| (breach.peak, breach.requests, breach.errors))
            .unwrap_or_default();
        let tracked = Tracked {
            state: State::Firing { since: start, last_breach: start, last_verdict: start },
            peak,
            starts_at: alert.starts_at,
            earlier: Earlier { lasted, requests, errors },
            ..Tracked::new(labels)
        };
        let target = alert.target.clone();
        self.tracked.insert(target, Tracked { firing: Some(alert), ..tracked });
    }
}

/// Registers the operation, so that each tick evaluates it; `false` past the maximum number of
/// operations.
fn is_known(operation: &Operation, operations: &OperationTable) -> bool {
    let side = operations.side(operation.traffic().dependency.clone());
    let traffic = TrafficId::new(side, operation.traffic().protocol);
    let id = if operation.is_overflow() {
        operations.overflow(traffic)
    } else {
        operations.id_of(traffic, MethodLabel::named(operation.method()), operation.route())
    };
    operations.get(id).as_ref() == Some(operation)
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
